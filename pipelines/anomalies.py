"""Lists what is out of the ordinary: `fixfeed anomalies URI --severity critical`.

docs/anomalies.md says what each kind looks at. --rules prints the rules instead: those that a
database has, or without a URI those that fixfeed comes with, as a file for --anomalies.
"""

import argparse
import sys
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from fixfeed.io.ledger.ledger import SinkError
from fixfeed.io.sql.derive_anew import kept_settings
from fixfeed.pipelines.asking import opened_to_ask, print_as_json, print_as_table
from fixfeed.pipelines.deriving_by import KINDS, SEVERITIES, shown_rules
from fixfeed.pipelines.session_names import no_session, sessions_in
from fixfeed.pipelines.uris import UnknownPlace
from fixfeed.pipelines.words import WordParser, read_words

__all__ = ["main"]

_SHOWN = ("happened_at", "severity", "kind", "session", "first_cl_ord_id", "symbol", "seen",
          "expected", "rule")  # fmt: skip
_ALL = ("happened_at", "kind", "severity", "session", "order_key", "first_cl_ord_id", "symbol",
        "seen", "expected", "rule", "scope")  # fmt: skip
_OF_ORDER = {"first_cl_ord_id": "o.first_cl_ord_id"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the anomalies in a database, by time; return the exit code: 1 for no such session."""
    parser = WordParser(
        prog="fixfeed anomalies",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("uri", nargs="?", help="sqlite:///fixfeed.db or postgresql://user@host/db")
    parser.add_argument("--kind", choices=tuple(KINDS), help="only those of this kind")
    parser.add_argument("--severity", choices=SEVERITIES, help="only those so bad, or worse")
    parser.add_argument("--session", default="", help="only sessions whose name contains this")
    parser.add_argument("--json", action="store_true", help="all columns, one JSON object a line")
    parser.add_argument("--rules", action="store_true", help="print the rules instead")
    options = read_words(parser, arguments)
    if options.uri is None:
        if not options.rules:
            parser.error("name a database, such as sqlite:///fixfeed.db, or add --rules")
        sys.stdout.write(shown_rules(None))
        return 0
    try:
        with closing(opened_to_ask(options.uri, "anomalies")) as store:
            if options.rules:
                sys.stdout.write(shown_rules(kept_settings(store).get("anomalies")))
                return 0
            names = _ALL if options.json else _SHOWN
            rows = store.query(*_query(names, options))
            sessions = sessions_in(store) if options.session and not rows else []
    except (SinkError, UnknownPlace) as error:
        print(f"fixfeed anomalies: {error}", file=sys.stderr)
        return 2
    if sessions and not any(options.session in one for one in sessions):
        # A mistyped one must not look like a quiet one.
        print(f"fixfeed anomalies: {no_session(options.session, sessions)}", file=sys.stderr)
        return 1
    if options.json:
        print_as_json(names, rows)
    else:
        print_as_table(names, rows, "anomalies")
    return 0


def _query(names: Sequence[str], options: argparse.Namespace) -> tuple[Any, ...]:
    """Return the query, and the values in it."""
    selected = ", ".join(_OF_ORDER.get(name, f"a.{name}") for name in names)
    conditions, values = ["true"], []
    if options.kind:
        conditions.append("a.kind = ?")
        values.append(options.kind)
    if options.severity:
        among = SEVERITIES[SEVERITIES.index(options.severity) :]
        conditions.append(f"a.severity in ({', '.join('?' * len(among))})")
        values += among
    if options.session:
        conditions.append("replace(a.session, ?, '') <> a.session")  # whatever is in it
        values.append(options.session)
    return (
        f"select {selected} from anomalies a left join orders o on o.order_key = a.order_key"
        f" where {' and '.join(conditions)} order by a.happened_at, a.scope, a.rule",
        *values,
    )


if __name__ == "__main__":
    sys.exit(main())
