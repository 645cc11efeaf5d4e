"""fixfeed: FIX messages in, every one accounted for, rows out; an Apache Beam job and its parts.

    from fixfeed import ParseFix, ReadFromFiles, WriteToSql

The names below are the public ones. Each is imported when it is first used, so that a command that
needs no Beam starts without it.
"""

from importlib import import_module
from pkgutil import extend_path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fixfeed.io.commit import Run
    from fixfeed.io.files.source import ReadFromFiles
    from fixfeed.io.jsonl.sink import WriteToJsonLines
    from fixfeed.io.parquet.sink import WriteToParquet
    from fixfeed.io.sql.open import open_store
    from fixfeed.io.sql.sink import WriteToSql
    from fixfeed.kafka import ReadFromKafka, WriteToKafka
    from fixfeed.meaning import anomalies, derived, executions, latencies, orders
    from fixfeed.tables import failures, parse, read, scan
    from fixfeed.transforms.batch import Batch, Block, Failure
    from fixfeed.transforms.codes import Code
    from fixfeed.transforms.derive import Derive
    from fixfeed.transforms.enrich import Enrich
    from fixfeed.transforms.filter import Filter
    from fixfeed.transforms.fix.dictionary.own import read_dictionaries
    from fixfeed.transforms.fix.prefix.log_format import read_log_format
    from fixfeed.transforms.fix.secrets.masking import read_masking
    from fixfeed.transforms.fix.sessions.days import sequences, session_days
    from fixfeed.transforms.lookup import Lookup
    from fixfeed.transforms.messages import ToFailures, ToMessages
    from fixfeed.transforms.parse import Parse, ParseFix
    from fixfeed.transforms.protocol import Framing, Protocol, Table

__all__ = [
    "Batch",
    "Block",
    "Code",
    "Derive",
    "Enrich",
    "Failure",
    "Filter",
    "Framing",
    "Lookup",
    "Parse",
    "ParseFix",
    "Protocol",
    "ReadFromFiles",
    "ReadFromKafka",
    "Run",
    "Table",
    "ToFailures",
    "ToMessages",
    "WriteToJsonLines",
    "WriteToKafka",
    "WriteToParquet",
    "WriteToSql",
    "anomalies",
    "derived",
    "executions",
    "failures",
    "latencies",
    "open_store",
    "orders",
    "parse",
    "read",
    "read_dictionaries",
    "read_log_format",
    "read_masking",
    "scan",
    "sequences",
    "session_days",
]

_MODULES = {
    "Batch": "transforms.batch",
    "Block": "transforms.batch",
    "Code": "transforms.codes",
    "Derive": "transforms.derive",
    "Enrich": "transforms.enrich",
    "Failure": "transforms.batch",
    "Filter": "transforms.filter",
    "Framing": "transforms.protocol",
    "Lookup": "transforms.lookup",
    "Parse": "transforms.parse",
    "ParseFix": "transforms.parse",
    "Protocol": "transforms.protocol",
    "ReadFromFiles": "io.files.source",
    "ReadFromKafka": "kafka",
    "Run": "io.commit",
    "Table": "transforms.protocol",
    "ToFailures": "transforms.messages",
    "ToMessages": "transforms.messages",
    "WriteToJsonLines": "io.jsonl.sink",
    "WriteToKafka": "kafka",
    "WriteToParquet": "io.parquet.sink",
    "WriteToSql": "io.sql.sink",
    "anomalies": "meaning",
    "derived": "meaning",
    "executions": "meaning",
    "failures": "tables",
    "latencies": "meaning",
    "open_store": "io.sql.open",
    "orders": "meaning",
    "parse": "tables",
    "read": "tables",
    "read_dictionaries": "transforms.fix.dictionary.own",
    "read_log_format": "transforms.fix.prefix.log_format",
    "read_masking": "transforms.fix.secrets.masking",
    "scan": "tables",
    "sequences": "transforms.fix.sessions.days",
    "session_days": "transforms.fix.sessions.days",
}

# In a checkout the current folder has this file alone; the rest of the package is where it was
# installed.
__path__ = extend_path(__path__, __name__)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
