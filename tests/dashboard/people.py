"""People who look at the dashboard and ask the API, many at once, without a browser.

A page is asked for as Streamlit's script in the browser does: over a WebSocket, and it is there
once the server says that its script has run.
"""

import random
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from streamlit.proto.Alert_pb2 import Alert
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.util import calc_hash
from websockets.sync.client import ClientConnection, connect

__all__ = ["API", "PAGES", "Asked", "ask_all"]

PAGES = (
    "overview",
    "messages",
    "messages?q=Symbol%3DAAPL",
    "messages?q=PartyID%3DDESK2",
    "orders",
    "sessions",
    "latency",
    "quality",
)
API = (
    "messages",
    "messages/count",
    "messages?type=8&q=Symbol%3DAAPL",
    "executions",
    "orders",
    "orders?status=8",
    "sessions",
    "gaps",
    "minutes",
    "latency",
    "latency/slowest",
    "anomalies",
    "failures",
    "sources",
    "runs",
)
_LONGEST = 60.0  # seconds until an answer


class Asked(NamedTuple):
    """What was asked for, the seconds until it was there, and what was wrong with it."""

    what: str
    seconds: float
    error: str | None


def ask_all(
    address: str,
    people: int,
    *,
    pages: Sequence[str] = PAGES,
    api: Sequence[str] = API,
    each: int | None = None,
    seconds: float = 0.0,
    pause: tuple[float, float] = (0.0, 0.0),
) -> list[Asked]:
    """Let so many people use a dashboard at once, each in a thread; return all that they asked for.

    Everybody opens a page in turns with asking the API, from another place in both lists on, and
    reads it for a time between the two of `pause`: `each` times, or for so many `seconds`.
    """
    over = time.monotonic() + seconds
    ready = threading.Barrier(people)

    def person(number: int) -> list[Asked]:
        chance = random.Random(number)
        asked = []
        with _connected(address) as socket:
            ready.wait()
            for turn in _turns(each, over):
                page, path = pages[(number + turn) % len(pages)], api[(number + turn) % len(api)]
                asked.append(_timed(page, lambda page=page: _open(socket, page)))
                time.sleep(chance.uniform(*pause))
                asked.append(_timed(f"/api/{path}", lambda path=path: _answer(address, path)))
                time.sleep(chance.uniform(*pause))
        return asked

    with ThreadPoolExecutor(people) as threads:
        return [one for asked in threads.map(person, range(people)) for one in asked]


def _turns(each: int | None, over: float) -> Iterator[int]:
    turn = 0
    while turn < each if each is not None else time.monotonic() < over:
        yield turn
        turn += 1


def _timed(what: str, ask) -> Asked:
    began = time.monotonic()
    try:
        error = ask()
    except (OSError, TimeoutError) as failed:
        error = f"{type(failed).__name__}: {failed}"
    return Asked(what, time.monotonic() - began, error)


def _connected(address: str) -> ClientConnection:
    place = address.removeprefix("http://").rstrip("/")
    return connect(f"ws://{place}/_stcore/stream", subprotocols=["streamlit"], max_size=None)


def _open(socket: ClientConnection, page: str) -> str | None:
    """Open a page; return the error on it."""
    name, _, query = page.partition("?")
    asked = BackMsg()
    asked.rerun_script.query_string = query
    asked.rerun_script.page_script_hash = calc_hash(name)
    asked.rerun_script.page_name = name
    socket.send(asked.SerializeToString())
    error = None
    while True:
        told = ForwardMsg.FromString(socket.recv(_LONGEST))
        element = told.delta.new_element
        if element.WhichOneof("type") == "exception":
            error = element.exception.message
        elif element.WhichOneof("type") == "alert" and element.alert.format == Alert.ERROR:
            error = element.alert.body
        elif told.WhichOneof("type") == "script_finished":
            if told.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                return error
            if told.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                return f"{ForwardMsg.ScriptFinishedStatus.Name(told.script_finished)}"
            error = None


def _answer(address: str, path: str) -> str | None:
    """Ask the API; return its error."""
    with urllib.request.urlopen(f"{address}api/{path}", timeout=_LONGEST) as answer:
        answer.read()
    return None
