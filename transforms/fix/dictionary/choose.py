"""Which dictionary a message is read by: that of its version, or a counterparty's own."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import orjson

from fixfeed.transforms.fix.dictionary.union import merged, standard_data_tags
from fixfeed.transforms.fix.dictionary.version import (
    VERSIONS,
    Definition,
    VersionDictionary,
    definition,
    names_of,
)
from fixfeed.transforms.fix.patterns import matches

__all__ = ["APPL_VER_ID", "APPL_VER_IDS", "BUILT_IN", "Dictionaries", "OwnDictionary"]

APPL_VER_ID = 1128
"""The tag of the version that a message of FIXT.1.1 is of."""

APPL_VER_IDS = {
    "2": "FIX.4.0",
    "3": "FIX.4.1",
    "4": "FIX.4.2",
    "5": "FIX.4.3",
    "6": "FIX.4.4",
    "7": "FIX.5.0",
    "8": "FIX.5.0SP1",
    "9": "FIX.5.0SP2",
}
"""The versions that ApplVerID (1128) and DefaultApplVerID (1137) name."""

_TRANSPORT = "FIXT.1.1"
_MOST_CHOICES = 10_000  # a damaged log may have ever new sessions


class OwnDictionary(NamedTuple):
    """A dictionary that takes the place of a built-in one.

    `session` is a pattern such as `BROKER->*`, matched against `SenderCompID->TargetCompID` of both
    directions; the messages of these sessions are read by it whatever their version. If it is
    empty, the dictionary is for all messages of its own version.
    """

    session: str
    definition: Definition

    def suits(self, session: str) -> bool:
        """Tell whether the pattern matches a session, written `A->B`."""
        sender, _, target = session.partition("->")
        return matches(session, self.session) or matches(f"{target}->{sender}", self.session)


@dataclass(frozen=True, eq=False)
class Dictionaries:
    """The dictionaries of a run.

    `own` are tried in order, those for sessions first. `default_appl_ver_id` is the version of
    FIXT.1.1 messages if neither they (1128) nor the Logon of their session (1137) have one.
    Equal if they choose alike; they can be pickled.
    """

    own: tuple[OwnDictionary, ...] = ()
    default_appl_ver_id: str = "9"

    @cached_property
    def digest(self) -> str:
        """A text that identifies these dictionaries; empty for the built-in ones."""
        if not self.own and self.default_appl_ver_id == "9":
            return ""
        parts = [orjson.dumps(tuple(one), option=orjson.OPT_SORT_KEYS) for one in self.own]
        parts.append(self.default_appl_ver_id.encode())
        return hashlib.blake2b(b"\0".join(parts), digest_size=8).hexdigest()

    def __eq__(self, other: object) -> bool:
        """Compare by what is chosen."""
        return isinstance(other, Dictionaries) and self.digest == other.digest

    def __hash__(self) -> int:
        """Hash what is chosen."""
        return hash(self.digest)

    @cached_property
    def data_tags(self) -> Mapping[bytes, bytes]:
        """The tags of data fields by those of their length fields, the counterparties' included.

        The length of a data field is in the field of its name with Len or Length after it, else in
        the one with the tag before.
        """
        found = dict(standard_data_tags())
        for one in self.own:
            fields = one.definition["fields"]
            tags = {field[0]: tag for tag, field in fields.items()}
            for tag, (name, kind, *_) in fields.items():
                if kind in ("DATA", "XMLDATA"):
                    length = tags.get(f"{name}Len") or tags.get(f"{name}Length")
                    length = length or str(int(tag) - 1)
                    if fields.get(length, ("", ""))[1] in ("LENGTH", "INT"):
                        found[length.encode()] = tag.encode()
        return found

    @cached_property
    def own_names(self) -> Mapping[int, str]:
        """The names that the dictionaries in `own` give to tags, where FIX has none or another."""
        usual = merged().fields
        return {
            tag: name
            for one in self.own
            for tag, name in names_of(one.definition).items()
            if tag not in usual or usual[tag].name != name
        }

    @cached_property
    def by_session(self) -> bool:
        """Whether the choice depends on more than BeginString and ApplVerID."""
        return any(one.session for one in self.own)

    def choose(
        self, begin_string: str, appl_ver_id: str, session: str, logged_on: Mapping[str, str]
    ) -> VersionDictionary:
        """Return the dictionary of a message; the same object for the same choice.

        `session` is `SenderCompID->TargetCompID`; `logged_on` has the DefaultApplVerID of sessions
        by that, as their Logons gave it. If BeginString names no known version, only header,
        trailer and session messages of FIXT.1.1 are known.
        """
        version = begin_string
        if begin_string in (_TRANSPORT, ""):
            version = APPL_VER_IDS[self._applied(appl_ver_id, session, logged_on)]
        key = (begin_string, version, session if self.by_session else "")
        if key not in self._chosen:
            if len(self._chosen) > _MOST_CHOICES:
                self._chosen.clear()
            self._chosen[key] = self._make(*key)
        return self._chosen[key]

    def applied(
        self, begin_string: str, appl_ver_id: str, session: str, logged_on: Mapping[str, str]
    ) -> str:
        """Return the ApplVerID (1128) of the version that a message of FIXT.1.1 is read by.

        The arguments are those of `choose`. Messages of other versions have none: ``.
        """
        if begin_string != _TRANSPORT:
            return ""
        return self._applied(appl_ver_id, session, logged_on)

    def _applied(self, appl_ver_id: str, session: str, logged_on: Mapping[str, str]) -> str:
        said = (appl_ver_id, logged_on.get(session, ""))
        return next((one for one in said if one in APPL_VER_IDS), self.default_appl_ver_id)

    @cached_property
    def _chosen(self) -> dict[tuple[str, str, str], VersionDictionary]:
        return {}

    @cached_property
    def _made(self) -> dict[tuple[int, int, bool], VersionDictionary]:
        return {}

    def __getstate__(self) -> tuple[tuple[OwnDictionary, ...], str]:
        """Pickle what was given, not what was made of it."""
        return self.own, self.default_appl_ver_id

    def __setstate__(self, state: tuple[tuple[OwnDictionary, ...], str]) -> None:
        """Restore from `__getstate__`."""
        object.__setattr__(self, "own", state[0])
        object.__setattr__(self, "default_appl_ver_id", state[1])

    def _make(self, begin_string: str, version: str, session: str) -> VersionDictionary:
        transport = begin_string in (_TRANSPORT, "") or version.startswith("FIX.5")
        content = self._find(version, session, any_version=True)
        outer = self._find(_TRANSPORT, session, any_version=False) if transport else None
        is_known = version in VERSIONS or content["version"] != _TRANSPORT
        made = (id(content), id(outer), is_known)
        if made not in self._made:
            self._made[made] = VersionDictionary(content, outer, is_known=is_known)
        return self._made[made]

    def _find(self, version: str, session: str, *, any_version: bool) -> Definition:
        for one in self.own:
            fits = one.definition["version"] == version or (
                any_version and one.definition["version"] != _TRANSPORT
            )
            if one.session and fits and one.suits(session):
                return one.definition
        for one in self.own:
            if not one.session and one.definition["version"] == version:
                return one.definition
        return definition(version if version in VERSIONS else _TRANSPORT)


BUILT_IN = Dictionaries()
"""The dictionaries that come with the project."""
