"""Jobs: in this process for tests of what they store, as processes for tests of how they end."""

import contextlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from fixfeed.pipelines import log
from fixfeed.pipelines.fixfeed import main
from tests.transforms.fix.messages import random_log

FIXFEED = [sys.executable, "-m", "fixfeed"]


def printed(*arguments, cwd=None):
    """Run `fixfeed` in this process, which saves the 2 seconds that another takes to start.

    Returns its exit code, and what it printed to standard output and error. Nothing is to be read
    from standard input, and messages cannot be sent to standard output.
    """
    out, err = (io.TextIOWrapper(io.BytesIO(), write_through=True) for _ in range(2))
    before = sys.stdin
    with contextlib.ExitStack() as stack:
        stack.callback(setattr, sys, "stdin", before)
        sys.stdin = stack.enter_context(open(os.devnull))
        stack.enter_context(contextlib.chdir(cwd or os.getcwd()))
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(err))
        stack.callback(log.start)
        stack.callback(log.write_to, None)
        code = main([*map(str, arguments)])
    return code, out.buffer.getvalue(), err.buffer.getvalue()


def fixfeed(*arguments, cwd=None, expected=0):
    """Run the job in this process, without workers unless they are asked for; return its summary.

    It must end with the `expected` exit code.
    """
    words = ["--json", "--quiet", *arguments]
    if "--workers" not in words and "--runner" not in words:
        words += ["--workers", "1"]
    code, out, err = printed(*words, cwd=cwd)
    assert code == expected, err.decode()
    return json.loads(out.splitlines()[-1])


def write_logs(folder, *, files=2, chunks=5):
    """Write logs that take seconds to read; return a pattern that matches them."""
    block = random_log(random.Random(1), 1000, mutated=0.01, delimiter=b"|")
    for number in range(files):
        first = random_log(random.Random(number), 100, mutated=0, delimiter=b"|")
        (folder / f"{number}.log").write_bytes(first + block * chunks)
    return str(folder / "*.log")


def start(*arguments, command=None, preexec_fn=None, **options):
    """Start a job that ignores no signal, with --json and two workers."""

    def prepare():
        _heed()  # The tests may run under nohup.
        if preexec_fn:
            preexec_fn()

    words = [*(command or FIXFEED), "--json", "--quiet", "--workers", "2", *map(str, arguments)]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.Popen(words, preexec_fn=prepare, **options)


def _heed():
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def start_until(found, *arguments, temporary, **options):
    """Start a job, and wait until the pattern matches something in its own folder."""
    temporary.mkdir()
    job = start(*arguments, env=os.environ | {"TMPDIR": str(temporary)}, **options)
    while not list(temporary.glob(f"fixfeed-run-*{found}")):
        assert job.poll() is None, job.communicate()
        time.sleep(0.02)
    time.sleep(0.5)
    return job


def children(process_id):
    """Return the processes that a process has started."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == process_id and fields[0] != "Z":
            found.append(int(status.parent.name))
    return found


def workers_of(job, number=2):
    """Wait until a job has its workers and they work; return their process ids."""
    while len(found := children(job.pid)) < number:
        assert job.poll() is None, job.communicate()
        time.sleep(0.02)
    for one in found:
        # A worker has connections once it has started.
        while not any("socket:" in target for target in _files(one)):
            assert job.poll() is None, job.communicate()
            time.sleep(0.02)
    return found


def _files(process_id):
    folder = Path(f"/proc/{process_id}/fd")
    try:
        return [os.readlink(one) for one in folder.iterdir()]
    except OSError:
        return []


def alive(process_ids):
    """Return the processes that still live after some seconds."""
    deadline = time.monotonic() + 60
    while (left := [one for one in process_ids if Path(f"/proc/{one}").exists()]) and (
        time.monotonic() < deadline
    ):
        time.sleep(0.05)
    return left


def told(job, code, *, within=20):
    """Wait for a job; return its last sentence, which it reports in two ways."""
    begin = time.monotonic()
    output, errors = job.communicate(timeout=120)
    assert job.returncode == code, errors.decode()
    assert time.monotonic() - begin < within
    ended = json.loads(output)
    assert ended["exit_code"] == code
    lines = errors.decode().splitlines()
    assert lines[-1] == f"fixfeed: {ended['error']}"
    others = [line for line in lines[:-1] if not line.startswith("fixfeed: stopping")]
    assert not others, others
    return ended["error"]
