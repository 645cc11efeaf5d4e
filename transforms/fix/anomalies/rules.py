"""Rules of anomalies: what counts as out of the ordinary, as data.

The rules that come with fixfeed are the file default_rules.yaml beside this one. A file of a user's
own replaces settings of them, takes rules away, or adds others.
"""

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import yaml

from fixfeed.transforms.fix.patterns import matches
from fixfeed.transforms.nearest import did_you_mean

__all__ = [
    "KINDS",
    "Rule",
    "RuleFileError",
    "chosen_rules",
    "default_rules",
    "default_text",
    "read_rules",
    "rules_of_text",
    "text_of_rules",
    "yaml_of_rules",
]

SEVERITIES = ("info", "warning", "critical")
MEASURED = ("acknowledged", "filled", "answered")
CLOCKS = ("sent", "captured by sender", "captured by receiver", "captured")


class RuleFileError(ValueError):
    """Rules cannot be understood; the text says what was found and what was expected."""


class _Number(NamedTuple):
    """A setting that is a number from `least` to `most`; a whole one unless it has `places`."""

    least: int
    most: int
    places: bool = False

    def read(self, value: Any) -> str:
        """Return the number as people write it. Raises `ValueError`, with what is expected."""
        kind = "number" if self.places else "whole number"
        expected = f"a {kind} from {self.least} to {self.most:,}"
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            raise ValueError(expected) from None
        # NaN is not comparable.
        if isinstance(value, bool) or number.is_nan() or not self.least <= number <= self.most:
            raise ValueError(expected)
        if not self.places and number != int(number):
            raise ValueError(expected)
        return f"{number.normalize():f}"


class _Word(NamedTuple):
    """A setting that is one of some words, any text if there are none."""

    words: tuple[str, ...] = ()

    def read(self, value: Any) -> str:
        """Return the word. Raises `ValueError`, with what is expected."""
        if not isinstance(value, str) or not value or (self.words and value not in self.words):
            raise ValueError(f"one of {', '.join(self.words)}" if self.words else "a text")
        return value


_MANY = 1_000_000_000
_BURST = {"at_least": _Number(1, _MANY), "within": _Number(1, 60)}
KINDS: Mapping[str, Mapping[str, _Number | _Word]] = {
    "reject_burst": _BURST,
    "cancel_storm": _BURST,
    "sequence_gap": {"at_least": _Number(1, _MANY)},
    "silent_session": {"heartbeats": _Number(0, 1000), "seconds": _Number(60, 86_400)},
    "overfilled": {},
    "price_off": {"percent": _Number(0, _MANY, places=True)},
    "latency": {
        "measured": _Word(MEASURED),
        "clock": _Word(CLOCKS),
        "seconds": _Number(0, 86_400, places=True),
    },
}
"""The kinds of rules, with their own settings."""

_ALL_HAVE = {"kind": _Word(tuple(KINDS)), "severity": _Word(SEVERITIES), "session": _Word()}


@dataclass(frozen=True)
class Rule:
    """A rule: its `name`, its `kind`, how bad it is, and where it holds.

    `session` is a pattern such as `BROKER->*`, with `*` and `?`, of the sessions it is for; all if
    it is empty. `settings` are those of its kind, as texts; nobody changes them. Can be pickled,
    and is hashed, as it belongs to the protocol that worker processes read by.
    """

    name: str
    kind: str
    severity: str
    session: str
    settings: Mapping[str, str] = field(hash=False)

    def holds_for(self, session: str | None) -> bool:
        """Return whether it is for a session, such as `FIX.4.4:BROKER->ANN`."""
        if not self.session:
            return True
        ends = (session or "").partition(":")[2]
        return matches(ends, self.session) or matches(session or "", self.session)

    def number(self, name: str) -> float:
        """Return a setting that is a number."""
        return float(self.settings[name])


def chosen_rules(
    rules: str | os.PathLike[str] | Iterable[Rule] | None,
) -> tuple[Rule, ...] | None:
    """Return the rules that are given, or those of a YAML file; None if there are none.

    Raises `OSError`, and `RuleFileError`, which names the file.
    """
    if rules is None:
        return None
    if not isinstance(rules, (str, os.PathLike)):
        return tuple(rules)
    try:
        return read_rules(Path(rules).read_text(encoding="utf-8"))
    except (RuleFileError, UnicodeDecodeError) as error:
        raise RuleFileError(f"{os.fspath(rules)}: {error}") from error


def default_rules() -> tuple[Rule, ...]:
    """Return the rules that come with fixfeed."""
    return read_rules(default_text(), over=())


def default_text() -> str:
    """Return the file of the rules that come with fixfeed."""
    return files(__package__).joinpath("default_rules.yaml").read_text("utf-8")


def read_rules(text: str, over: Iterable[Rule] | None = None) -> tuple[Rule, ...]:
    """Return the rules in `over`, the default ones if it is None, as a YAML text changes them.

    Raises `RuleFileError`.

    >>> [rule.name for rule in read_rules("overfilled: off", over=default_rules()[3:6])]
    ['silent_session', 'price_off']
    >>> (rule,) = read_rules("price_off: {percent: 2.5}", over=default_rules()[5:6])
    >>> rule.kind, rule.severity, dict(rule.settings)
    ('price_off', 'warning', {'percent': '2.5'})
    >>> read_rules("price_off: {per_cent: 2.5}")
    Traceback (most recent call last):
        ...
    fixfeed.transforms.fix.anomalies.rules.RuleFileError: price_off: unknown setting 'per_cent'; \
did you mean percent?
    """
    known = {rule.name: rule for rule in (default_rules() if over is None else over)}
    try:
        given = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise RuleFileError(f"no YAML: {error}") from error
    except RecursionError:
        raise RuleFileError("no rules: brackets in brackets, too deep to read") from None
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise RuleFileError("expected rules by name, as in `price_off: {percent: 5}`")
    for name, said in given.items():
        if said is False or said == "off":
            if name not in known:
                raise RuleFileError(
                    f"{name}: there is no such rule to take away{did_you_mean(str(name), known)}"
                )
            del known[name]
        else:
            known[str(name)] = _rule(str(name), said, known.get(name))
    return tuple(known.values())


class _Loader(yaml.SafeLoader):
    """Reads a word that comes twice as an error: only one of its values would count."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value]
        for name in names:
            if names.count(name) > 1:
                raise RuleFileError(f"{name!r} is given twice, where only one would count")
        return dict(super().construct_mapping(node, deep))


def _rule(name: str, said: Any, known: Rule | None) -> Rule:
    if not isinstance(said, dict):
        raise RuleFileError(f"{name}: found {said!r}, expected its settings, or off")
    kind = said.get("kind") or (known.kind if known else None)
    if kind is None:
        raise RuleFileError(
            f"{name}: has no kind, expected one of {', '.join(KINDS)}{did_you_mean(name, KINDS)}"
        )
    if not isinstance(kind, str) or kind not in KINDS:
        raise RuleFileError(
            f"{name}: kind is {kind!r}, expected one of {', '.join(KINDS)}"
            f"{did_you_mean(str(kind), KINDS)}"
        )
    values = {"severity": "warning", "session": ""}
    if known and known.kind == kind:
        values |= {"severity": known.severity, "session": known.session, **known.settings}
    settings = {**_ALL_HAVE, **KINDS[kind]}
    for word, value in said.items():
        if word not in settings:
            raise RuleFileError(
                f"{name}: unknown setting {word!r}{_meant(str(word), settings, kind)}"
            )
        try:
            values[word] = settings[word].read(value)
        except ValueError as error:
            raise RuleFileError(f"{name}: {word} is {value!r}, expected {error}") from None
    missing = [word for word in KINDS[kind] if word not in values]
    if missing:
        raise RuleFileError(f"{name}: {missing[0]} is missing; a rule of kind {kind} needs it")
    own = {word: values[word] for word in KINDS[kind]}
    return Rule(name, kind, values["severity"], values["session"], own)


def _meant(word: str, settings: Collection[str], kind: str) -> str:
    return did_you_mean(word, settings) or f"; {kind} has {', '.join(settings)}"


def text_of_rules(rules: Iterable[Rule]) -> str:
    """Return rules as a text that differs where the rules do, and that databases keep."""
    return orjson.dumps(
        [[one.name, one.kind, one.severity, one.session, dict(one.settings)] for one in rules]
    ).decode()


def rules_of_text(text: str) -> tuple[Rule, ...]:
    """Return the rules that `text_of_rules` has written."""
    return tuple(
        Rule(name, kind, severity, session, settings)
        for name, kind, severity, session, settings in orjson.loads(text)
    )


def yaml_of_rules(rules: Iterable[Rule]) -> str:
    """Return rules as a file that `read_rules` understands."""
    lines = []
    for rule in rules:
        name = rule.name if rule.name.isidentifier() else _quoted(rule.name)
        lines += [f"{name}:", f"  kind: {rule.kind}", f"  severity: {rule.severity}"]
        if rule.session:
            lines.append(f"  session: {_quoted(rule.session)}")
        lines += [f"  {word}: {value}" for word, value in rule.settings.items()]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """Return a text as YAML has it in quotes, which is that of JSON."""
    return orjson.dumps(text).decode()
