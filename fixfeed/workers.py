"""Worker processes that turn parts of logs into rows, for any program that reads logs as tables.

They are new processes of the same Python, which do not run the caller's main module again. So they
work in a notebook, in `python -c` and in scripts without `if __name__ == "__main__"`.
"""

import contextlib
import json
import os
import pickle
import queue
import struct
import subprocess
import sys
import threading
import traceback
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from typing import IO, Any

import pyarrow as pa

from fixfeed.wanted import Given, Part, Wanted

__all__ = ["in_order", "main"]

_LENGTH = struct.Struct("<Q")
# With -P and the path of this process, packages come from the same place as ours.
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from fixfeed.workers import main; main()"
)
_AHEAD = 2
"""So many parts for each worker are under way: one that it works on, and the next."""


def in_order(wanted: Wanted, parts: Iterable[Part], count: int) -> Iterator[Given]:
    """Yield what each block of the parts gives, in their order, worked out by `count` processes.

    A few parts are under way at a time, so memory is bounded by their size. The processes end when
    the iterator does, when it is closed or dropped, and when the calling process is gone, whatever
    ended it. Raises `RuntimeError` if one of them ends too early.
    """
    workers = _Workers(wanted, count)
    pending: deque[Future[list[Given]]] = deque()
    try:
        for part in parts:
            pending.append(workers.submit(part))
            if len(pending) >= _AHEAD * count:
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()
    finally:
        workers.end()


class _Worker:
    """A process, used by one thread at a time, which waits for its answer."""

    def __init__(self) -> None:
        path = [str(entry) or os.getcwd() for entry in sys.path]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _START, json.dumps(path)],
            stdin=subprocess.PIPE,  # ends with this process
            stdout=subprocess.PIPE,
            # Ctrl-C in a terminal or notebook is for the caller, which then ends them.
            start_new_session=True,
        )
        self._told = False

    def ask(self, wanted: bytes, part: bytes, schema: pa.Schema) -> list[Given] | str:
        """Return the process's answer on a part, in this schema; `wanted` is the same for all."""
        assert self._process.stdin
        assert self._process.stdout
        try:
            if not self._told:
                _send(self._process.stdin, wanted)
                self._told = True
            _send(self._process.stdin, part)
            return _received(self._process.stdout, schema)
        except (EOFError, OSError) as error:
            code = self._process.wait()
            raise RuntimeError(
                f"a worker process ({self._process.pid}) ended too early, with exit code {code}; "
                "-9 is the system's way when memory runs out: give fewer workers, or workers=1, "
                "which needs none"
            ) from error

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()

    def close(self) -> None:
        """Forget a process that was ended."""
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]


class _Workers:
    """The processes, each with a thread that talks to it."""

    def __init__(self, wanted: Wanted, count: int):
        # Pickled here: in the threads it would change, by what it keeps, while another reads it.
        self._wanted, self._schema = _pickled(wanted), wanted.schema
        self._asked: queue.SimpleQueue[tuple[Future[list[Given]], bytes] | None]
        self._asked = queue.SimpleQueue()
        self._all: list[_Worker] = []
        self._threads: list[threading.Thread] = []
        try:
            for _ in range(count):
                self._all.append(_Worker())
                # A program that ends does not wait for what it has not read.
                thread = threading.Thread(target=self._serve, args=self._all[-1:], daemon=True)
                self._threads.append(thread)
                thread.start()
        except OSError as error:
            self.end()
            raise RuntimeError(
                f"a worker process cannot be started: {error}; workers=1 needs none"
            ) from error

    def submit(self, part: Part) -> Future[list[Given]]:
        future: Future[list[Given]] = Future()
        self._asked.put((future, _pickled(part)))
        return future

    def _serve(self, worker: _Worker) -> None:
        while (asked := self._asked.get()) is not None:
            future, part = asked
            try:
                future.set_result(self._answer(worker, part))
            except Exception as error:
                future.set_exception(error)

    def _answer(self, worker: _Worker, part: bytes) -> list[Given]:
        given = worker.ask(self._wanted, part, self._schema)
        if isinstance(given, str):
            raise RuntimeError(f"a worker process failed: an error of fixfeed's own\n{given}")
        return given

    def end(self) -> None:
        """End all processes at once."""
        for worker in self._all:
            worker.kill()
        for _ in self._threads:
            self._asked.put(None)
        for thread in self._threads:
            thread.join()
        for worker in self._all:
            worker.close()


def main() -> None:
    """Answer on standard output what is asked on standard input, until that ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing else that prints may get between
    questions = sys.stdin.buffer
    # The caller may be gone, and so may the reader of an answer.
    with contextlib.suppress(EOFError, BrokenPipeError):
        wanted = _read(questions)
        while True:
            _answer(answers, wanted, _read(questions))


def _answer(answers: IO[bytes], wanted: Wanted, part: Part) -> None:
    try:
        given = list(wanted.of(part))
    except Exception:
        _send(answers, _pickled(traceback.format_exc()))
        return
    rows = [one.rows.serialize() for one in given]
    told = [(len(octets), one[1:]) for octets, one in zip(rows, given, strict=True)]
    _send(answers, _pickled(told))
    for octets in rows:
        answers.write(octets)
    answers.flush()


def _received(stream: IO[bytes], schema: pa.Schema) -> list[Given] | str:
    """Return an answer: what the blocks gave, or the traceback of an error."""
    answer = _read(stream)
    if isinstance(answer, str):
        return answer
    given = []
    for size, rest in answer:
        octets = pa.allocate_buffer(size)
        if stream.readinto(memoryview(octets)) < size:  # type: ignore[attr-defined]
            raise EOFError
        given.append(Given(pa.ipc.read_record_batch(octets, schema), *rest))
    return given


def _pickled(value: Any) -> bytes:
    return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)


def _send(stream: IO[bytes], content: bytes) -> None:
    stream.write(_LENGTH.pack(len(content)))
    stream.write(content)
    stream.flush()


def _read(stream: IO[bytes]) -> Any:
    """Return a value that was sent. Raises `EOFError` if the stream ends before its end."""
    (length,) = _LENGTH.unpack(_exactly(stream, _LENGTH.size))
    return pickle.loads(_exactly(stream, length))


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data
