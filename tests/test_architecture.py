"""Which folder may import which. A new arrow in ALLOWED is a decision: review it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FIX = "fixfeed.transforms.fix"
GROUND = {f"{FIX}.{name}" for name in ("arrays", "defects", "patterns", "schema", "spelt", "swar")}
GROUND |= {f"fixfeed.transforms.{name}" for name in ("batch", "codes", "nearest")}
"""The base of every room of the codec."""

_DICTIONARY = GROUND | {f"{FIX}.dictionary"}
_FRAMING = _DICTIONARY | {f"{FIX}.framing"}
_SECRETS = _DICTIONARY | {f"{FIX}.secrets"}
_PREFIX = _DICTIONARY | {f"{FIX}.prefix"}
_SCALAR = (
    _FRAMING
    | _SECRETS
    | _PREFIX
    | {f"{FIX}.{name}" for name in ("columns", "parsed", "reading", "scalar")}
)
_LEDGER = {"fixfeed.io.ledger", "fixfeed.io.redaction"}
_SINK = {f"fixfeed.io.{name}" for name in ("codes", "commit", "fsync")} | _LEDGER
_SINK |= {"apache_beam"}
_PROTOCOL = {
    f"fixfeed.transforms.{name}" for name in ("batch", "codes", "derived", "nearest", "protocol")
}
_BUCKETS = {"fixfeed.io.buckets"}
_VIEWS = {"fixfeed.io.views", "fixfeed.transforms.dialects"}
ALLOWED = {
    "transforms/fix/dictionary": _DICTIONARY,
    "transforms/fix/framing": _FRAMING,
    "transforms/fix/secrets": _SECRETS,
    "transforms/fix/prefix": _PREFIX,
    "transforms/fix/scalar": _SCALAR,
    "transforms/fix/vector": _SCALAR | {f"{FIX}.vector"},
    "transforms/fix/decode": GROUND | {FIX},
    "transforms/fix/rules": _SECRETS | {f"{FIX}.rules", f"{FIX}.scalar.values"},
    "transforms/fix/views": {f"{FIX}.{name}" for name in ("dictionary", "schema", "views")}
    | {"fixfeed.transforms.dialects"},
    "transforms/fix/anomalies": {f"{FIX}.{name}" for name in ("anomalies", "patterns", "schema")}
    | {f"{FIX}.latencies.buckets", "fixfeed.transforms.derived", "fixfeed.transforms.nearest"},
    "transforms/fix/latencies": {f"{FIX}.latencies", f"{FIX}.schema"}
    | {"fixfeed.transforms.batch", "fixfeed.transforms.derived"},
    "transforms/fix/sessions": {f"{FIX}.{name}" for name in ("dictionary", "schema", "sessions")}
    | {"fixfeed.transforms.batch", "fixfeed.transforms.derived"},
    "transforms/fix/orders": {
        f"{FIX}.{name}" for name in ("first_of", "orders", "patterns", "schema", "session_pair")
    }
    | {"fixfeed.transforms.derived"},
    "transforms/fix": {FIX, "fixfeed.transforms.batch"},
    "transforms/fix/protocol.py": {FIX, "fixfeed.transforms.batch", "fixfeed.transforms.protocol"},
    "transforms/batch.py": set(),
    "transforms/codes.py": set(),
    "transforms/dialects.py": {"fixfeed.transforms.codes"},
    "transforms/derived.py": set(),
    "transforms/protocol.py": {
        "fixfeed.transforms.batch",
        "fixfeed.transforms.derived",
        "fixfeed.transforms.codes",
        f"{FIX}.protocol",
    },
    "transforms": {"fixfeed.transforms", "apache_beam"},
    "io/ledger": _LEDGER | _PROTOCOL,
    "io/files": _LEDGER
    | _BUCKETS
    | {"fixfeed.io.files", "fixfeed.io.lag", "apache_beam"}
    | _PROTOCOL,
    "io/live": _LEDGER
    | _PROTOCOL
    | {
        f"fixfeed.io.{name}"
        for name in ("live", "fsync", "lag", "stream", "files.planned", "files.ranges")
    },
    "io/sql": _SINK | _PROTOCOL | _VIEWS | {"fixfeed.io.sql"},
    "io/parquet": _SINK
    | _BUCKETS
    | _PROTOCOL
    | _VIEWS
    | {"fixfeed.io.parquet", "fixfeed.transforms.names"},
    "io/jsonl": _SINK
    | _PROTOCOL
    | {"fixfeed.io.jsonl", "fixfeed.io.sql.progress", "fixfeed.transforms.failures"},
    "io/kafka": _SINK
    | _PROTOCOL
    | {
        "fixfeed.io.background",
        "fixfeed.io.kafka",
        "fixfeed.io.lag",
        "fixfeed.io.stream",
        "fixfeed.transforms.failures",
    },
    "io": {"fixfeed.io", "apache_beam"} | _PROTOCOL | _VIEWS,
    "pipelines": {"fixfeed.pipelines", "fixfeed.transforms", "fixfeed.io", "apache_beam"},
    "pipelines/api.py": {"fixfeed.dashboard", "fixfeed.io", "fixfeed.pipelines"},
    "pipelines/dashboard.py": {"fixfeed.dashboard", "fixfeed.pipelines", "fixfeed.io"},
    # For people it reads as the library does.
    "pipelines/decode": {
        "fixfeed.asked",
        "fixfeed.pipelines",
        "fixfeed.transforms",
        "fixfeed.io",
    },
    # What people and programs see: it reads a database by itself, and knows nothing of Beam.
    "dashboard": {
        "fixfeed.dashboard",
        *(
            f"fixfeed.io.{name}"
            for name in ("ledger.keys", "ledger.ledger", "redaction", "tracing")
        ),
        *(f"fixfeed.io.sql.{name}" for name in ("sqlite_file", "tables")),
        *(f"{FIX}.{name}.schema" for name in ("anomalies", "latencies", "orders", "sessions")),
        f"{FIX}.anomalies.rules",
        f"{FIX}.latencies.buckets",
        f"{FIX}.session_pair",
        *(
            f"{FIX}.{name}"
            for name in (
                "decode",
                "defects",
                "dictionary",
                "first_of",
                "patterns",
                "reading",
                "rules",
                "schema",
            )
        ),
        *(f"fixfeed.transforms.{name}" for name in ("batch", "codes", "nearest", "protocol")),
    },
    "fixfeed/kafka.py": {"fixfeed", "apache_beam"},
    "fixfeed": {"fixfeed"},
}
DRIVERS = {"psycopg2", "pgpq", "adbc_driver_sqlite", "adbc_driver_manager", "sqlite3", "duckdb"}
DRIVERS |= {"confluent_kafka", "obstore", "opentelemetry"}
GUARDED = {"fixfeed", "pipelines", "transforms", "dashboard", "apache_beam", "tests"}
FOLDERS = ("dashboard", "fixfeed", "io", "pipelines", "transforms")
FILES = sorted(file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py"))


def folder_of(file):
    return max((f for f in ALLOWED if ROOT / f in (file, *file.parents)), key=len)


def imports_of(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            yield node.module


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_follow_the_arrows(file):
    folder = folder_of(file)
    guarded = [name for name in imports_of(file) if name.partition(".")[0] in GUARDED]
    strays = [
        name
        for name in guarded
        if not any(f"{name}.".startswith(f"{allowed}.") for allowed in ALLOWED[folder])
    ]
    assert strays == []


@pytest.mark.parametrize("folder", ["files", "ledger", "live", "sql", "parquet", "jsonl", "kafka"])
def test_sources_and_sinks_have_no_value_of_fix(folder):
    for file in (ROOT / "io" / folder).glob("*.py"):
        nodes = list(ast.walk(ast.parse(file.read_text())))
        texts = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}  # docstrings
        values = [
            one.value for one in nodes if isinstance(one, ast.Constant) and id(one) not in texts
        ]
        assert [value for value in values if "FIX" in repr(value)] == [], file


def test_only_the_flags_of_fix_know_fix():
    """They become the protocol of a run in one place. Sample, fidelity, decode are of FIX alone."""
    room = ROOT / "pipelines"
    found = {
        str(file.relative_to(room)): {name for name in imports_of(file) if name.startswith(FIX)}
        for file in room.glob("*.py")
    }
    flags = {"deriving_by.py", "dry_run.py", "endings.py", "recipe.py", "settings.py"}
    assert {file for file, names in found.items() if names} == flags
    assert {file for file, names in found.items() if f"{FIX}.protocol" in names} == {"recipe.py"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_only_a_connector_imports_its_driver(file):
    drivers = {name.partition(".")[0] for name in imports_of(file)} & DRIVERS
    expected = {
        "dashboard/postgresql.py": {"psycopg2"},
        "dashboard/silence.py": {"psycopg2"},
        "dashboard/sqlite.py": {"sqlite3"},
        "io/sql/sqlite.py": {"adbc_driver_sqlite", "adbc_driver_manager"},
        "io/sql/postgresql.py": {"psycopg2", "pgpq"},
        "io/jsonl/database.py": {"sqlite3"},
        "io/parquet/objects.py": {"obstore"},
        "io/parquet/views.py": {"duckdb"},
        "io/kafka/client.py": {"confluent_kafka"},
        "io/tracing.py": {"opentelemetry"},
    }
    assert drivers == expected.get(str(file.relative_to(ROOT)), set())


def test_importing_files_and_sinks_imports_no_protocol():
    modules = ("files.source", "sql.sink", "parquet.sink", "jsonl.sink", "kafka.sink")
    modules += ("jsonl.standard_output",)
    names = ", ".join(f"fixfeed.io.{module}" for module in modules)
    code = f"import sys, {names}; sys.exit('fixfeed.transforms.fix' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "module",
    [
        "transforms.fix.protocol",
        "transforms.fix.parser",
        "tables",
        "workers",
        "dashboard.open",
        "dashboard.queries.messages",
        "io.files.find",
        "io.files.reading",
        "io.ledger.identity",
        "io.sql.open",
        "transforms.keep",
        "io.parquet.writer",
        "io.jsonl.writer",
        "pipelines.api",
        "pipelines.decode.command",
        "pipelines.failures",
        "pipelines.gateway",
        "pipelines.migrate",
        "pipelines.views",
    ],
)
def test_modules_that_need_no_beam_do_not_import_it(module):
    code = f"import sys, fixfeed.{module}; sys.exit('apache_beam' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("command", ["failures", "migrate"])
@pytest.mark.parametrize(
    "uri", ["sqlite:///fixfeed.db", "parquet:lake/", "jsonl:out.jsonl", "jsonl:-"]
)
def test_a_command_that_reads_a_sink_runs_without_beam(command, uri, tmp_path):
    code = (
        "import sys; sys.modules['apache_beam'] = None; from fixfeed.pipelines.fixfeed import main"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; sys.exit(main({[command, uri]}))"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"fixfeed {command}: ")


def test_a_user_of_the_transforms_needs_no_driver_and_nothing_of_the_command():
    code = """if True:
        import sys, fixfeed
        names = [getattr(fixfeed, name) for name in fixfeed.__all__]
        print(*{name.partition(".")[0] for name in sys.modules})
    """
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = set(done.stdout.split())
    assert {"fixfeed", "apache_beam"} <= loaded
    others = {"psycopg2", "pgpq", "adbc_driver_manager", "adbc_driver_sqlite", "quickfix"}
    assert loaded & (others | {"prometheus_client", "rich"}) == set()
