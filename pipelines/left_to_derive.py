"""Tells how much is left to derive, while that goes on."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

from fixfeed.io.ledger.ledger import SinkError
from fixfeed.io.sql.store import Store
from fixfeed.io.sql.to_derive import waiting
from fixfeed.pipelines.meanwhile import meanwhile

__all__ = ["LINE_SECONDS", "left_told"]

LINE_SECONDS = 10.0


@contextmanager
def left_told(store: Store, name: str, say: Callable[[str], None]) -> Iterator[None]:
    """Say every ten seconds how many messages of a database are left, while the body runs.

    It asks over a connection of its own. A database that does not answer is left to the body.
    """

    def tell(over: threading.Event) -> None:
        if over.wait(LINE_SECONDS):
            return
        with suppress(SinkError), closing(store.another()) as reader:
            while not over.is_set():
                say(f"{waiting(reader):,} messages are left to derive in {name}")
                over.wait(LINE_SECONDS)

    with meanwhile(tell):
        yield
