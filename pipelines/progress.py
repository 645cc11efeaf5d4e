"""Shows the progress of a run: on a terminal at once, elsewhere by a line now and then."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from fixfeed.io.ledger.counts import Counts
from fixfeed.pipelines.log import is_json, say
from fixfeed.pipelines.meanwhile import meanwhile

__all__ = ["furthest", "shown", "shown_without_end"]

_BAR_SECONDS = 0.5
_LINE_SECONDS = 10.0
_STREAM_LINE_SECONDS = 60.0

_SoFar = Callable[[], tuple[int, int]]


def furthest(sinks: Iterable[Counts]) -> tuple[int, int]:
    """Return how many bytes and messages are read, given what each sink has committed.

    That is what the sink that is furthest has: a lake commits rarely, or at the end.
    """
    both = [(one.bytes, one.read) for one in sinks]
    return max((octets for octets, _ in both), default=0), max(
        (read for _, read in both), default=0
    )


@contextmanager
def shown(
    expected: int, counts: _SoFar, console: Console, state: Callable[[], str] = str
) -> Iterator[None]:
    """Show progress while the body runs.

    `expected` is the number of bytes to read (an estimate if some are compressed); `counts` returns
    the bytes and messages stored so far. `state` says what is done now, if that is more than
    reading.
    """
    if console.is_terminal and not is_json():
        work: partial[None] = partial(_bar, expected, counts, state=state, console=console)
    else:
        work = partial(_lines, expected, counts, state=state)
    with meanwhile(work):
        yield


def _each(seconds: float, over: threading.Event) -> Iterator[None]:
    """Yield after each so many seconds, however long the caller takes, until it is over."""
    due = time.monotonic() + seconds
    while not over.wait(max(0.0, due - time.monotonic())):
        yield
        due = max(due + seconds, time.monotonic())


def _bar(
    expected: int,
    counts: _SoFar,
    over: threading.Event,
    state: Callable[[], str],
    console: Console,
) -> None:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TextColumn("{task.fields[rate]:,.0f} messages/s"),
        TimeRemainingColumn(),
    )
    begin = time.monotonic()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("reading", total=expected, rate=0.0)
        while not over.wait(_BAR_SECONDS):
            octets, messages = counts()
            rate = messages / (time.monotonic() - begin)
            text = escape(state()) or "reading"
            progress.update(task, completed=min(octets, expected), rate=rate, description=text)


def _lines(expected: int, counts: _SoFar, over: threading.Event, state: Callable[[], str]) -> None:
    begin = time.monotonic()
    for _ in _each(_LINE_SECONDS, over):
        octets, messages = counts()
        seconds = time.monotonic() - begin
        share = min(octets / expected, 1.0) if expected else 1.0
        left = f", about {seconds / share - seconds:.0f} s left" if share else ""
        doing = f"{state()}: ".removeprefix(": ")
        read = f"{share:.0%} read, {messages:,} messages"
        say(
            f"{doing}{read}, {messages / seconds:,.0f}/s{left}",
            event="progress",
            messages=messages,
            seconds=round(seconds, 3),
        )


@contextmanager
def shown_without_end(
    text: Callable[[], str], console: Console, *, seconds: float = _STREAM_LINE_SECONDS
) -> Iterator[None]:
    """Show a line that changes while the body runs; elsewhere than on a terminal, one a minute.

    That is each `seconds`.
    """

    def watch(over: threading.Event) -> None:
        if is_json() or not console.is_terminal:
            for _ in _each(seconds, over):
                say(text(), event="progress")
            return
        with console.status("") as status:
            while not over.wait(_BAR_SECONDS):
                status.update(escape(text()))

    with meanwhile(watch):
        yield
