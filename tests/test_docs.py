"""The documents agree with the code."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest

from fixfeed.pipelines.fixfeed import COMMANDS
from fixfeed.pipelines.options import read_settings
from fixfeed.pipelines.settings import OPTIONS
from fixfeed.pipelines.sinks import SINKS
from fixfeed.transforms.fix.defects import MEANINGS
from fixfeed.transforms.fix.framing.leftovers import REASONS
from fixfeed.transforms.fix.latencies.requests import TIMES
from fixfeed.transforms.fix.latencies.schema import CLOCKS, KINDS, LATENCIES
from fixfeed.transforms.fix.sessions.schema import BEGINNINGS, SEQUENCES, SESSION_DAYS
from tests.documented_commands import (
    HELP_EXAMPLES,
    commands,
    is_stream,
    make_place,
    queries,
    run,
    with_values,
)
from tests.pipelines.jobs import printed
from tests.transforms.fix.messages import encode

ROOT = Path(__file__).parent.parent
DOCS = {path.name: path.read_text() for path in [*(ROOT / "docs").glob("*.md"), ROOT / "README.md"]}


def test_the_example_file_is_valid_and_has_every_option():
    settings = read_settings(["--config", str(ROOT / "docs" / "fixfeed.example.yaml")], {})
    assert settings.partition_by == ("date", "msg_type")
    text = (ROOT / "docs" / "fixfeed.example.yaml").read_text()
    assert set(re.findall(r"^([a-z-]+):", text, re.MULTILINE)) == {o.name for o in OPTIONS}


@pytest.mark.parametrize("kinds", [MEANINGS, REASONS], ids=["defects", "failures"])
def test_every_kind_is_explained_in_the_words_of_the_code(kinds):
    for name, meaning in kinds.items():
        assert f"| `{name}` | {meaning} |" in DOCS["operating.md"]


def test_the_tables_of_sessions_are_explained():
    for name, meaning in BEGINNINGS.items():
        assert f"| `{name}` | {meaning} |" in DOCS["sessions.md"]
    for schema in (SEQUENCES, SESSION_DAYS):
        assert all(f"`{name}`" in DOCS["sessions.md"] for name in schema.names)


def test_the_tables_of_latencies_are_explained():
    for name, meaning in {**KINDS, **CLOCKS}.items():
        assert f"| `{name}` | {meaning} |" in DOCS["latencies.md"]
    for name in (*LATENCIES.names, *TIMES):
        assert f"`{name}`" in DOCS["latencies.md"]


def test_every_connector_has_a_row():
    for scheme in SINKS:
        assert f"| {scheme} |" in DOCS["connectors.md"]


def test_every_command_is_in_the_readme():
    for command in COMMANDS:
        if command != "run":
            assert f"fixfeed {command}" in DOCS["README.md"]


def test_links_between_documents_lead_somewhere():
    for name, text in DOCS.items():
        folder = ROOT if name == "README.md" else ROOT / "docs"
        for target in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (folder / target).exists(), f"{name}: {target}"


def test_the_example_pipeline_runs(tmp_path):
    orders = [encode([(35, b"D"), (49, b"A"), (56, b"B"), (55, s)]) for s in (b"X", b"Y", b"X")]
    (tmp_path / "day.log").write_bytes(b"\n".join(orders))
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "orders_per_symbol.py", tmp_path / "*.log"],
        capture_output=True,
        check=True,
    )
    assert sorted(done.stdout.split(b"\n")) == [b"", b"X 2", b"Y 1"]


# Every command runs unchanged.

_ON_FLINK = (
    "fixfeed --runner FlinkRunner --flink_version 1.19 --flink_master host:8081"
    " --flink_job_server_jar JAR"
)
ELSEWHERE = {
    f"{_ON_FLINK} --input 's3://bucket/logs/2026-*/*.log' --output postgresql://user@host/db": (
        "tests/flink/test_on_a_cluster.py"
    ),
    f"{_ON_FLINK} --input kafka://host:9092/fix.raw --output postgresql://user@host/db": (
        "tests/flink/test_on_a_cluster.py"
    ),
    f"{_ON_FLINK} --input kafka://host:9092/fix.raw --output postgresql://user@host/db"
    " --output 'kafka://host:9092/fix.messages?create=true'": "tests/flink/test_on_a_cluster.py",
    "fixfeed --input 's3://bucket/logs/*.log' --output parquet:s3://bucket/lake/": (
        "tests/io/parquet/test_s3.py"
    ),
    "make demo": "tests/test_readme.py",
    "python -m benchmarks.dashboard --messages 150000": "minutes",
    "python -m benchmarks.queries --messages 1000000": "a minute; tests/queries runs each",
    "python -m benchmarks.tables --messages 1000000": "a minute; tests/test_tables.py",
    "make compose": "tests/deploy/test_compose.py; no engine runs where tests do",
    "make images": "tests/deploy/test_image.py; no engine runs where tests do",
    "make dashboard": "serves until it is stopped; tests/dashboard/browser",
    "make screenshot": "writes into docs/pictures",
    "pip install 'fixfeed[dashboard]'": "requirements.txt, whose extra has it",
    "fixfeed dashboard sqlite:///fixfeed.db": "tests/dashboard/browser",
    "fixfeed dashboard postgresql://user@host/db --port 8600": "tests/dashboard/browser",
    "fixfeed gateway tcp://0.0.0.0:9876 --spool fixfeed-spool": "tests/pipelines/test_tcp.py",
    "fixfeed gateway tcp://0.0.0.0:9876": "tests/pipelines/test_tcp.py",
    "pip install 'fixfeed[api]'": "requirements.txt, whose extra has it",
    "fixfeed api sqlite:///fixfeed.db": "tests/dashboard/test_api.py",
    "fixfeed api URI": "tests/dashboard/test_api.py",
    "fixfeed dashboard URI": "tests/dashboard/browser",
    "curl 'http://127.0.0.1:8000/messages?q=Symbol%3DAAPL&limit=2'": "tests/dashboard/test_api.py",
    "fixfeed api postgresql://user@host/db --tokens tokens.yaml --host 0.0.0.0 --port 8443": (
        "tests/dashboard/test_api.py"
    ),
    "fixfeed gateway tcp://0.0.0.0:9876 --metrics-port 9465": "tests/pipelines/test_endpoint.py",
    "fixfeed worker-pool": "tests/pipelines/worker_pool",
    "make flink": "serves until it is stopped; tests/flink has its cluster",
    "pip install 'fixfeed[tracing]'": "requirements.txt, whose extra has it",
    "python tools/build_grafana.py": "tests/tools/test_build_grafana.py",
    "pip install .": "tests/test_wheel.py",
    "pip install 'fixfeed[aws]'": "setup of Beam's own",
    "pip install 'fixfeed[kafka]'": "requirements.txt, whose extra has it",
    "python -m tests.pipelines.kafka_input_kills": "minutes; tests/pipelines/test_kafka_input.py",
    "fixfeed failures kafka://host:9092/fix.messages": "tests/pipelines/test_kafka_output.py",
    "pip install 'fixfeed[fidelity]'": "requirements.txt, whose extra has it",
    "make test": "runs this test",
    "make check": "runs this test",
    "python -m tests.pipelines.kafka_output_kills": "minutes; tests/pipelines/test_kafka_output.py",
    "python -m tests.pipelines.kafka_memory 25": "minutes; tests/io/kafka holds the bound",
    "make kills": "minutes; tests/pipelines/test_kafka_output.py kills less often",
    "make large": "hours, at ten million messages",
    "python -m benchmarks.deriving --messages 10000000 --rebuild": "make large",
    "python -m benchmarks.people": "make large; tests/dashboard/test_people.py",
    "python -m benchmarks.browser URI": "make large; tests/dashboard/browser",
    "make torture": "a quarter of an hour; tests/pipelines/test_tcp.py has its parts in short",
    "python -m tests.torture --only kills": "make torture",
    "make torture-flink": "a quarter of an hour; tests/flink/test_on_a_cluster.py",
    "python -m tests.torture --only memory": "make torture",
    "make bench": "minutes, whatever the count: several turns of each, on servers",
    "python -m benchmarks.run --messages 1000000": "make bench",
    "python -m benchmarks.deriving --messages 100000": "make bench",
    "python -m benchmarks.run --only kafka": "make bench",
    "python -m benchmarks.run --only streams --messages 300000": "make bench",
    "python -m benchmarks.run --only flink --messages 300000": "make bench",
    "python -m benchmarks.run --messages 300000 --only replay": "make bench",
    "python -m benchmarks.run --only growth --growth 1000000 10000000 30000000": "make bench",
    "python -m tests.transforms.fix.fuzz": "runs for hours; with --messages it is run below",
}
"""Commands that are not run here, and what runs them or why nothing does."""
DOCUMENTED = {
    re.sub(r"\s+# .*", "", command): name
    for name, text in [*DOCS.items(), ("--help", HELP_EXAMPLES)]
    for command in commands(text)
}
SHOWN = {
    command: DOCS[name]
    for name, start in (("decoding.md", "decode"), ("sessions.md", "sessions"))
    for command in re.findall(rf"^    \$ (fixfeed {start} .*)", DOCS[name], re.MULTILINE)
}
"""Commands whose output a document has, after `make demo`; these are run for it."""


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """A folder with all inputs named in the documents."""
    folder = tmp_path_factory.mktemp("fresh")
    make_place(folder)
    return folder


@pytest.fixture(scope="module")
def stored(fresh, tmp_path_factory):
    """The same after a run into every local kind of sink."""
    folder = tmp_path_factory.mktemp("stored") / "place"
    shutil.copytree(fresh, folder)
    outputs = ("sqlite:///fixfeed.db", "parquet:lake/", "jsonl:out.jsonl")
    words = " ".join(f"--output {uri}" for uri in outputs)
    done = run(f"fixfeed --input 'demo/logs/*.log*' {words}", folder)
    assert done.returncode == 0, done.stderr.decode()
    return folder


@pytest.fixture(scope="module")
def documented_postgresql(postgresql_server):
    """Make `postgresql://user@host/db` work; give the libpq variables for it."""
    connection = psycopg2.connect(postgresql_server)
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute('create role "user" login superuser')
    cursor.execute('create database db owner "user"')
    parts = urlsplit(postgresql_server)
    yield {"PGHOSTADDR": parts.hostname, "PGPORT": str(parts.port)}
    cursor.execute("drop database db with (force)")
    cursor.execute('drop role "user"')
    connection.close()


def test_commands_are_found_in_the_documents_and_so_are_the_exceptions():
    assert len(DOCUMENTED) > 25
    assert set(ELSEWHERE) <= set(DOCUMENTED)
    assert DOCUMENTED["fixfeed --config fixfeed.yaml"] in ("README.md", "--help")


@pytest.mark.parametrize("command", [one for one in DOCUMENTED if one not in (*ELSEWHERE, *SHOWN)])
def test_a_documented_command_runs_unchanged(
    command, fresh, stored, tmp_path, documented_postgresql, request, monkeypatch
):
    reads = re.match(r"fixfeed --(input|config)|zcat", command) and "--dry-run" not in command
    folder = tmp_path / "place"
    shutil.copytree(fresh if reads else stored, folder)
    if command.startswith("make"):
        folder = ROOT
    if "kafka://host:9092" in command:
        kafka = request.getfixturevalue("kafka")
        if "/fix.raw" in command and "fix.raw" not in kafka.admin().list_topics(timeout=10).topics:
            kafka.make_topic("fix.raw")
        command = command.replace("kafka://host:9092", f"kafka://{kafka.plain}")
    # Tracing holds for the rest of a process once it has begun.
    here = re.fullmatch(r"fixfeed (?!api|decode|--help|.*--(trace|config) )[^|&]*", command)
    if here and not is_stream(command):
        for name, value in documented_postgresql.items():
            monkeypatch.setenv(name, value)
        code, out, errors = printed(*shlex.split(with_values(command))[1:], cwd=folder)
    else:
        done = run(command, folder, **documented_postgresql)
        code, out, errors = done.returncode, done.stdout, done.stderr
    assert code == 0, out.decode() + errors.decode()
    assert out


@pytest.mark.parametrize("command", ["failures sqlite:///fixfeed.db", "--help", "sample --help"])
def test_a_checkout_has_the_commands_without_installing(command, stored):
    installed = run(f"fixfeed {command}", stored)
    checkout = run(f"python -m fixfeed {command}", stored)
    assert (checkout.returncode, checkout.stdout) == (0, installed.stdout)
    assert checkout.stdout


@pytest.mark.parametrize("module", ["pipelines.fixfeed", "fixfeed"])
def test_in_a_checkout_the_job_runs_as_a_module(module, stored, tmp_path):
    assert "python -m pipelines.fixfeed" in DOCS["README.md"]
    output = f"sqlite:///{tmp_path}/fixfeed.db"
    done = run(f"python -m {module} --input {stored}/day.log --output {output}", ROOT)
    assert done.returncode == 0, done.stderr.decode()
    assert "came in" in done.stdout.decode()


@pytest.mark.parametrize("kind", ["SQLite", "PostgreSQL"])
def test_a_documented_query_runs_unchanged(kind, stored, postgresql, select):
    uri = f"sqlite:///{stored / 'fixfeed.db'}" if kind == "SQLite" else postgresql
    if kind == "PostgreSQL":
        done = run(f"fixfeed --input 'demo/logs/*.log*' --output {postgresql}", stored)
        assert done.returncode == 0
    names = ("connectors.md", "sessions.md", "latencies.md")
    documented = [query for name in names for query in queries(DOCS[name])]
    # The sample day has no ExecInst; tests/pipelines/test_names.py runs that query.
    found = [one for databases, one in documented if kind in databases and "ExecInst" not in one]
    assert len(found) == (12 if kind == "SQLite" else 14)
    for query in found:
        if query.startswith("create"):
            connection = psycopg2.connect(postgresql)
            connection.cursor().execute(query)
            connection.close()
        else:
            # Nothing was sent again on the sample day, and no other day follows it.
            assert select(uri, query) or "sequences" in query


def test_the_documented_query_for_one_kind_of_defect_finds_no_other(stored, select):
    (query,) = [one for _, one in queries(DOCS["connectors.md"]) if "check_sum" in one]
    uri = f"sqlite:///{stored / 'fixfeed.db'}"
    rows = select(uri, "select defects from messages where defects is not null")
    exact = sum("check_sum" in kinds.split(",") for (kinds,) in rows)
    assert select(uri, query) == [(exact,)]
    assert 0 < exact < sum("check_sum" in kinds for (kinds,) in rows)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A folder with what `make demo` makes: all logs, and in the database those of one session."""
    folder = tmp_path_factory.mktemp("demo")
    for command in (
        "fixfeed sample --output demo/logs",
        "fixfeed --input demo/logs/caret.log --output sqlite:///demo/fixfeed.db",
    ):
        done = run(command, folder)
        assert done.returncode == 0, done.stderr.decode()
    return folder


@pytest.mark.parametrize("command", SHOWN)
def test_what_a_command_is_said_to_print_is_what_it_prints(command, demo):
    after = SHOWN[command].partition(f"    $ {command}\n")[2]
    shown = re.match(r"(?:    .*\n|\n)*", after)[0]
    done = run(command, demo)
    assert [line.rstrip() for line in done.stdout.decode().splitlines() if line] == [
        line.removeprefix("    ") for line in shown.splitlines() if line
    ]
