"""Rules: a small language that decides which messages are meant.

    MsgType in D,8 and Symbol = AAPL
    35 = D and not (Side = 1 or side = 2)
    SendingTime >= 2025-01-02T09:30 and SendingTime < 2025-01-02T16:00
    session = FIX.4.2:A->B and PartyID like DESK*
    Symbol=AAPL OrderQty>1000 "any text" -MsgType=0

To the left of an operator is a FIX field name, a column of the batch (both in upper or lower case)
or a tag number, alone or after `Tag`; to the right is a value, bare or in single or double quotes
(a quote in a quoted text is written twice). A bare value ends at a space, comma, bracket or quote.

* Numbers compare exactly, whatever their digits; times as UTC (`2025-01-02`, which is its midnight,
  `2025-01-02T09:30:00.123+01:00`, or as FIX writes them); days as `2025-01-02`
  or `20250102`; flags as `Y` and `N`; text by its characters. A field without a column that is not
  text or a UTCTimestamp in the dictionary compares as a number if both sides are numbers, else as
  text.
* `=`, `!=`, `<`, `<=`, `>`, `>=`; `in` and `not in` with a list, in parentheses or not; `like` with
  `*` for any text, `?` for one character and a backslash before either for itself, at most 250
  characters; `exists` and `missing` after a field; `not` before `and` before `or`, and parentheses.
  Words in any case.
* Conditions side by side mean `and`, and a `-` before one means `not`.
* A text in quotes where a condition is expected: it is in `raw`, or in `prefix`, in upper and lower
  case as written there.
* A column, written as it is called (`price exists`), exists exactly where it has a value. A field
  (`Price exists`, `44 exists`) exists wherever the message has it: in a group too, and with a value
  that its column cannot hold.
* A message without the field meets no comparison, not even `!=` and `not in`. It meets `missing`
  and `not (...)`.
* Where a field repeats, in the message or in groups, one of its values has to meet the condition.
  The field that counts a group has the number of its entries.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa

from fixfeed.transforms.fix.dictionary.version import tag_key
from fixfeed.transforms.fix.rules.conditions import Every, Node, Not, Rows, Some, Term
from fixfeed.transforms.fix.rules.named import code_named
from fixfeed.transforms.fix.rules.operands import (
    CHECKED,
    Kind,
    Operand,
    literal,
    operands,
    pattern_expression,
)
from fixfeed.transforms.nearest import nearest

__all__ = ["Rule", "RuleError", "parse_rule"]

_EQUALITY = ("=", "!=", "in", "not in")
_ORDER = ("<", "<=", ">", ">=")
_OPERATORS = {
    Kind.TEXT: (*_EQUALITY, *_ORDER, "like"),
    Kind.BYTES: (*_EQUALITY, *_ORDER, "like"),
    Kind.UNTYPED: (*_EQUALITY, *_ORDER, "like"),
    Kind.NUMBER: (*_EQUALITY, *_ORDER),
    Kind.TIME: (*_EQUALITY, *_ORDER),
    Kind.DATE: (*_EQUALITY, *_ORDER),
    Kind.FLAG: _EQUALITY,
}
_EXAMPLES = {
    Kind.NUMBER: "a number such as 100 or 1.25",
    Kind.TIME: "a time such as 2025-01-02 or 2025-01-02T09:30:00.123",
    Kind.DATE: "a day such as 2025-01-02 or 20250102",
    Kind.FLAG: "Y or N",
}
_WORDS = frozenset(("and", "or", "not", "in", "like", "exists", "missing"))
_OPERATOR_WORDS = frozenset(("in", "like", "exists", "missing", "not"))
_DEEPEST = 50
_LONGEST_PATTERN = 250
"""Characters of a pattern: RE2 takes half a minute for one of 1,900 in a value of a megabyte."""


_SPACE = re.compile(r"\s*")
_NAME = re.compile(r"[^\s=<>!,()'\"]+")
_SYMBOL = re.compile(r"!=|<=|>=|=|<|>")
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")
_BARE = re.compile(r"[^\s,()'\"=<>!][^\s,()'\"]*")
_FOUND = re.compile(rf"{_NAME.pattern}|{_SYMBOL.pattern}|.", re.DOTALL)
_TAG = re.compile(r"[1-9][0-9]{0,8}")
_TAG_KEY = re.compile(rf"^tag({_TAG.pattern})$")


class RuleError(ValueError):
    """A rule that cannot be read; the text shows it, the place, what was found and expected."""


@dataclass(frozen=True)
class Rule:
    """A rule that was read. Rules of one text are equal; they can be pickled.

    `node` is what it says; `columns` are the columns of the batch that it asks about.
    """

    text: str
    node: Node = field(repr=False, compare=False)
    columns: frozenset[str] = field(repr=False, compare=False)

    def mask(self, messages: pa.RecordBatch) -> pa.BooleanArray:
        """Return whether each row of `messages`, of the schema `MESSAGES`, is meant; no nulls."""
        everything = np.ones(messages.num_rows, bool)
        return pa.array(self.node.mask(Rows(messages), everything), pa.bool_())

    def terms(self) -> Iterator[Term]:
        """Yield the questions of the rule."""
        nodes = [self.node]
        while nodes:
            node = nodes.pop()
            if isinstance(node, Term):
                yield node
            elif isinstance(node, Not):
                nodes.append(node.node)
            elif isinstance(node, Every | Some):
                nodes += node.nodes


def parse_rule(text: str, own_names: Mapping[int, str] = MappingProxyType({})) -> Rule:
    """Read a rule; `own_names` are names that dictionaries of counterparties give to tags.

    Raises:
      RuleError: The text is not a rule, names no known field, or compares one with a value that it
        cannot have.
    """
    reader = _Reader(text, own_names)
    return Rule(text, reader.rule(), frozenset(reader.columns))


class _Reader:
    """Reads a rule from left to right; `_at` is the place of what comes next."""

    def __init__(self, text: str, own_names: Mapping[int, str]):
        self._text = text
        self._own_names = own_names
        self._own_tags = {name.lower(): str(tag) for tag, name in own_names.items()}
        self.columns: set[str] = set()
        self._at = 0
        self._depth = 0
        self._skip_space()

    def rule(self) -> Node:
        node = self._either()
        if self._at < len(self._text):
            self._fail("`and`, `or` or the end of the rule")
        return node

    def _either(self) -> Node:
        nodes = [self._every()]
        while self._word("or"):
            nodes.append(self._every())
        return nodes[0] if len(nodes) == 1 else Some(tuple(nodes))

    def _every(self) -> Node:
        nodes = [self._opposite()]
        while self._word("and") or self._begins_another():
            nodes.append(self._opposite())
        return nodes[0] if len(nodes) == 1 else Every(tuple(nodes))

    def _begins_another(self) -> bool:
        """Return whether a condition begins here, which is meant as well as the one before."""
        if self._at == len(self._text):
            return False
        if self._text[self._at] in "('\"-":
            return True
        match = _NAME.match(self._text, self._at)
        if match is None or match[0].lower() == "not":
            return match is not None
        if match[0].lower() in _WORDS:
            return False
        # A word that no operator follows is rather a value with a blank that lacks its quotes.
        space = _SPACE.match(self._text, match.end())
        after = self._text[space.end() if space else match.end() :]
        word = _NAME.match(after)
        return bool(_SYMBOL.match(after)) or bool(word and word[0].lower() in _OPERATOR_WORDS)

    def _opposite(self) -> Node:
        opposite = False
        while True:
            if self._text.startswith("-", self._at):
                self._go_to(self._at + 1)
            elif not self._word("not"):
                break
            opposite = not opposite
        if self._text.startswith("(", self._at):
            node = self._group()
        elif self._text.startswith(("'", '"'), self._at):
            node = self._anywhere()
        else:
            node = self._term()
        return Not(node) if opposite else node

    def _anywhere(self) -> Node:
        """Return the condition that a text is in the message, or before it on its line."""
        at = self._at
        text = self._quoted()
        if not text:
            self._at = at
            self._fail("a text in quotes, the same before and after it")
        raw, prefix = operands()["raw"], operands()["prefix"]
        self.columns |= {"raw", "prefix"}
        return Some((Term(raw, "contains", (text.encode(),)), Term(prefix, "contains", (text,))))

    def _group(self) -> Node:
        self._depth += 1
        if self._depth > _DEEPEST:
            self._fail(f"at most {_DEEPEST} parentheses inside each other")
        self._go_to(self._at + 1)
        node = self._either()
        if not self._text.startswith(")", self._at):
            self._fail("`and`, `or` or `)`")
        self._go_to(self._at + 1)
        self._depth -= 1
        return node

    def _term(self) -> Node:
        begin = self._at
        operand = self._operand()
        at = self._at
        written = self._text[begin:at].rstrip()
        symbol = _SYMBOL.match(self._text, at)
        if symbol:
            name = symbol[0]
            self._go_to(symbol.end())
        else:
            name = self._word_operator()
        if name in ("exists", "missing"):
            if written == operand.column:
                operand = replace(operand, keys=())  # the column itself, not the field
            return Term(operand, name)
        allowed = _OPERATORS[operand.kind]
        if name not in allowed:
            self._at = at
            self._fail(f"one of {', '.join(allowed)}, as {operand.name} is {operand.kind.value}")
        if name not in ("in", "not in"):
            return Term(operand, name, (self._value(operand, pattern=name == "like"),))
        return Term(operand, name, self._list(operand))

    def _word_operator(self) -> str:
        for word in ("in", "like", "exists", "missing"):
            if self._word(word):
                return word
        at = self._at
        if self._word("not"):
            if self._word("in"):
                return "not in"
            self._at = at
        self._fail("an operator (=, !=, <, <=, >, >=, in, not in, like, exists, missing)")

    def _operand(self) -> Operand:
        expected = "a field name, tag number or column"
        match = _NAME.match(self._text, self._at)
        if not match or match[0].lower() in _WORDS:
            self._fail(expected)
        name = match[0]
        operand = self._known(name)
        if operand is None:
            names = [*(known for known in operands() if not known.isdigit()), *self._own_tags]
            if not self._asks(match.end()):
                text = f'a text in quotes, as in "{name}", which may be anywhere in a message'
                self._fail(f"{expected}, or {text}")
            near = nearest(name.lower(), names)
            meant = self._known(near) if near and not name.isdigit() else None
            if meant:
                expected += f"; the nearest is {meant.name}"
            self._fail(expected)
        if CHECKED.keys() & set(operand.keys):
            defect = CHECKED[operand.name]
            self._fail(
                f"another field: {operand.name} is checked and not kept, "
                f"where it is wrong `defects like *{defect}*` says so"
            )
        self._go_to(match.end())
        if operand.column:
            self.columns.add(operand.column)
        return operand

    def _asks(self, at: int) -> bool:
        """Return whether an operator is there."""
        rest = self._text[at:].lstrip()
        word = _NAME.match(rest)
        return bool(_SYMBOL.match(rest)) or (word is not None and word[0].lower() in _WORDS)

    def _known(self, name: str) -> Operand | None:
        """Return the operand that a name or tag means."""
        text = _TAG_KEY.sub(r"\1", name.lower())
        if text not in operands():
            text = self._own_tags.get(text, text)
        operand = operands().get(text)
        if operand is None and _TAG.fullmatch(text):
            operand = Operand(f"tag {text}", None, (tag_key(int(text)),), Kind.UNTYPED)
        tag = next((tag for tag in self._own_names if operands().get(str(tag)) is operand), None)
        own = self._own_names.get(int(text) if text.isdigit() else tag or 0)
        if operand is None or own is None:
            return operand
        name = own if text not in operands() else operand.name
        return replace(operand, name=name, keys=(*operand.keys, own))

    def _list(self, operand: Operand) -> tuple[Any, ...]:
        bracket = self._text.startswith("(", self._at)
        if bracket:
            self._go_to(self._at + 1)
        values = [self._value(operand)]
        while self._text.startswith(",", self._at):
            self._go_to(self._at + 1)
            values.append(self._value(operand))
        if bracket:
            if not self._text.startswith(")", self._at):
                self._fail("`,` or `)`")
            self._go_to(self._at + 1)
        return tuple(values)

    def _value(self, operand: Operand, *, pattern: bool = False) -> Any:
        at = self._at
        text = self._quoted()
        if text is None:
            bare = _BARE.match(self._text, at)
            if not bare or bare[0].lower() in _WORDS:
                self._fail("a value (in quotes if it is a word of the language or has spaces)")
            text = bare[0]
            self._go_to(bare.end())
        if pattern:
            if len(text) > _LONGEST_PATTERN:
                self._at = at
                self._fail(f"a pattern of at most {_LONGEST_PATTERN} characters, not {len(text):,}")
            return pattern_expression(text)
        self._check_code(operand, text, at)
        value = literal(text, operand.kind)
        if value is None:
            self._at = at
            self._fail(f"{_EXAMPLES[operand.kind]}, as {operand.name} is {operand.kind.value}")
        return value

    def _check_code(self, operand: Operand, text: str, at: int) -> None:
        """Refuse the name of a code, in quotes too: messages have the code."""
        code = code_named(operand.name, text)
        if code is not None:
            self._at = at
            self._fail(f"a value of {operand.name}: {code} is {text} (`like` looks for the text)")

    def _quoted(self) -> str | None:
        """Return the text in quotes that begins here, None if none does."""
        quoted = _QUOTED.match(self._text, self._at)
        if not quoted:
            return None
        quote = quoted[0][0]
        self._go_to(quoted.end())
        return quoted[0][1:-1].replace(quote * 2, quote)

    def _word(self, word: str) -> bool:
        match = _NAME.match(self._text, self._at)
        if not match or match[0].lower() != word:
            return False
        self._go_to(match.end())
        return True

    def _go_to(self, at: int) -> None:
        self._at = at
        self._skip_space()

    def _skip_space(self) -> None:
        space = _SPACE.match(self._text, self._at)
        self._at = space.end() if space else self._at

    def _fail(self, expected: str) -> NoReturn:
        token = _FOUND.match(self._text, self._at)
        found = f"`{token[0]}`" if token else "the end of the rule"
        # A rule in YAML may have several lines: show the one that is meant.
        begin = self._text.rfind("\n", 0, self._at) + 1
        line = self._text[begin:].partition("\n")[0].replace("\t", " ")
        raise RuleError(
            f"cannot read the rule at character {self._at + 1}:\n"
            f"    {line}\n    {' ' * (self._at - begin)}^\n"
            f"found {found}, expected {expected}"
        )
