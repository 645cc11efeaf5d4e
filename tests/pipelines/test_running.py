"""No job waits for ever, neither for a dead worker nor after a signal."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg2
import pytest

from tests.pipelines.jobs import (
    FIXFEED,
    alive,
    fixfeed,
    start,
    start_until,
    told,
    workers_of,
    write_logs,
)


@pytest.fixture(params=["sqlite", "postgresql", "parquet", "jsonl"])
def output(request, tmp_path):
    """The URI of an empty sink of each kind."""
    if request.param == "postgresql":
        return request.getfixturevalue("postgresql")
    return {
        "sqlite": f"sqlite:///{tmp_path}/out.db",
        "parquet": f"parquet:{tmp_path}/lake",
        "jsonl": f"jsonl:{tmp_path}/out.jsonl",
    }[request.param]


def test_a_killed_worker_ends_the_job_and_the_next_run_continues(output, tmp_path):
    logs = write_logs(tmp_path)
    job = start("--input", logs, "--output", output, cwd=tmp_path)
    workers = workers_of(job)
    os.kill(workers[1], signal.SIGKILL)
    sentence = told(job, 1)
    assert f"a worker process ({workers[1]}) was killed by signal 9 (SIGKILL)" in sentence
    assert "run it with fewer --workers" in sentence
    assert alive(workers) == []
    again, once_more = (
        fixfeed("--input", logs, "--output", output, cwd=tmp_path)["sinks"][output] for _ in "12"
    )
    assert again["read"] == again["stored"] + sum(again["failed"].values()) > 0
    assert once_more["read"] == 0


def test_workers_end_with_a_killed_job_even_if_they_hang_in_a_lock(postgresql, tmp_path):
    logs = write_logs(tmp_path)
    assert start("--input", f"{tmp_path}/0.log", "--output", postgresql).wait() == 0
    with psycopg2.connect(postgresql) as holder:
        job = start("--input", logs, "--output", postgresql, "--reprocess", cwd=tmp_path)
        workers = workers_of(job)
        holder.cursor().execute("lock table messages")
        time.sleep(2)
        job.kill()
        job.communicate()
        assert alive(workers) == []


@pytest.mark.parametrize("how", ["a blank in the path of Python", "no setsid", "own packages"])
def test_workers_start_from_any_python_path_and_any_folder(how, tmp_path):
    folder = tmp_path / "my own"
    folder.mkdir()
    logs = write_logs(folder, chunks=1)
    command, environment = list(FIXFEED), dict(os.environ)
    if how == "a blank in the path of Python":
        (folder / "venv").symlink_to(sys.prefix)
        command[0] = str(folder / "venv" / "bin" / "python")
    elif how == "no setsid":
        environment["PATH"] = str(folder)
    else:
        for name in ("transforms", "pipelines", "io", "apache_beam"):
            (folder / name).mkdir()
            (folder / name / "__init__.py").write_text("raise SystemExit('the wrong package')\n")
        command = [str(Path(sys.executable).parent / "fixfeed")]
    job = start("--input", logs, command=command, cwd=folder, env=environment)
    output, errors = job.communicate(timeout=120)
    assert (job.returncode, errors) == (0, b"")
    assert json.loads(output)["exit_code"] == 0


@pytest.mark.parametrize(
    ("executable", "sentence"),
    [
        ("/no/python", "a worker process cannot be started: [Errno 2] No such file or directory"),
        ("/bin/false", "ended by itself with exit code 1; what was committed is stored"),
    ],
)
def test_a_worker_that_cannot_start_ends_the_job(executable, sentence, tmp_path):
    code = f"import sys; sys.executable = {executable!r}; import fixfeed.pipelines.fixfeed as job; "
    command = [sys.executable, "-c", code + "sys.exit(job.main(sys.argv[1:]))"]
    logs = write_logs(tmp_path, chunks=1)
    assert sentence in told(start("--input", logs, command=command, cwd=tmp_path), 1, within=60)


def test_the_last_line_of_a_worker_is_shown(tmp_path):
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\necho 'no module of that name'\nexit 3\n")
    script.chmod(0o755)
    code = (
        f"import sys; sys.executable = {str(script)!r}; import fixfeed.pipelines.fixfeed as job; "
    )
    command = [sys.executable, "-c", code + "sys.exit(job.main(sys.argv[1:]))"]
    logs = write_logs(tmp_path, chunks=1)
    sentence = told(start("--input", logs, command=command, cwd=tmp_path), 1, within=60)
    assert "with exit code 3; the last that it said: no module of that name" in sentence


def test_sigterm_to_all_processes_stops_the_job_properly(output, tmp_path):
    job = start("--input", write_logs(tmp_path), "--output", output, cwd=tmp_path)
    workers = workers_of(job)
    time.sleep(1)  # until their imports are done
    for one in (job.pid, *workers):
        os.kill(one, signal.SIGTERM)
    summary, errors = job.communicate(timeout=60)
    assert job.returncode in (0, 5), errors.decode()
    assert json.loads(summary)["exit_code"] == job.returncode
    assert alive(workers) == []


def test_a_signal_ends_a_job_with_a_hanging_worker(postgresql, tmp_path):
    job = start("--input", write_logs(tmp_path), "--output", postgresql, cwd=tmp_path)
    workers = workers_of(job)
    os.kill(workers[0], signal.SIGSTOP)
    job.send_signal(signal.SIGTERM)
    assert "did not end within 8 seconds; what was committed is stored" in told(job, 5)
    assert alive(workers) == []


def test_a_second_signal_ends_a_job_at_once(tmp_path):
    job = start("--input", write_logs(tmp_path), cwd=tmp_path)
    workers = workers_of(job)
    os.kill(workers[0], signal.SIGSTOP)
    job.send_signal(signal.SIGINT)
    time.sleep(0.5)
    job.send_signal(signal.SIGINT)
    assert "by a second signal" in told(job, 5, within=7)
    assert alive(workers) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_a_job_waiting_for_standard_input(number, tmp_path):
    temporary = tmp_path / "t"
    job = start_until(
        "/standard-input", "--input", "-", cwd=tmp_path, temporary=temporary, stdin=subprocess.PIPE
    )
    job.send_signal(number)
    begin = time.monotonic()
    while job.poll() is None:  # its standard input stays open
        time.sleep(0.02)
    assert time.monotonic() - begin < 20
    output, _ = job.communicate()
    assert (job.returncode, json.loads(output)["exit_code"]) == (5, 5)
    assert list(temporary.iterdir()) == []


HOLD = """
import sys, sqlite3
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("begin exclusive")
print(flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("kind", ["sqlite", "jsonl"])
def test_a_signal_ends_a_job_waiting_for_a_locked_database(kind, tmp_path):
    write_logs(tmp_path, chunks=1)
    uri = {"sqlite": "sqlite:///out.db", "jsonl": "jsonl:out.jsonl"}[kind]
    file = {"sqlite": "out.db", "jsonl": "out.jsonl.progress.db"}[kind]
    assert start("--input", "0.log", "--output", uri, cwd=tmp_path).wait() == 0
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout.readline()
    job = start_until(
        "/metrics", "--input", "1.log", "--output", uri, cwd=tmp_path, temporary=tmp_path / "t"
    )
    job.send_signal(signal.SIGTERM)
    assert "did not end within 8 seconds" in told(job, 5)
    holder.communicate()


def test_a_signal_ends_a_job_waiting_for_a_postgresql_lock(postgresql, tmp_path):
    write_logs(tmp_path, chunks=1)
    assert start("--input", "0.log", "--output", postgresql, cwd=tmp_path).wait() == 0
    with psycopg2.connect(postgresql) as holder:
        holder.cursor().execute("lock table sources")
        job = start_until(
            "/metrics", "--input", "1.log", "--output", postgresql,
            cwd=tmp_path, temporary=tmp_path / "t",
        )  # fmt: skip
        job.send_signal(signal.SIGTERM)
        assert "did not end within 8 seconds" in told(job, 5)


def test_a_signal_ends_a_job_that_plans_thousands_of_files(output, tmp_path):
    for number in range(4000):
        (tmp_path / f"{number}.log").write_bytes(b"8=FIX.4.4|9=5|35=0|58=%d|10=000|\n" % number)
    job = start_until(
        "", "--input", f"{tmp_path}/*.log", "--output", output,
        cwd=tmp_path, temporary=tmp_path / "t",
    )  # fmt: skip
    begin = time.monotonic()
    job.send_signal(signal.SIGTERM)
    job.communicate(timeout=60)
    assert time.monotonic() - begin < 20
    assert job.returncode in (0, 5)


ELSEWHERE = """
import signal, sys, threading, time
from pathlib import Path
from fixfeed.pipelines.running import Watch

def receives():
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    time.sleep(600)

def job():
    print("ready", flush=True)
    while not watch.stop():
        time.sleep(0.05)

watch = Watch(Path(sys.argv[1]))
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
threading.Thread(target=receives, daemon=True).start()
watch.over(job)
print("stopped")
"""


def test_a_signal_that_another_thread_has_got_stops_a_job(tmp_path):
    job = subprocess.Popen(
        [sys.executable, "-c", ELSEWHERE, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert job.stdout.readline() == "ready\n"
        time.sleep(1)  # its main thread waits, and the other one has begun
        job.send_signal(signal.SIGTERM)
        assert job.communicate(timeout=60)[0] == "stopped\n"
    finally:
        job.kill()
