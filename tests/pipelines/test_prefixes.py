"""Text before messages is read as the flags say."""

import pytest

from tests.pipelines.jobs import fixfeed
from tests.transforms.fix.messages import encode

QUERY = "select captured_at, direction from messages order by message_id"


@pytest.fixture
def log(tmp_path):
    message = encode([(35, b"0"), (49, b"US"), (56, b"A")], delimiter=b"|")
    other = encode([(35, b"0"), (49, b"A"), (56, b"US")], delimiter=b"|")
    # Blocks above 6 KiB are read with arrays.
    lines = [b"04.03.2025 10:11:12.5 [x] ", b"2025-07-04 10:11:12 "] * 100
    (tmp_path / "big.log").write_bytes(b"".join(line + message + b"\n" for line in lines))
    (tmp_path / "small.log").write_bytes(lines[0] + other + b"\n")
    return tmp_path


FLAGS = [
    *("--captured-at", "%d.%m.%Y %H:%M:%S.%f"),
    *("--log-time-zone", "Europe/Paris"),
    *("--we-are", "US"),
]


def test_the_flags_give_time_and_direction(log, select):
    fixfeed("--input", "big.log", "--output", "sqlite:///a.db", *FLAGS, cwd=log)
    fixfeed("--input", "small.log", "--output", "sqlite:///b.db", *FLAGS, cwd=log)
    times = ["2025-03-04 09:11:12.500000", "2025-07-04 08:11:12.000000"]
    big = select(f"sqlite:///{log}/a.db", QUERY)
    assert [(time[:26], direction) for time, direction in big] == [(t, "out") for t in times] * 100
    small = select(f"sqlite:///{log}/b.db", QUERY)
    assert [(time[:26], direction) for time, direction in small] == [(times[0], "in")]


def test_our_own_name_that_no_session_has_is_told(log):
    note = "we-are USA: nothing that was stored is from or to it; did you mean US?"
    for names, notes in (["USA"], [note]), (["US"], []), (["USA", "US"], []):
        ours = [word for name in names for word in ("--we-are", name)]
        words = ["--input", "small.log", "--output", f"jsonl:{'-'.join(names)}.jsonl"]
        assert fixfeed(*words, *FLAGS[:4], *ours, cwd=log)["warnings"] == notes


def test_the_flags_are_rules_under_which_rows_can_be_reprocessed(log, select):
    fixfeed("--input", "small.log", cwd=log)
    assert select(f"sqlite:///{log}/fixfeed.db", QUERY) == [(None, None)]
    (note,) = fixfeed("--input", "small.log", *FLAGS, cwd=log)["warnings"]
    assert "small.log was stored under other rules" in note
    fixfeed("--input", "small.log", *FLAGS, "--reprocess", cwd=log)
    ((time, direction),) = select(f"sqlite:///{log}/fixfeed.db", QUERY)
    assert (time[:19], direction) == ("2025-03-04 09:11:12", "in")


@pytest.mark.parametrize(
    ("flag", "value", "problem"),
    [
        ("--captured-at", "%d.%m.%Y", "captured-at is '%d.%m.%Y': found no hour (%H)"),
        ("--log-time-zone", "Europe/Pari", "the nearest is Europe/Paris"),
    ],
)
def test_a_wrong_flag_ends_the_run_before_it_begins(log, flag, value, problem):
    told = fixfeed("--input", "small.log", flag, value, cwd=log, expected=2)
    assert problem in told["error"]
    assert not (log / "fixfeed.db").exists()
