"""A sink that cannot be opened is told from one that cannot be written any more."""

from contextlib import ExitStack
from types import SimpleNamespace

import pytest

from fixfeed.io.ledger.ledger import SinkError, SinkFailed
from fixfeed.pipelines.again import TryAgain
from fixfeed.pipelines.endings import UNWRITTEN, USAGE, Ending
from fixfeed.pipelines.health import Health
from fixfeed.pipelines.opening import opened

AGAIN = TryAgain(lambda: True, Health(["s"], longest=1.0, stopping=lambda: True))


@pytest.mark.parametrize("again", [None, AGAIN])
@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SinkFailed("there is no bucket other: make it, or name another"), USAGE),
        (SinkError("it is of another schema"), USAGE),
        (SinkFailed("no space left", away=True), UNWRITTEN),
    ],
)
def test_what_waiting_does_not_mend_is_wrong_usage_when_a_sink_is_made_ready(error, code, again):
    closed = []

    def prepare():
        raise error

    ledger = SimpleNamespace(prepare=prepare, close=lambda: closed.append(True))
    sink = SimpleNamespace(name="s", ledger=lambda: ledger)
    with pytest.raises(SinkError) as raised, ExitStack() as stack:
        opened([sink], stack, again)
    assert closed == [True]
    assert Ending([], {}).error(raised.value) == code
