"""Brings the derived tables of a run's databases up to date: at its end, in a stream all along."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager

from fixfeed.io.ledger.ledger import Ledger, SinkError, SinkFailed
from fixfeed.io.redaction import redact_text
from fixfeed.io.sql.derive_anew import settle
from fixfeed.io.sql.derived import Done, derive, derive_part
from fixfeed.io.sql.store import Store
from fixfeed.io.sql.to_derive import waiting
from fixfeed.pipelines.job import Job
from fixfeed.pipelines.left_to_derive import left_told
from fixfeed.pipelines.session_names import sessions_in
from fixfeed.pipelines.sinks import Sink
from fixfeed.pipelines.unmatched import unmatched_copies

__all__ = ["derive_all", "derived_all_along"]

_MANY = 100_000  # messages that take some seconds
_PAUSE = 0.5  # seconds between two looks for something to derive
_LOOK = 0.1  # seconds between two looks whether the run is to stop
_AFTER_TROUBLE = 5.0  # seconds
_AT_THE_END = 1.0  # seconds, of the two that a stream ends in
_PART = 0.5  # seconds in which a part that has begun may end
_AT_ONCE = 2_000  # messages, whose rows nothing is stored beside in SQLite, for 40 ms
_PAUSES = 4  # deriving takes one in so many seconds at the most: storing goes first


def derive_all(job: Job, ledgers: Mapping[str, Ledger]) -> None:
    """Bring the tables of all databases up to date, unless the run is to stop before.

    It says so where that takes a while, as it does after a migration. With --no-derive, what is to
    be derived stays marked.
    """
    if job.settings.no_derive:
        return
    for name, ledger in ledgers.items():
        if isinstance(ledger, Store) and not job.watch.stop():
            settle(ledger)
            messages = waiting(ledger)
            if messages >= _MANY and not job.settings.quiet:
                job.say(f"note: deriving the orders of {messages:,} messages in {name}")
            with ExitStack() as told:
                if not job.settings.quiet:
                    told.enter_context(
                        left_told(ledger, name, lambda text: job.say(f"note: {text}"))
                    )
                derive(ledger, stop=job.watch.stop)
            _tell_of_copies(job, ledger)


@contextmanager
def derived_all_along(job: Job) -> Iterator[None]:
    """Derive what is stored while the work inside goes on, and what is left after it.

    From the moment the run is to stop until the work has ended no part is begun, as storing what
    was received goes first; then it goes on until a second has passed since that moment.

    Nothing is lost if that fails: what is not derived stays marked, and the next run derives it.
    """
    over = threading.Event()
    threads = [
        threading.Thread(target=_keep_deriving, args=(job, sink, over), daemon=True)
        for sink in job.sinks
        if sink.is_database and not job.settings.no_derive
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join(_AT_THE_END + _PART)


def _tell_of_copies(job: Job, store: Store) -> None:
    """Say which sessions of drop copies are none of those in a database, once all is derived."""
    if job.settings.drop_copy and not waiting(store):
        for text in unmatched_copies(job.settings.drop_copy, sessions_in(store)):
            job.say(f"note: {text}")


class _Late:
    """Returns whether the time for what is left at the end is over."""

    def __init__(self) -> None:
        self._when = time.monotonic() + _AT_THE_END

    def __call__(self) -> bool:
        return time.monotonic() > self._when


def _wait(seconds: float, over: threading.Event, stop: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and not (stop() or over.wait(_LOOK)):
        pass


def _keep_deriving(job: Job, sink: Sink, over: threading.Event) -> None:
    """Derive again and again until `over`, and then what is left, with a connection of its own."""
    said = False
    while True:
        try:
            with closing(sink.ledger()) as store:
                assert isinstance(store, Store)
                settle(store)
                last: Done | None = None
                while not (over.is_set() or job.watch.stop()):
                    begin = time.monotonic()
                    last = derive_part(store, _AT_ONCE, last)
                    took = time.monotonic() - begin
                    _wait(_PAUSES * took if last else _PAUSE, over, job.watch.stop)
                late = _Late()
                over.wait()
                derive(store, stop=late, at_once=_AT_ONCE)
                _tell_of_copies(job, store)
                return
        except SinkError as error:
            # Storing tells of a server that is away, and goes on as well once it is there.
            if isinstance(error, SinkFailed) and (error.lost or error.locked):
                pause = _PAUSE  # and it tells of these itself
            else:
                pause = _AFTER_TROUBLE
                if not said:
                    job.say(f"note: orders are derived later: {redact_text(str(error))}")
                said = True
            if over.wait(pause):
                return
        except Exception as error:
            # Messages are stored all the same.
            job.say(
                "note: the derived tables are not kept up to date any more, by an error of "
                f"fixfeed's own ({type(error).__name__}: {redact_text(str(error))}); messages are "
                "stored, and fixfeed derive goes on with what is left"
            )
            return
