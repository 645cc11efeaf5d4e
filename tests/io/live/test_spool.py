"""The spool keeps the bytes of a connection, and readers get those that are durable, once."""

import doctest
import itertools
import os
import random
import shutil

import pytest

from fixfeed.io.files.find import cut_ranges, find_files
from fixfeed.io.files.reading import read_blocks
from fixfeed.io.live import feed, spool
from fixfeed.io.live.feed import SpoolFeed
from fixfeed.io.live.lock import Lock
from fixfeed.io.live.reading import SpooledConnection
from fixfeed.io.live.recovery import recover, recovered
from fixfeed.io.live.removal import is_long, remove_connection, remove_segments
from fixfeed.io.live.spool import INDEX, RECORD, Kind, records, segments_of, source_of
from fixfeed.io.live.writing import SpoolWriter
from fixfeed.transforms.fix.parser import parse_block
from fixfeed.transforms.fix.protocol import FIX
from fixfeed.transforms.pieces import parsed
from tests.io.live.spools import (
    ADDRESS,
    CONNECTION,
    Sink,
    batches_of,
    drained,
    failures_of,
    message,
    numbers_of,
    published,
    write,
)
from tests.transforms.fix.messages import encode, random_log


def test_the_examples_are_true():
    assert doctest.testmod(spool).attempted > 0
    assert doctest.testmod(spool).failed == 0


def connection(port):
    return CONNECTION.replace("51234", str(port))


def cut(data, places):
    places = [0, *sorted(places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(places) if a < b]


def rows_of(batches):
    return [
        {name: value for name, value in row.items() if name not in ("captured_at", "ingested_at")}
        for batch in batches
        for row in batch.messages.to_pylist()
    ]


def test_messages_cut_at_every_byte_are_those_of_a_file(tmp_path):
    data = b"".join(message(number) for number in range(3))
    for place in range(1, len(data)):
        folder, writer = write(tmp_path, data[:place], ended=False, name=connection(place))
        one = SpooledConnection(folder, FIX)
        assert one.has_news()
        batches = [parse_block(block) for block in one.blocks()]
        assert one.at <= place < one.at + len(message(0))
        writer.append(data[place:], 2)
        published(writer)
        assert one.has_news(at_once=True)
        batches += [parse_block(block) for block in one.blocks()]
        writer.close()
        assert numbers_of(batches) == [0, 1, 2]
        assert failures_of(batches) == []


@pytest.mark.parametrize("seed", range(8))
def test_a_damaged_log_in_chunks_gives_what_it_gives_as_a_file(tmp_path, seed):
    rng = random.Random(seed)
    # A file may go on after its last line, and a connection that has ended does not.
    log = random_log(rng, 60, mutated=0.2, delimiter=rng.choice([b"\x01", b"|"])) + b"\n"
    (tmp_path / "day.log").write_bytes(log)
    (file,), _ = find_files([str(tmp_path / "day.log")])
    from_file = [parse_block(block) for part in cut_ranges(file, ()) for block in read_blocks(part)]
    chunks = cut(log, [rng.randrange(len(log)) for _ in range(40)])
    folder, writer = write(tmp_path, ended=False, segment=2000)
    one = SpooledConnection(folder, FIX)
    batches = []
    for number, chunk in enumerate(chunks):
        writer.append(chunk, number)
        published(writer)
        if one.has_news(at_once=True):
            batches += [parse_block(block) for block in one.blocks()]
    writer.end(Kind.CLOSED, 0)
    published(writer)
    writer.close()
    one.has_news(at_once=True)
    batches += [batch for batch in batches_of(folder, at=one.at) if batch.end > one.at]
    assert rows_of(batches) == rows_of(from_file)
    assert b"".join(raw for *_, raw in failures_of(batches)) == b"".join(
        raw for *_, raw in failures_of(from_file)
    )
    assert [batch.start for batch in batches[1:]] == [batch.end for batch in batches[:-1]]
    assert batches[-1].end == len(log)


def test_a_message_has_the_time_at_which_its_last_byte_was_received(tmp_path):
    first, second = message(1), message(2)
    folder, _ = write(tmp_path, first[:30], first[30:] + second[:5], second[5:], received=5_000_000)
    (batch,) = batches_of(folder)
    times = [time.timestamp() for time in batch.messages["captured_at"].to_pylist()]
    assert times == [5.001, 5.002]


def test_the_half_message_of_a_connection_that_ended_is_a_failure_for_good(tmp_path):
    half = message(2)[:20]
    folder, writer = write(tmp_path, message(1), half, ended=False)
    assert failures_of(batches_of(folder)) == []
    writer.end(Kind.RESET, 9)
    published(writer)
    first, last = batches_of(folder)
    assert numbers_of([first, last]) == [1]
    assert failures_of([last]) == [(len(message(1)), "truncated", half)]
    assert (last.provisional, last.end) == (False, len(message(1)) + 20)


def test_segments_begin_with_messages_and_are_ordinary_input(tmp_path):
    data = b"".join(message(number) for number in range(200))
    folder, _ = write(tmp_path, *cut(data, range(0, len(data), 137)), segment=700)
    segments = segments_of(folder)
    assert len(segments) > 10
    assert b"".join(path.read_bytes() for _, path in segments) == data
    assert all(path.read_bytes().startswith(b"8=FIX") for _, path in segments)
    assert [int(path.stem) for _, path in segments] == [start for start, _ in segments]
    files, _ = find_files([f"{tmp_path}/**/*.log"])
    as_files = [
        parse_block(b) for file in files for part in cut_ranges(file, ()) for b in read_blocks(part)
    ]
    assert sorted(numbers_of(as_files)) == numbers_of(batches_of(folder)) == list(range(200))


def test_others_cannot_read_what_peers_have_sent(tmp_path):
    folder, _ = write(tmp_path, message(1))
    assert folder.stat().st_mode & 0o007 == 0
    assert all(path.stat().st_mode & 0o007 == 0 for path in folder.iterdir())


def test_readers_see_nothing_that_is_not_synced(tmp_path):
    folder, writer = write(tmp_path, message(1), ended=False)
    writer.append(message(2), 3)
    assert numbers_of(batches_of(folder)) == [1]
    published(writer)
    assert numbers_of(batches_of(folder)) == [1, 2]


def test_a_full_disk_keeps_what_was_given_until_there_is_room(tmp_path, monkeypatch):
    folder, writer = write(tmp_path, message(1), ended=False)
    room, real = [7, 0], os.pwrite

    def pwrite(file, data, at):
        if not room:
            return real(file, data, at)
        count = room.pop(0)
        if not count:
            raise OSError(28, "No space left on device")
        return real(file, data[:count], at)

    monkeypatch.setattr(os, "pwrite", pwrite)
    with pytest.raises(OSError, match="No space"):
        writer.append(message(2), 2)
    assert writer.unwritten == len(message(2)) - 7
    writer.write()
    room.append(0)
    group = writer.to_sync()
    with pytest.raises(OSError, match="No space"):
        writer.publish(group)
    published(writer)
    assert numbers_of(batches_of(folder)) == [1, 2]
    assert (writer.unwritten, writer.is_written) == (0, True)


# What a gateway that died has left.


def boot(address, text):
    with open(address / "lock", "w") as file:
        file.write(text)


def died(tmp_path, *, same_boot, after=b""):
    """Leave a connection with one message that is published, and more that is not."""
    folder, writer = write(tmp_path, message(1), ended=False)
    writer.append(message(2) + after, 2)
    writer.close()
    if same_boot:
        lock = Lock(folder.parent)
        lock.note_boot()
        lock.release()
    else:
        boot(folder.parent, "another")
    return folder


def test_what_a_killed_gateway_had_written_and_not_named_is_read(tmp_path):
    folder = died(tmp_path, same_boot=True, after=b"8=FIX.4.4\x01")
    said = []
    assert recovered(folder.parent, said.append)
    before = (folder / INDEX).read_bytes()
    batches = batches_of(folder)
    assert numbers_of(batches) == [1, 2]
    assert [raw for *_, raw in failures_of(batches)] == [b"8=FIX.4.4\x01"]
    assert [one.kind for one in records(folder / INDEX)] == [Kind.CHUNK, Kind.CHUNK, Kind.DIED]
    assert recovered(folder.parent, said.append)
    assert ((folder / INDEX).read_bytes(), said) == (before, [])


def test_bytes_that_are_torn_as_the_machine_went_down_are_cut_off_kept_and_told(tmp_path):
    folder = died(tmp_path, same_boot=False)
    said = []
    assert recovered(folder.parent, said.append)
    assert numbers_of(batches_of(folder)) == [1]
    (torn,) = folder.glob("*.torn")
    assert torn.read_bytes() == message(2)
    assert "the last 64 bytes are torn".replace("64", str(len(message(2)))) in said[0]


def test_a_chunk_that_is_not_what_its_record_says_is_torn_with_all_after_it(tmp_path):
    folder, writer = write(tmp_path, message(1), message(2), message(3), ended=False)
    writer.close()
    (_, path), *_ = segments_of(folder)
    data = bytearray(path.read_bytes())
    data[len(message(1)) + 5] ^= 1
    path.write_bytes(data)
    lock = Lock(folder.parent)
    lock.note_boot()
    recover(folder.parent, lock, lambda text: None)
    lock.release()
    assert numbers_of(batches_of(folder)) == [1]
    (torn,) = folder.glob("*.torn")
    assert torn.read_bytes() == bytes(data[len(message(1)) :])


@pytest.mark.parametrize("size", [1, RECORD - 1])
def test_a_record_that_was_written_in_part_is_written_anew(tmp_path, size):
    folder = died(tmp_path, same_boot=True)
    with open(folder / INDEX, "ab") as file:
        file.write(b"x" * size)
    assert recovered(folder.parent, lambda text: None)
    assert numbers_of(batches_of(folder)) == [1, 2]


def test_a_connection_without_an_index_has_its_bytes(tmp_path):
    folder = died(tmp_path, same_boot=True)
    (folder / INDEX).unlink()
    assert recovered(folder.parent, lambda text: None)
    assert numbers_of(batches_of(folder)) == [1, 2]


def test_nothing_is_recovered_while_a_gateway_writes(tmp_path):
    folder = died(tmp_path, same_boot=True)
    lock = Lock(folder.parent)
    assert not recovered(folder.parent, lambda text: None)
    lock.release()
    assert recovered(folder.parent, lambda text: None)


# The feed.


def test_a_feed_reads_what_a_sink_lacks_and_nothing_twice(tmp_path):
    sink = Sink()
    write(tmp_path, message(1), message(2), message(3)[:9])
    write(tmp_path, message(4), name=connection(2))
    drained(tmp_path, sink)
    assert sorted(numbers_of(sink.batches)) == [1, 2, 4]
    assert [raw for *_, raw in failures_of(sink.batches)] == [message(3)[:9]]
    before = len(sink.batches)
    drained(tmp_path, sink)
    assert len(sink.batches) == before
    for key in sink.stretches:
        sink.stretches[key] = [(0, len(message(1)))]
    drained(tmp_path, sink)
    assert numbers_of(sink.batches[before:]) == [2]


def test_a_spool_that_is_not_there_yet_is_waited_for_and_told(tmp_path):
    said, spool_ = [], tmp_path / "spool"
    drained(spool_, Sink(), said=said)
    assert said == [f"there is no folder {spool_} yet: it is waited for until a gateway makes it"]
    spool_.mkdir()
    drained(spool_, Sink(), said=said)
    assert len(said) == 1


def test_a_feed_goes_on_in_the_middle_with_the_version_that_a_logon_named(tmp_path):
    session = [(34, b"1"), (49, b"A"), (56, b"B")]
    logon = encode([(35, b"A"), *session, (1137, b"7")], version="FIXT.1.1")
    order = encode([(35, b"D"), *session, (11, b"x")], version="FIXT.1.1")
    folder, _ = write(tmp_path, logon, order, order)
    batches = batches_of(folder, at=len(logon + order))
    assert [batch.messages["appl_ver_id"].to_pylist() for batch in batches] == [["7"]]


def test_a_feed_ends_the_connections_of_a_gateway_that_died(tmp_path):
    died(tmp_path, same_boot=True, after=b"8=FIX.4.4\x01")
    sink = Sink()
    drained(tmp_path, sink)
    assert numbers_of(sink.batches) == [1, 2]
    assert [raw for *_, raw in failures_of(sink.batches)] == [b"8=FIX.4.4\x01"]


def test_a_feed_reads_what_a_gateway_had_written_that_died_before_it_named_anything(tmp_path):
    folder = tmp_path / ADDRESS / CONNECTION
    SpoolWriter(folder).append(message(1), 2)
    lock = Lock(folder.parent)
    lock.note_boot()
    lock.release()
    sink = Sink()
    drained(tmp_path, sink)
    assert numbers_of(sink.batches) == [1]


def test_what_comes_between_a_look_at_the_index_and_its_reading_is_no_damage(tmp_path):
    data = message(1)
    folder, writer = write(tmp_path, data[:10], ended=False)
    one = SpooledConnection(folder, FIX)
    assert one.has_news()
    writer.append(data[10:20], 2)
    published(writer)
    assert list(one.blocks()) == []
    writer.append(data[20:], 3)
    published(writer)
    assert one.has_news(at_once=True)
    assert [(block.data, block.error) for block in one.blocks()] == [(data, None)]


def test_each_record_of_an_index_is_read_once(tmp_path, monkeypatch):
    taken = []
    monkeypatch.setattr(
        "fixfeed.io.live.index.records",
        lambda *place: (taken.append(one) or one for one in records(*place)),
    )
    folder, writer = write(tmp_path, message(0), ended=False)
    one = SpooledConnection(folder, FIX)
    numbers = []
    for number in range(1, 20):
        assert one.has_news()
        numbers += numbers_of([parsed(FIX, block) for block in one.blocks()])
        for cut in (slice(0, 9), slice(9, None)):
            writer.append(message(number)[cut], number)
        published(writer)
    assert (numbers, len(taken)) == (list(range(19)), 1 + 2 * 18)


def test_a_damaged_index_is_an_error_of_its_connection_alone(tmp_path):
    folder, _ = write(tmp_path, message(1), message(2), message(3))
    write(tmp_path, message(4), name=connection(2))
    data = bytearray((folder / INDEX).read_bytes())
    data[RECORD] ^= 1
    (folder / INDEX).write_bytes(data)
    sink = Sink()
    drained(tmp_path, sink)
    assert sorted(numbers_of(sink.batches)) == [1, 4]
    assert [batch.error for batch in sink.batches if batch.error] == [
        f"{folder}/index is damaged; name {folder}/*.log as an input to read what was received"
    ]


def change(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("lacking", [1, 20, 200])
def test_a_segment_that_is_shorter_than_its_index_says_is_told_and_the_rest_is_read(
    tmp_path, lacking
):
    data = b"".join(message(number) for number in range(100, 120))
    folder, _ = write(tmp_path, *cut(data, range(0, len(data), 50)), segment=300)
    write(tmp_path, message(1), name=connection(2))
    _, (_, path), (end, _), *_ = segments_of(folder)
    whole = path.read_bytes()
    os.truncate(path, len(whole) - lacking)
    sink, said = Sink(), []
    drained(tmp_path, sink, said=said)
    (failure,) = failures_of(batch for batch in sink.batches if batch.error)
    position, reason, raw = failure
    assert reason == "unreadable"
    assert data[position:].startswith(raw)
    assert position + len(raw) == end - lacking
    numbers = numbers_of(sink.batches)
    before = data[:position].count(b"8=FIX")
    assert sorted(numbers) == [
        1,
        *range(100, 100 + before),
        *range(100 + data[:end].count(b"8=FIX"), 120),
    ]
    (told,) = said
    assert f"to {end:,} are not what was received: {lacking:,} of them are not there" in told
    assert [batch.error for batch in sink.batches if batch.error] == [told]
    # It is told again while it is so, and read once the segment is there again.
    drained(tmp_path, Sink(), said=said)
    assert said == [told] * 2
    path.write_bytes(whole)
    other = Sink()
    other.stretches = sink.stretches
    drained(tmp_path, other, said=said)
    assert {*numbers_of(other.batches), *numbers} == {1, *range(100, 120)}
    assert (failures_of(other.batches), len(said)) == ([], 2)


def test_a_chunk_that_is_not_what_was_received_is_a_failure_and_the_rest_is_read(tmp_path):
    data = b"".join(message(number) for number in range(9))
    size = len(message(0))
    places = [2 * size, 3 * size + 7, 4 * size, 7 * size]
    folder, writer = write(tmp_path, *cut(data, places), ended=False)
    (_, path), *_ = segments_of(folder)
    change(path, 3 * size + 9)
    one = SpooledConnection(folder, FIX)
    assert one.has_news()
    batches = [parse_block(block) for block in one.blocks()]
    writer.append(message(9), 1)
    published(writer)
    writer.close()
    assert one.has_news()
    batches += [parse_block(block) for block in one.blocks()]
    assert numbers_of(batches) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    damaged = path.read_bytes()[3 * size : 4 * size]
    assert failures_of(batches) == [(3 * size, "unreadable", damaged)]
    assert [batch.error for batch in batches if batch.error] == [
        f"{folder}: its bytes {3 * size + 7} to {4 * size} are not what was received: their "
        "checksum differs. What is there of them is kept as a failure, and what comes after "
        "them is read. Put back the segment from a copy, or remove the folder"
    ]


@pytest.mark.parametrize("seed", range(4))
def test_every_byte_of_a_damaged_connection_is_in_a_block_once(tmp_path, seed):
    rng = random.Random(seed)
    data = b"".join(message(number, b"x" * rng.randrange(900)) for number in range(300))
    chunks = cut(data, [rng.randrange(len(data)) for _ in range(200)])
    folder, _ = write(tmp_path, *chunks, segment=20_000)
    for _, path in rng.sample(segments_of(folder), 3):
        change(path, rng.randrange(path.stat().st_size))
    there = b"".join(path.read_bytes() for _, path in segments_of(folder))
    one = SpooledConnection(folder, FIX)
    one.has_news()
    blocks = list(one.blocks())
    assert b"".join(block.data for block in blocks) == there
    assert [block.start for block in blocks[1:]] == [block.end for block in blocks[:-1]]
    assert 1 <= sum(block.error is not None for block in blocks) <= 3
    assert one.at == len(data)


def test_a_connection_that_is_removed_while_it_is_read_is_an_error_of_it_alone(tmp_path):
    folder, _ = write(tmp_path, message(1))
    write(tmp_path, message(2), name=connection(2))
    sink, said = Sink(), []
    one = SpoolFeed(
        tmp_path, None, FIX, sink, stop=lambda: False, say=said.append, keep=3600, gather=0
    )
    one._look()
    shutil.rmtree(folder)
    while (block := one.next(0.1)) is not None:
        sink.store(block)
    assert numbers_of(sink.batches) == [2]
    assert said == [f"{folder}: cannot be read on: No such file or directory"]
    assert [reason for _, reason, _ in failures_of(sink.batches)] == ["unreadable"]


# Too long, and too much.


def test_a_message_that_is_too_long_is_kept_in_pieces_and_the_next_one_is_read(tmp_path):
    begin = b"8=FIX.4.4\x019=9223372036854775808\x0135=0\x0158="
    folder, _ = write(tmp_path, message(1), begin + b"x" * 300_000, b"\x01", message(2), message(3))
    batches = batches_of(folder, longest=64 << 10)
    assert numbers_of(batches) == [1, 2, 3]
    assert b"".join(raw for *_, raw in failures_of(batches)).startswith(begin)
    assert {reason for _, reason, _ in failures_of(batches)} <= {"too_long", "repeated_byte"}
    assert batches[-1].end == sum(path.stat().st_size for _, path in segments_of(folder))


def test_a_message_of_many_chunks_is_one(tmp_path):
    text = b"x" * 40_000
    data = message(1, text)
    chunks = [data[at : at + 1] for at in range(len(data))]
    folder, _ = write(tmp_path, *chunks, message(2))
    batches = batches_of(folder)
    assert numbers_of(batches) == [1, 2]


# What is removed.


def test_a_connection_is_removed_once_every_sink_has_all_of_it(tmp_path):
    folder, _ = write(tmp_path, message(1), message(2))
    half, whole = len(message(1)), len(message(1) + message(2))
    assert not remove_connection(folder, [(0, half)])
    assert remove_connection(folder, [(0, whole)])
    assert list(folder.parent.iterdir()) == []


def test_what_another_job_removes_at_the_same_time_is_gone(tmp_path, monkeypatch):
    folder, _ = write(tmp_path, message(1))
    assert remove_connection(folder, [(0, len(message(1)))])
    assert remove_connection(folder, [(0, len(message(1)))])
    remove_segments(folder, [], before=1 << 62)
    assert not is_long(folder)
    # One that goes between two looks of a job that lacks it.
    folder, _ = write(tmp_path, message(1))
    write(tmp_path, message(2), name=connection(2))
    start_at = SpooledConnection.start_at

    def removed(one, position):
        if one.folder == folder:
            shutil.rmtree(folder)
        return start_at(one, position)

    monkeypatch.setattr(SpooledConnection, "start_at", removed)
    sink, said = Sink(), []
    drained(tmp_path, sink, said=said)
    assert numbers_of(sink.batches) == [2]
    assert said == [f"{folder}: cannot be read on: No such file or directory"]


def test_what_does_not_belong_to_a_spool_is_left_alone(tmp_path):
    folder, _ = write(tmp_path, message(1))
    foreign = [
        folder / "notes.log",
        folder / "1.log",
        tmp_path / "tcp-x-1",
        folder.parent / connection(1),
        tmp_path / "notes",
    ]
    for path in foreign:
        path.write_text("x")
    sink, said = Sink(), []
    drained(tmp_path, sink, said=said)
    assert (numbers_of(sink.batches), said) == ([1], [])
    lock = Lock(folder.parent)
    recover(folder.parent, lock, said.append)
    lock.release()
    assert said == []
    assert all(path.read_text() == "x" for path in foreign)


def test_what_cannot_be_removed_or_ended_is_told_once(tmp_path, monkeypatch):
    write(tmp_path, message(1))
    write(tmp_path, message(2), ended=False, name=connection(2))

    def fails(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(feed, "remove_connection", fails)
    monkeypatch.setattr(feed, "recovered", fails)
    monkeypatch.setattr(feed, "_CARE", 0)
    sink, said = Sink(), []
    drained(tmp_path, sink, said=said, keep=0.01)
    assert sorted(numbers_of(sink.batches)) == [1, 2]
    assert sorted(said) == [
        f"{tmp_path / ADDRESS}: its connections cannot be ended: [Errno 13] Permission denied",
        f"{tmp_path}: what is stored cannot be removed: [Errno 13] Permission denied",
    ]


def test_of_a_connection_that_lasts_the_first_segment_and_what_is_read_from_stays(tmp_path):
    data = b"".join(message(number) for number in range(400))
    folder, writer = write(
        tmp_path, *cut(data, range(0, len(data), 100)), ended=False, segment=2000
    )
    segments = segments_of(folder)
    done = segments[4][0]
    remove_segments(folder, [(0, done)], before=0)
    assert segments_of(folder) == segments
    remove_segments(folder, [(0, done)], before=1 << 62)
    assert segments_of(folder) == [segments[0], *segments[2:]]
    batches = batches_of(folder, at=done)
    assert numbers_of(batches) == list(range(400))[-data[done:].count(b"8=FIX") :]
    assert batches[0].start == done
    writer.close()


def test_the_feed_removes_what_is_stored_and_old_enough(tmp_path):
    folder, _ = write(tmp_path, message(1))
    sink = Sink()
    drained(tmp_path, sink)
    assert folder.exists()
    drained(tmp_path, sink, keep=0.05)
    assert not folder.exists()


def test_bytes_that_a_sink_lacks_and_that_were_removed_are_told(tmp_path):
    data = b"".join(message(number) for number in range(400))
    folder, _ = write(tmp_path, *cut(data, range(0, len(data), 100)), segment=2000)
    segments = segments_of(folder)
    segments[1][1].unlink()
    sink, said = Sink(), []
    sink.stretches[source_of(folder).key] = [(0, segments[1][0])]
    drained(tmp_path, sink, said=said)
    assert f"lacks its bytes {segments[1][0]:,} to {segments[2][0]:,}" in said[0]
    assert numbers_of(sink.batches)[-1] == 399
    assert sink.batches[0].start == segments[2][0]
