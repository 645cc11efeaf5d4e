"""`fixfeed sessions`: what it prints of a database."""

import contextlib
import json

import pytest

from fixfeed.io.ledger.source import Source
from fixfeed.io.sql.derived import derive
from fixfeed.io.sql.open import open_store
from fixfeed.pipelines.sessions import main
from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.parser import parse_block
from tests.transforms.fix.messages import encode


def line(number, time, kind=b"8", *more, day=2, sender=b"A"):
    sent = b"202501%02d-%s" % (day, time)
    target = b"B" if sender == b"A" else b"A"
    head = [(35, kind), (34, b"%d" % number), (49, sender), (56, target), (52, sent)]
    return encode([*head, *more]) + b"\n"


LOG = [
    line(1, b"09:00:00", b"A", (108, b"30"), (141, b"Y")),
    line(2, b"09:00:01"),
    line(5, b"09:00:02"),
    line(3, b"09:00:30", b"8", (43, b"Y")),
    line(6, b"09:05:00", b"5", (58, b"end of day")),
    line(9, b"08:00:00", day=3),
    line(4, b"09:00:00", sender=b"B"),
]


@pytest.fixture
def stored(database):
    store_log(database, b"".join(LOG))
    return database


def store_log(database, log, *, derived=True):
    with contextlib.closing(open_store(database)) as store:
        store.prepare()
        (known,) = store.register([Source("k", "file", "a.log")], rules="r", replace=False).values()
        batch = parse_block(Block("k", 0, log, b"\x01"))
        store.write([(known.source_id, batch)], rules="r", replace=False)
        if derived:
            derive(store)


def test_what_is_not_derived_yet_is_told(database, capsys):
    store_log(database, b"".join(LOG), derived=False)
    assert main([database]) == 0
    assert capsys.readouterr().err.startswith(
        "fixfeed sessions: note: 7 messages are not derived yet; fixfeed derive "
    )


def test_each_session_and_day_is_a_row_and_gaps_are_told_below(stored, capsys):
    assert main([stored]) == 0
    out = capsys.readouterr().out
    rows = [[cell.strip() for cell in row.split("│")[1:-1]] for row in out.splitlines()]
    assert [row for row in rows if row] == [
        ["FIX.4.4:A->B", "2025-01-02", "09:00:00", "09:05:00", "5", "1-6", "1", "", "1", "1", ""],
        ["FIX.4.4:A->B", "2025-01-03", "08:00:00", "08:00:00", "1", "9", "", "", "", "", ""],
        ["FIX.4.4:B->A", "2025-01-02", "09:00:00", "09:00:00", "1", "4", "", "", "", "", ""],
    ]
    assert out.splitlines()[-3:] == [
        "FIX.4.4:A->B, 2025-01-02: 3 resent at 09:00:30",
        "FIX.4.4:A->B, 2025-01-02: 4 missing before 09:00:02",
        "FIX.4.4:A->B, 2025-01-03: 7-8 missing before 08:00:00 (since the day before)",
    ]


def test_missing_numbers_of_messages_without_a_time_are_told(database, capsys):
    def untimed(number):
        head = [(35, b"8"), (34, b"%d" % number), (49, b"A"), (56, b"B")]
        return encode([*head, (52, b"no time")]) + b"\n"

    log = [line(1, b"09:00:01"), untimed(2), line(3, b"09:00:03"), untimed(5), untimed(8)]
    log += [line(7, b"09:00:07"), line(9, b"09:00:09", sender=b"B")]
    store_log(database, b"".join([*log, line(11, b"09:00:11", sender=b"B")]))
    assert main([database]) == 0
    told = [one for one in capsys.readouterr().out.splitlines() if "B->A, 2025" in one]
    assert [one.partition(": ")[2] for one in told] == ["10 missing before 09:00:11"]
    main([database, "--session", "A->B"])
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "FIX.4.4:A->B, 2025-01-02: 2 missing before 09:00:03; stored, without a time",
        "FIX.4.4:A->B, 2025-01-02: 4-6 missing before 09:00:07; 1 of them stored, without a time",
    ]


def test_what_is_resent_after_midnight_is_of_the_day_before(database, capsys):
    monday = [line(n, b"20:00:0%d" % n) for n in (1, 2, 5, 6)]
    tuesday = [
        line(7, b"00:00:06", day=3),
        *(line(n, b"00:00:07", b"8", (43, b"Y"), day=3) for n in (3, 4)),
        line(10, b"00:00:08", day=3),
    ]
    store_log(database, b"".join(monday + tuesday))
    assert main([database]) == 0
    told = [one for one in capsys.readouterr().out.splitlines() if "B, 2025" in one]
    assert [one.removeprefix("FIX.4.4:A->B, 2025-01-") for one in told] == [
        "02: 3-4 missing before 20:00:05",
        "03: 3-4 resent at 00:00:07",
        "03: 8-9 missing before 00:00:08",
    ]


def test_json_has_each_day_with_its_sequences(stored, capsys):
    assert main([stored, "--json", "--session", "A->B"]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["day"], second["day"]) == ("2025-01-02", "2025-01-03")
    assert first["logout_reasons"] == {"end of day": 1}
    assert first["longest_silence"] == 270.0
    assert [(one["first_number"], one["began"]) for one in first["sequences"]] == [
        (1, "logon"),
        (3, "resent"),
        (5, "gap"),
    ]


def test_a_session_that_is_not_there_is_answered_with_the_nearest(stored, capsys):
    assert main([stored, "--session", "FIX.4.4:A->C"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        "fixfeed sessions: no session has 'FIX.4.4:A->C' in its name; "
        "did you mean FIX.4.4:A->B?; there are 2\n"
    )


def test_numbers_of_messages_without_a_session_are_no_gaps(database, capsys):
    damaged = b"".join(
        encode([(35, b"0"), (34, b"%d" % number), (52, b"20250102-09:00:00")]) + b"\n"
        for number in (3, 9)
    )
    store_log(database, damaged)
    assert main([database]) == 0
    out = capsys.readouterr().out
    assert [cell.strip() for cell in out.splitlines()[3].split("│")[1:-1]] == [
        "(none)", "2025-01-02", "09:00:00", "09:00:00", "2", "3-9", *[""] * 5
    ]  # fmt: skip
    assert "missing before" not in out


def test_what_has_no_sessions_is_said(tmp_path, capsys):
    assert main([f"sqlite:///{tmp_path}/none.db"]) == 2
    assert main(["parquet:lake/"]) == 2
    assert main(["day.log"]) == 2
    missing, lake, log = capsys.readouterr().err.splitlines()
    assert "none.db" in missing
    assert lake == "fixfeed sessions: parquet:lake/ has no tables of sessions: only databases have"
    assert "'day.log' is none of" in log
