"""A run reports how it has ended, once."""

import pytest

from fixfeed.pipelines import log
from fixfeed.pipelines.endings import OWN_ERROR, Ending
from fixfeed.pipelines.running import GaveUp


@pytest.fixture
def ending():
    yield Ending(["--json"], {})
    log.start()
    log.write_to(None)


def test_a_run_that_is_given_up_while_it_ends_has_one_report(ending, capfdbinary):
    assert ending.tell({"exit_code": 3}, None, 3) == 3
    assert ending.error(GaveUp("it did not end within 8 seconds")) == 3
    assert capfdbinary.readouterr() == (b'{"exit_code":3}\n', b"")


def test_an_error_after_the_report_is_told_on_standard_error_alone(ending, capfdbinary):
    ending.tell({"exit_code": 0}, None, 0)
    assert ending.error(KeyError("a bug")) == OWN_ERROR
    out, errors = capfdbinary.readouterr()
    assert out == b'{"exit_code":0}\n'
    assert b"an error of fixfeed's own (KeyError)" in errors


def test_a_run_that_is_given_up_before_it_has_a_report_says_so(ending, capfdbinary):
    code = ending.error(GaveUp("it did not end within 8 seconds"))
    out, errors = capfdbinary.readouterr()
    assert b"".join(out.split()) == (b'{"error":"itdidnotendwithin8seconds","exit_code":%d}' % code)
    assert errors == b"fixfeed: it did not end within 8 seconds\n"
