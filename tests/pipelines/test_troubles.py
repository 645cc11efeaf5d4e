"""Expected errors are reported in one line with their cause, never as a bug."""

import contextlib
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg2
import pytest

from tests.pipelines.jobs import FIXFEED, fixfeed, printed, start, told, workers_of, write_logs
from tests.services.postgresql_server import server

FILES = {"sqlite": "sqlite:///out.db", "parquet": "parquet:lake", "jsonl": "jsonl:out.jsonl"}


def run(*arguments, cwd, **options):
    """Run a job on one small log; return its exit code, output and errors."""
    command = [*FIXFEED, "--quiet", *map(str, arguments)]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    done = subprocess.run(command, cwd=cwd, **options)
    return done.returncode, done.stdout, (done.stderr or b"").decode()


@pytest.fixture
def log(tmp_path):
    write_logs(tmp_path, files=1, chunks=1)
    return "0.log"


@pytest.mark.parametrize(("kind", "workers"), [("sqlite", "1"), *((kind, "2") for kind in FILES)])
def test_a_file_that_cannot_grow_is_reported_and_the_next_run_goes_on(kind, workers, tmp_path):
    numbers = random.Random(1)
    for name in ("a.log", "b.log"):
        lines = (
            b"8=FIX.4.4|9=2013|35=B|58=%s|10=000|\n" % numbers.randbytes(1000).hex().encode()
            for _ in range(2000)
        )
        (tmp_path / name).write_bytes(b"".join(lines))
    most = 2 << 20
    arguments = ("--input", "*.log", "--output", FILES[kind], "--partition-by", "date")
    job = start(
        *arguments, "--workers", workers, cwd=tmp_path,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
    )  # fmt: skip
    sentence = told(job, 6, within=120)
    assert sentence.startswith("cannot write to ")
    assert "check that there is space left" in sentence
    assert "what is committed stays" in sentence
    assert any(
        cause in sentence for cause in ("File too large", "disk I/O error", "disk is full")
    ), sentence
    code, _, errors = printed("--quiet", *arguments, cwd=tmp_path)
    assert (code, errors) == (0, b"")


def end_server(uri):
    """End the server as its administrator would; return its process id."""
    with contextlib.closing(psycopg2.connect(uri)) as connection:
        cursor = connection.cursor()
        cursor.execute("show data_directory")
        folder = Path(cursor.fetchone()[0])
    number = int((folder / "postmaster.pid").read_text().split()[0])
    os.kill(number, signal.SIGINT)
    return number


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_that_stops_during_a_job_is_reported(workers, tmp_path):
    logs = write_logs(tmp_path)
    with server() as uri:
        job = start("--input", logs, "--output", uri, "--workers", workers, cwd=tmp_path)
        with contextlib.closing(psycopg2.connect(uri)) as connection:
            connection.autocommit = True
            cursor = connection.cursor()
            while True:
                assert job.poll() is None
                with contextlib.suppress(psycopg2.Error):
                    cursor.execute("select count(*) from messages")
                    if cursor.fetchone()[0]:
                        break
                time.sleep(0.05)
        end_server(uri)
        sentence = told(job, 6, within=60)
    assert sentence.startswith(("cannot write to postgresql://", "cannot connect to postgresql://"))
    assert "check that the server runs" in sentence


@pytest.mark.parametrize("moment", ["begin", "commit", "copy", "inside", "end of the run"])
def test_a_connection_lost_at_any_moment_is_reported_and_in_runs(
    moment, log, postgresql, tmp_path, select
):
    """The server ends the connection just before one of the job's own statements.

    Over another connection the end of a run that has begun is stored, unless it is lost as well.
    """
    code = f"""
import sys, time
from fixfeed.pipelines import fixfeed
import psycopg2
from fixfeed.io.sql.postgresql import PostgresqlStore

def lose(store):
    with psycopg2.connect({postgresql!r}) as other:
        other.cursor().execute(
            "select pg_terminate_backend(%s)", [store._connection.get_backend_pid()]
        )

def first(method):
    def losing(store, *arguments, **named):
        lose(store)
        return method(store, *arguments, **named)
    return losing

moment = {moment!r}
if moment == "begin":
    PostgresqlStore.register = first(PostgresqlStore.register)
elif moment == "commit":
    PostgresqlStore.commit = first(PostgresqlStore.commit)
elif moment == "copy":
    PostgresqlStore.ingest = first(PostgresqlStore.ingest)
elif moment == "inside":
    encoded = PostgresqlStore._encoded
    def losing(store, batches):
        for number, piece in enumerate(encoded(store, batches)):
            if number == 1:
                lose(store)
                time.sleep(0.2)
            yield piece
    PostgresqlStore._encoded = losing
else:
    PostgresqlStore.end_run = first(PostgresqlStore.end_run)
sys.exit(fixfeed.main(sys.argv[1:]))
"""
    job = start(
        "--input", log, "--output", postgresql, command=[sys.executable, "-c", code], cwd=tmp_path
    )
    sentence = told(job, 6, within=60)
    assert "check that the server runs" in sentence
    words = ["--quiet", "--input", log, "--output", postgresql]
    code, _, errors = printed(*words, cwd=tmp_path)
    assert (code, errors) == (0, b"")
    told_there = {"begin": [(sentence,)], "end of the run": [(None,)]}.get(moment, [])
    ended = select(postgresql, "select ended from runs order by run_id")
    assert ended == [*told_there, ("done",)]


def test_a_right_revoked_in_postgresql_is_reported(log, postgresql, tmp_path):
    role = f"writer_{Path(postgresql).name}"
    uri = postgresql.replace("fixfeed@", f"{role}@")
    with contextlib.closing(psycopg2.connect(postgresql)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(f"create role {role} login")
        fixfeed("--input", log, "--output", postgresql, cwd=tmp_path)
        cursor.execute(f"grant all on all tables in schema public to {role}")
        cursor.execute(f"revoke insert on runs from {role}")
        words = ["--quiet", "--json", "--input", log, "--output", uri]
        code, output, errors = printed(*words, cwd=tmp_path)
        cursor.execute(f"drop owned by {role}; drop role {role}")
    assert code == 6, errors
    assert "permission denied for table runs" in json.loads(output)["error"]
    assert errors.count(b"\n") == 1


@pytest.mark.parametrize("kind", FILES)
def test_revoked_file_permissions_are_reported(kind, log, tmp_path):
    """Runs without root's rights, which ignore the mode of a file."""
    # The user stays the same, so root's rights are dropped.
    prefix = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    fixfeed("--input", log, "--output", FILES[kind], cwd=tmp_path)
    write_logs(tmp_path, files=2, chunks=2)
    closed = {
        "sqlite": ["out.db"],
        "parquet": ["lake/_fixfeed/commits", "lake/_fixfeed/inprogress", "lake/_fixfeed/writers"],
        "jsonl": ["out.jsonl", "out.jsonl.progress.db"],
    }[kind]
    for name in closed:
        (tmp_path / name).chmod(0o500 if (tmp_path / name).is_dir() else 0o400)
    done = subprocess.run(
        [*prefix, *FIXFEED, "--json", "--quiet", "--input", "1.log", "--output", FILES[kind]],
        cwd=tmp_path,
        capture_output=True,
    )
    for name in closed:
        (tmp_path / name).chmod(0o700)
    assert done.returncode in (2, 6), done.stderr.decode()
    error = json.loads(done.stdout)["error"]
    assert done.stderr.decode() == f"fixfeed: {error}\n"
    assert "readonly database" in error or "Permission denied" in error


def test_full_standard_output_is_reported(log, tmp_path):
    with open("/dev/full", "wb") as full:
        for output in ("sqlite:///out.db", "jsonl:-"):
            code, _, errors = run("--input", log, "--output", output, cwd=tmp_path, stdout=full)
            assert code == 6
            assert errors.startswith("fixfeed: cannot write to standard output: No space left on")
            assert errors.count("\n") == 1
        code, _, errors = run("--input", log, "--dry-run", cwd=tmp_path, stdout=full)
        assert (code, errors.count("\n")) == (6, 1)
        assert run("--version", cwd=tmp_path, stdout=full)[0] == 6


def in_shell(redirection, *arguments, cwd):
    """Run a job from a shell with a redirection; return its exit code, output and errors."""
    script = f'"$@" {redirection}'
    done = subprocess.run(
        ["sh", "-c", script, "sh", *FIXFEED, "--quiet", *arguments],
        cwd=cwd,
        capture_output=True,
        env=os.environ | {"PIPESTATUS": ""},
    )
    return done.returncode, done.stdout, done.stderr.decode()


def test_closed_standard_streams_are_reported_and_never_become_a_database(log, tmp_path, select):
    stored = ("--input", log, "--output", "sqlite:///out.db")
    code, _, errors = in_shell(">&-", *stored, cwd=tmp_path)
    assert (code, errors.count("\n")) == (6, 1)
    assert "cannot write to standard output: it is closed; what was to be stored is" in errors
    code, _, errors = in_shell(">&-", "--input", log, "--output", "jsonl:-", cwd=tmp_path)
    assert (code, errors) == (
        2,
        "fixfeed: standard output is closed; send it to a file or a pipe\n",
    )
    code, output, _ = in_shell("<&- 2>&-", *stored, "--input", "-", "--json", cwd=tmp_path)
    assert code == 3
    assert json.loads(output)["unreadable"] == [
        "-: standard input is closed; send it a file or a pipe"
    ]
    assert in_shell("<&- >&- 2>&-", *stored, "--reprocess", cwd=tmp_path)[0] == 6
    uri = f"sqlite:///{tmp_path}/out.db"
    assert select(uri, "pragma integrity_check") == [("ok",)]
    assert select(uri, "select count(*) from runs") == [(3,)]


def test_unreadable_standard_input_is_reported_and_the_rest_is_stored(log, tmp_path):
    with open(tmp_path / "written", "wb") as only_written:
        code, output, errors = run(
            "--json", "--input", "-", "--input", log, cwd=tmp_path, stdin=only_written
        )
    summary = json.loads(output)
    why = "-: standard input cannot be read: Bad file descriptor"
    assert (code, errors) == (3, f"fixfeed: not read whole: {why}\n")
    assert summary["unreadable"] == ["-: standard input cannot be read: Bad file descriptor"]
    assert summary["sinks"]["sqlite:///fixfeed.db"]["stored"] > 1000


def test_an_unread_summary_ends_the_job_quietly(log, tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    code, _, errors = run("--input", log, cwd=tmp_path, stdout=writing)
    os.close(writing)
    assert (code, errors) == (5, "")


def test_full_or_closed_standard_error_changes_nothing(log, tmp_path):
    with open("/dev/full", "wb") as full:
        code, output, _ = run("--json", "--input", log, cwd=tmp_path, stderr=full)
        assert (code, json.loads(output)["exit_code"]) == (0, 0)
        code, output, _ = run(
            "--json", "--input", log, "--validate", "x", cwd=tmp_path, stderr=full
        )
        assert (code, json.loads(output)["exit_code"]) == (2, 2)


def test_a_lack_of_space_for_standard_input_is_reported(log, tmp_path):
    with open(tmp_path / log, "rb") as file:
        code, output, errors = run(
            "--json", "--input", "-", cwd=tmp_path, stdin=file,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
        )  # fmt: skip
    assert code == 6
    assert "File too large; make space there, or name another folder" in json.loads(output)["error"]
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--versoin"], 2),
        ([], 2),
        (["--input", "a", "--output", "sqlite:///no/folder/x.db"], 2),
        (["--input", "a", "--output", "postgresql://u:secret@127.0.0.1:1/d"], 2),
        (["--input", "a", "--mask", "Acount"], 2),
    ],
)
def test_json_reports_every_error(arguments, code, tmp_path):
    found, output, errors = printed("--json", "--quiet", *arguments, cwd=tmp_path)
    ended = json.loads(output)
    assert (found, ended["exit_code"]) == (code, code)
    assert errors.decode() == f"fixfeed: {ended['error']}\n"
    assert b"secret" not in errors
    words = ["--json", "--quiet", "--output", "jsonl:-", *arguments]
    beside, output, errors = printed(*words, cwd=tmp_path)
    assert (beside, output) == (code, b"")
    assert json.loads(errors.splitlines()[-1])["exit_code"] == code


def test_debug_shows_the_traceback(log, tmp_path):
    output = "sqlite:///no/folder/x.db"
    for flags, shown in (([], False), (["--debug"], True)):
        words = ["--quiet", "--input", log, "--output", output, *flags]
        code, _, errors = printed(*words, cwd=tmp_path)
        assert code == 2
        assert (b"Traceback" in errors) is shown
        assert b"there is no folder" in errors.splitlines()[-1]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_bug_has_its_traceback_and_exit_code_1(workers, tmp_path):
    logs = write_logs(tmp_path, chunks=1)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "sitecustomize.py").write_text(
        "import fixfeed.io.commit\n"
        "def buggy(*_): return {}['a bug']\n"
        "fixfeed.io.commit.CommitFn.process = buggy\n"
    )
    job = start(
        "--input", logs, "--workers", workers, cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(broken)},
    )  # fmt: skip
    if workers == "2":
        workers_of(job)
    output, errors = job.communicate()
    assert job.returncode == 1
    assert b"KeyError: 'a bug'" in errors
    assert b"Traceback" in errors
    assert json.loads(output)["exit_code"] == 1
    assert "an error of fixfeed's own" in json.loads(output)["error"]
