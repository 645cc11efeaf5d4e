"""A search as people write it: `Symbol=SYM101 PartyID=DESK7 OrderQty>1000 "any text" -MsgType=0`.

It is the language of `--include` (`transforms.fix.rules.language`), which pages, links, the API and
the command line share. A database answers a part of it, and maybe too much; the rule itself decides
row by row. So a search finds what a run with this rule stores, fields in groups included.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from functools import lru_cache
from typing import Any

import pyarrow as pa

from fixfeed.dashboard.database import Database
from fixfeed.dashboard.search.conditions import Condition, condition
from fixfeed.dashboard.values import from_database
from fixfeed.transforms.batch import DECIMAL
from fixfeed.transforms.fix.rules.conditions import Every, Term
from fixfeed.transforms.fix.rules.language import Rule, RuleError, parse_rule
from fixfeed.transforms.fix.schema import MESSAGES

__all__ = ["LONGEST", "Search", "SearchError", "read_search"]

LONGEST = 2000
"""How many characters a search may have."""


class SearchError(ValueError):
    """A search that cannot be read; the text shows the place, what was found and expected."""


_JSON = ("fields", "enriched")
_LAST, _EXACT = Decimal(1).scaleb(-DECIMAL.scale), Context(prec=60)


@dataclass(frozen=True)
class Search:
    """A search that was read; `rule` is None if it asks for nothing."""

    text: str
    rule: Rule | None

    @property
    def selected(self) -> Mapping[str, str]:
        """What `matching` needs of messages: names of its own, and the SQL of each."""
        if self.rule is None:
            return {}
        return {
            f"searched_{name}": f"cast({name} as text)" if name in _JSON else name
            for name in sorted(self.rule.columns | {"fields"})
        }

    def required(self) -> Iterator[Term]:
        """Yield the questions that every message that is meant answers with yes."""
        nodes = [self.rule.node] if self.rule else []
        while nodes:
            node = nodes.pop()
            if isinstance(node, Every):
                nodes += node.nodes
            elif isinstance(node, Term):
                yield node

    def condition(self, database: Database) -> Condition:
        """Return what every message that is meant meets; others may meet it as well."""
        return condition(self.rule.node, database) if self.rule else Condition("true")

    def matching(self, rows: Sequence[Mapping[str, Any]]) -> list[bool]:
        """Return whether each of these rows of messages, with `selected`, is meant."""
        if self.rule is None or not rows:
            return [True] * len(rows)
        arrays = {}
        for key in self.selected:
            name = key.removeprefix("searched_")
            kind = MESSAGES.field(name).type
            read = from_database(kind)
            values = [row[key] for row in rows]
            if read is not None:
                values = [None if value is None else read(value) for value in values]
            if kind == DECIMAL:
                # What has more places is in `fields`, in full.
                values = [
                    None if one is None else one.quantize(_LAST, None, _EXACT) for one in values
                ]
            arrays[name] = pa.array(values, kind)
        return self.rule.mask(pa.RecordBatch.from_pydict(arrays)).to_pylist()


@lru_cache(maxsize=256)
def read_search(text: str) -> Search:
    """Read a search, which is none if it is blank; raise `SearchError` if it cannot be read."""
    if not text.strip():
        return Search("", None)
    if len(text) > LONGEST:
        raise SearchError(
            f"the search has {len(text):,} characters, expected at most {LONGEST:,}: ask for less"
        )
    if not text.isascii() and any("\ud800" <= one <= "\udfff" for one in text):
        raise SearchError("the search is no text in UTF-8")
    try:
        return Search(text, parse_rule(text))
    except RuleError as error:
        raise SearchError(str(error).replace("the rule", "the search")) from None
