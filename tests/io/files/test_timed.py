"""A file is cut between its messages by their times, and read in parts as it is read whole."""

import datetime
import gzip
import itertools

import numpy as np
import pytest

from fixfeed.io.files.find import cut_ranges, file_at
from fixfeed.io.files.timed import TimedFile
from fixfeed.io.files.window import UNTIMED, Window
from fixfeed.pipelines.sample.command import write_sample
from fixfeed.transforms.fix.protocol import FIX
from tests.io.ledger.known_sources import file_witness
from tests.protocols.fixed_width import TAPE
from tests.transforms.fix.messages import encode

SECOND = 1_000_000
NINE = 1_772_442_000 * SECOND
"""2026-03-02 09:00:00."""


def moment(seconds):
    return datetime.datetime.fromtimestamp(NINE / SECOND + seconds, datetime.UTC)


def line(seconds, *, prefix=None, fields=(), end=b"\n"):
    """Return a message that was sent so many seconds after nine, or has no time if that is None."""
    sent = [] if seconds is None else [(52, f"{moment(seconds):%Y%m%d-%H:%M:%S.%f}"[:-3].encode())]
    before = b"" if prefix is None else f"{moment(prefix):%Y-%m-%d %H:%M:%S.%f} : ".encode()
    return before + encode([(35, b"0"), *sent, *fields], delimiter=b"|") + end


def reader(path, *, window=None, done=(), protocol=FIX, block_size=1 << 20):
    file = file_at(str(path), str(path), protocol)
    parts = cut_ranges(file, done, size=1 << 40)
    return TimedFile(parts, protocol, window or Window(), block_size=block_size)


def taken(file, step=1):
    """Yield what a reader has, with the times of the messages of `step` microseconds together."""
    while True:
        while not file.look():
            pass
        if file.ended:
            return
        yield file.take(file.head + step)


def parts_of(path, lines, **options):
    """Return the numbers of the lines in each block, and the time of each in seconds after nine."""
    starts = [0, *itertools.accumulate(map(len, lines))]
    result = []
    for timed in taken(reader(path, **options)):
        first, last = starts.index(timed.block.start), starts.index(timed.block.end)
        seconds = [None if at == UNTIMED else (at - NINE) / SECOND for at in timed.times.tolist()]
        result.append(([*range(first, last)], seconds))
    return result


def written(path, lines):
    path.write_bytes(b"".join(lines))
    return lines


def rows(batches):
    """Return all that batches hold, whatever they are cut into."""
    batches = list(batches)
    return (
        [row for one in batches for row in one.messages.to_pylist()],
        [row for one in batches for row in one.failures.to_pylist()],
        [at for one in batches for at in one.skipped_positions.to_pylist()],
    )


def test_parts_give_what_the_whole_gives_for_every_layout_of_logs(tmp_path):
    write_sample(tmp_path, messages=600, seed=3)
    logs = sorted(path for path in tmp_path.iterdir() if path.suffix != ".json")
    assert len(logs) > 8
    for path in logs:
        file = file_at(str(path), str(path), FIX)
        whole = list(taken(reader(path), 1 << 60))
        parts = list(taken(reader(path, block_size=16 << 10)))
        assert len(parts) > 20 * len(whole), path
        assert rows(FIX.parse(one.block) for one in parts) == rows(
            FIX.parse(one.block) for one in whole
        ), path
        at = 0
        for one in parts:
            assert one.block.start == at
            at = one.block.end
            if not one.block.provisional:
                assert one.block.witness == file.content.witnesses([at])[at]
        assert at == whole[-1].block.end


def test_messages_come_in_the_order_of_the_file_however_their_times_go(tmp_path):
    path = tmp_path / "day.log"
    lines = written(path, [line(one) for one in (0, 2, 1, 2, None, 3)])
    assert parts_of(path, lines) == [
        ([0], [0]),
        ([1, 2, 3, 4], [2, 2, 2, 2]),
        ([5], [3]),
    ]


def test_the_time_of_capture_counts_where_there_is_one(tmp_path):
    path = tmp_path / "day.log"
    lines = written(path, [line(7, prefix=0), line(0, prefix=1.5), line(2)])
    assert parts_of(path, lines) == [([0], [0]), ([1], [1.5]), ([2], [2])]
    (timed,) = taken(reader(path), 60 * SECOND)
    assert timed.columns.tolist() == [0, 0, 1]


def test_what_is_between_messages_goes_with_the_one_before(tmp_path):
    path = tmp_path / "day.log"
    broken = b"8=FIX.4.4|9=5|no more\n"
    lines = [b"started\n", line(0), b"a line\n", b"35=D|55=X|44=1\n", line(1), broken, line(2)]
    written(path, lines)
    found = [(numbers, *{*seconds}) for numbers, seconds in parts_of(path, lines)]
    assert found == [([0, 1, 2, 3], 0), ([4, 5], 1), ([6], 2)]


def test_messages_without_line_ends_are_told_apart(tmp_path):
    path = tmp_path / "day.log"
    lines = written(path, [line(one, end=b"") for one in range(4)])
    assert parts_of(path, lines) == [([one], [one]) for one in range(4)]


def test_the_half_message_at_the_end_comes_last(tmp_path):
    path = tmp_path / "day.log"
    lines = written(path, [line(0), line(1), line(2)[:40]])
    assert parts_of(path, lines) == [([0], [0]), ([1], [1]), ([2], [1])]


def test_a_file_without_times_comes_before_all_others(tmp_path):
    path = tmp_path / "day.log"
    lines = written(path, [line(None), line(None)])
    assert parts_of(path, lines) == [([0, 1], [None, None])]
    assert parts_of(path, lines, window=Window(begin=NINE)) == []


@pytest.mark.parametrize("block_size", [100, 1 << 20])
@pytest.mark.parametrize("packed", [False, True])
def test_only_what_is_in_the_window_is_given_whatever_is_stored_already(
    tmp_path, packed, block_size
):
    path = tmp_path / "day.log"
    lines = [line(one) for one in range(10)]
    path.write_bytes(gzip.compress(b"".join(lines)) if packed else b"".join(lines))
    window = Window(NINE + 3 * SECOND, NINE + 7 * SECOND)
    size = len(lines[0])
    for done, numbers in (
        ((), [3, 4, 5, 6]),
        (((0, size), (4 * size, 6 * size)), [3, 6]),
        (((3 * size, 7 * size),), []),
    ):
        found = parts_of(path, lines, window=window, done=done, block_size=block_size)
        assert found == [([one], [one]) for one in numbers]


def test_a_window_of_times_of_day_holds_for_each_day(tmp_path):
    path = tmp_path / "days.log"
    hours = [0, 1, 2, 3, 23, 24, 25, 26, 27]
    lines = written(path, [line(one * 3600) for one in hours])
    ten, noon = datetime.time(10), datetime.time(12)
    found = parts_of(path, lines, window=Window.of(ten, noon))
    assert [numbers for numbers, _ in found] == [[1], [2], [6], [7]]
    found = parts_of(path, lines, window=Window.of(noon, ten))
    assert [numbers for numbers, _ in found] == [[0], [3], [4], [5], [8]]


def test_nothing_is_read_after_the_end_of_the_window(tmp_path):
    path = tmp_path / "day.log"
    written(path, [line(one) for one in range(1000)])
    file = reader(path, window=Window(end=NINE + 5 * SECOND), block_size=1000)
    blocks = list(taken(file, 1 << 40))
    assert sum(len(one.times) for one in blocks) == 5
    assert file.look()
    assert file.ended


def test_messages_on_one_line_are_not_torn_apart(tmp_path):
    path = tmp_path / "day.json"
    inside = [
        encode([(35, b"0"), (52, b"20260302-09:00:0%d" % second)], delimiter=b"\\u0001")
        for second in range(3)
    ]
    lines = [b'{"a": "%b"}\n' % b"\\n".join(inside)] * 2
    written(path, lines)
    assert parts_of(path, lines) == [([0], [0, 1, 2]), ([1], [2, 2, 2])]
    later = Window(begin=NINE + SECOND)
    assert [numbers for numbers, _ in parts_of(path, lines, window=later)] == [[0], [1]]


def test_a_logon_before_the_window_tells_the_version(tmp_path):
    path = tmp_path / "day.log"
    parties = [(49, b"A"), (56, b"B")]

    def fixt(second, *fields, kind=b"0"):
        sent = (52, b"20260302-09:00:0%d" % second)
        return encode([(35, kind), *parties, sent, *fields], version="FIXT.1.1", delimiter=b"|")

    lines = [fixt(0, (1137, b"7"), kind=b"A"), fixt(1), fixt(2)]
    written(path, [one + b"\n" for one in lines])
    window = Window(begin=NINE + 2 * SECOND)
    for done in ((), ((0, len(lines[0]) + 1),)):
        (timed,) = taken(reader(path, window=window, done=done))
        assert FIX.parse(timed.block).messages["appl_ver_id"].to_pylist() == ["7"]


def test_a_protocol_of_another_kind_is_cut_at_its_records(tmp_path):
    path = tmp_path / "day.tape"
    header = b"H0052".ljust(52)
    trades = [
        f"T{NINE + second * SECOND}AAPL    B000015010000000000000100".encode().ljust(52)
        for second in range(3)
    ]
    lines = written(path, [header, *trades])
    found = parts_of(path, lines, protocol=TAPE)
    assert found == [([0, 1], [0]), ([2], [1]), ([3], [2])]


def test_a_witness_is_given_after_what_is_stored_already(tmp_path):
    path = tmp_path / "day.log"
    lines = written(path, [line(one) for one in range(20)])
    start = 10 * len(lines[0])
    for timed in taken(reader(path, done=((0, start),))):
        assert timed.block.witness == file_witness(path, timed.block.end)


def test_times_are_never_below_those_before():
    window = Window(begin=5)
    assert window.inside(np.array([UNTIMED, 4, 5])).tolist() == [False, False, True]
