"""What FIX and counterparties call the values of fields: 1 of Side is `Buy`.

A version calls some values otherwise than all others do (6 of OrdStatus is `Pending cancel`, in
FIX 4.0 and 4.1 `Pending cancel/replace`), and so does a counterparty's own dictionary for its
messages. `Code.other_names` has these names by session, ApplVerID or BeginString.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property

from fixfeed.transforms.codes import OTHER, Code
from fixfeed.transforms.fix.dictionary.choose import APPL_VER_IDS, OwnDictionary
from fixfeed.transforms.fix.dictionary.union import listed_by, merged, names_by_version
from fixfeed.transforms.fix.dictionary.version import VERSIONS, Definition, definition

__all__ = ["NAMED_BY", "Codes"]

NAMED_BY = ("session", "appl_ver_id", "begin_string")
"""The columns of messages whose values are the keys of `Code.other_names`; the first decides."""

_MSG_TYPE, _REF_MSG_TYPE = 35, 372
_TRANSPORT = "FIXT.1.1"
_SIGNS = re.compile(r"[^a-z0-9]+")

_Codes = dict[tuple[str, str], Code]


class Codes:
    """The names of values: FIX's, and those of the dictionaries of a run."""

    def __init__(self, own: Sequence[OwnDictionary] = ()):
        """`own` are those dictionaries, in the order in which they are tried."""
        self._own = tuple(own)

    def __iter__(self) -> Iterator[Code]:
        """Yield every value that has a name, of all versions of FIX and of own dictionaries.

        Names read as in a sentence (`Partially filled`), with abbreviations and names of fields in
        FIX's spelling (`VWAP`, `Unknown ClOrdID`); types of messages have their names
        (`NewOrderSingle`). A field with several values at once (ExecInst) has each of them. Own
        dictionaries for certain sessions are left out: `of` has their names.
        """
        yield from self._for_all_sessions.values()

    def of(self, session: str) -> Iterator[Code]:
        """Yield the values that messages of a session call otherwise than these do.

        `session` is that of a message (`FIX.4.4:BROKER->ME`), and the one key of `other_names`
        that is new. Nothing is yielded if no dictionary is for that session.
        """
        begin_string, _, pair = session.partition(":")
        at = [n for n, one in enumerate(self._own) if one.session and one.suits(pair)]
        versions = {n: self._own[n].definition["version"] for n in at}
        used = [
            *[n for n in at if versions[n] == _TRANSPORT == begin_string][:1],
            *[n for n in at if versions[n] != _TRANSPORT][:1],
        ]
        if not used:
            return
        # Its dictionary takes the place of the one for all messages of its version.
        replaced = dict.fromkeys(self._changed, "")
        for key in replaced:
            if key in _standard():
                replaced[key] = _standard()[key].name_in([begin_string]) or ""
        names = dict(replaced)
        for n in used:
            names |= self._names[n]
        for key, name in names.items():
            known = self._for_all_sessions.get(key)
            if known is None:
                yield Code(*key, name, {session: name})
                continue
            by_appl_ver_id = begin_string == _TRANSPORT and key in replaced
            if by_appl_ver_id or (known.name_in([begin_string]) or "") != name:
                others = known.other_names or {OTHER: known.name}
                yield known._replace(other_names={**others, session: name})

    @cached_property
    def _names(self) -> list[dict[tuple[str, str], str]]:
        """The names in each dictionary that FIX does not give."""
        return [_own_names(one.definition) for one in self._own]

    @cached_property
    def _changed(self) -> _Codes:
        """What the dictionaries for all messages of a version call otherwise than FIX does."""
        changed: _Codes = {}
        # The first of several for one version is the one that is used.
        for one, names in reversed(list(zip(self._own, self._names, strict=True))):
            if not one.session:
                for key, name in names.items():
                    usual = changed.get(key) or _standard().get(key)
                    code = usual or Code(*key, name, {OTHER: ""})
                    changed[key] = _called(code, one.definition["version"], name)
        return changed

    @cached_property
    def _for_all_sessions(self) -> _Codes:
        return _standard() | self._changed

    def __getstate__(self) -> tuple[OwnDictionary, ...]:
        """Pickle what was given, not what was made of it."""
        return self._own

    def __setstate__(self, state: tuple[OwnDictionary, ...]) -> None:
        """Restore from `__getstate__`."""
        self._own = state


@cache
def _standard() -> _Codes:
    """Return the values that FIX names."""
    found: _Codes = {}
    dictionary, varying = merged(), names_by_version()
    for tag, field in dictionary.fields.items():
        lists = listed_by().get(tag, tag)
        named = dictionary.fields[lists].values
        for value, name in (dictionary.message_types if lists == _MSG_TYPE else named).items():
            code = Code(field.name, value, name)
            for version, other in varying.get(lists, {}).get(value, {}).items():
                code = _called(code, version, other)
            found[field.name, value] = code
    return found


def _called(code: Code, version: str, name: str) -> Code:
    """Return a code with its name in the messages of a version."""
    keys = [number for number, one in APPL_VER_IDS.items() if one == version]
    if not version.startswith("FIX.5"):
        keys.append(version)
    others = code.other_names or {OTHER: code.name}
    return code._replace(other_names={**others, **dict.fromkeys(keys, name)})


def _own_names(content: Definition) -> dict[tuple[str, str], str]:
    """Return the names in a dictionary that no version of FIX gives to the same values.

    A counterparty's file mostly repeats FIX's values; those keep FIX's names.
    """
    found: dict[tuple[str, str], str] = {}
    standard = merged().fields
    types = {value: one[0] for value, one in content["messages"].items()}
    for text, (own_name, _, values, *_) in content["fields"].items():
        tag = int(text)
        named: Mapping[str, str] = {**values, **types} if tag == _MSG_TYPE else values
        fields = {own_name, standard[tag].name} if tag in standard else {own_name}
        fields |= {standard[other].name for other in _listing_none(content, tag)}
        usual = _usual_names(tag)
        for value, name in named.items():
            if name and _plain(name) not in usual.get(value, ()):
                found |= {(field, value): name for field in sorted(fields)}
    return found


def _listing_none(content: Definition, tag: int) -> Iterator[int]:
    """Yield the fields of a dictionary that list no values, but have those of a field."""
    for other, lists in listed_by().items():
        if lists == tag and str(other) in content["fields"]:
            listed = content["fields"][str(other)][2]
            if not listed or other == _REF_MSG_TYPE:
                yield other


@cache
def _usual_names(tag: int) -> Mapping[str, set[str]]:
    """Return all that FIX's versions, and files of them, call the values of a field."""
    found: dict[str, set[str]] = {}
    for version in VERSIONS:
        content = definition(version)
        named = dict(content["fields"].get(str(tag), ("", "", {}))[2])
        several = [named]
        if listed_by().get(tag, tag) == _MSG_TYPE:
            several.append({value: one[0] for value, one in content["messages"].items()})
        for one in several:
            for value, name in one.items():
                found.setdefault(value, set()).add(_plain(name))
    for (field, value), code in _standard().items():
        if tag in merged().fields and field == merged().fields[tag].name:
            names = (code.name, *code.other_names.values())
            found.setdefault(value, set()).update(map(_plain, names))
    return found


def _plain(name: str) -> str:
    return _SIGNS.sub("", name.lower())
