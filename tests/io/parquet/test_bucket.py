"""A lake in a bucket is the one that a local folder would be, whatever is killed or away."""

import dataclasses
import threading
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from obstore.store import MemoryStore

from fixfeed.io.ledger.ledger import SinkError, SinkFailed, merged
from fixfeed.io.parquet import bucket, lease
from fixfeed.io.parquet.failures import read_failures
from fixfeed.io.parquet.ledger import ParquetLedger
from fixfeed.io.parquet.objects import Objects
from fixfeed.io.parquet.storage import ASIDE
from fixfeed.io.parquet.views import write_views
from fixfeed.io.parquet.writer import ParquetWriter
from fixfeed.transforms.codes import Code
from fixfeed.transforms.fix.protocol import FIX
from tests.io.parquet.test_sink import (
    BORDERS,
    LOG,
    batch,
    claim,
    content,
    finish,
    opened,
    register,
    rows_of,
    source,
    write,
)

PLACE = "s3://bucket/lake/"


class Killed(BaseException):
    """A process is dead from here on: all that it does to the bucket fails."""


@dataclasses.dataclass
class Steps:
    """What changes a bucket in memory: one of the calls fails, before it has worked or after."""

    number: float = float("inf")
    after: bool = False
    error: type[BaseException] = Killed
    done: int = 0

    def failing(self, number, *, error=Killed, after=False):
        self.number, self.error, self.after, self.done = number, error, after, 0

    def call(self, function, arguments):
        self.done += 1
        fails = self.done > self.number if self.error is Killed else self.done == self.number + 1
        if fails and not self.after:
            raise self.failed()
        result = function(*arguments)
        if fails:
            raise self.failed()
        return result

    def failed(self):
        return Killed() if self.error is Killed else SinkFailed("the server is away", away=True)


@pytest.fixture
def steps(monkeypatch):
    """A bucket in memory, at `PLACE`; a lock is free as soon as nobody alive can hold it."""
    store, steps = MemoryStore(), Steps()
    monkeypatch.setattr(Objects, "_store", store)
    for name in ("create", "update", "put", "copy", "delete"):
        function = getattr(Objects, name)
        monkeypatch.setattr(
            Objects, name, lambda *given, function=function: steps.call(function, given)
        )
    monkeypatch.setattr(lease, "_SUSPECT", -1.0)
    monkeypatch.setattr(lease.Lease, "_is_over", lambda self, found: True)
    return steps


@pytest.fixture
def fetched(tmp_path):
    """Return what copies the bucket to a new local folder, as `aws s3 sync` does."""

    def fetched():
        folder = tmp_path / f"fetched-{time.monotonic_ns()}"
        (folder / "_fixfeed" / "commits").mkdir(parents=True)
        objects = Objects(PLACE)
        for place, *_ in list(objects.list("")):
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            (folder / place).write_bytes(objects.get(place).content)
        return folder

    return fetched


def story(place):
    """Store a log with an unfinished end, which is finished then, and half of it anew."""
    register(place, "old")
    write(place, batch(0, BORDERS[20]), rules="old")
    write(place, batch(BORDERS[20], BORDERS[20] + 9, provisional=True), rules="old")
    write(place, batch(BORDERS[20], len(LOG)), rules="old")
    claim(place, "new")
    half = batch(0, BORDERS[11])
    half = half.only(pa.array([row >= 2 for row in range(half.messages.num_rows)]))
    write(place, half, rules="new", replace=True)
    finish(place, "7:end")


def files(folder):
    """Return the rows of each file of a lake by its name without what is made by chance."""
    found = {}
    for path in folder.rglob("*.parquet"):
        name = str(path.relative_to(folder).with_suffix(""))
        name = name if name.startswith("codes") else name.rpartition("-")[0]
        assert name not in found
        found[name] = pq.ParquetFile(path).read().to_pylist()
    return found


@pytest.mark.usefixtures("steps")
def test_it_has_the_files_rows_and_progress_of_a_local_lake(tmp_path, fetched):
    story(tmp_path / "local")
    story(PLACE)
    there = fetched()
    assert files(there) == files(tmp_path / "local")
    assert content(there) == content(tmp_path / "local")
    own = {str(path.relative_to(there / "_fixfeed")) for path in (there / "_fixfeed").rglob("*")}
    assert own == {"commits", "lock", "sources.json", "messages.schema"}
    assert list(read_failures(PLACE)) == list(read_failures(str(tmp_path / "local")))


@pytest.fixture
def few_codes(monkeypatch):
    """Thousands of codes would take most of the time where much is done again and again."""
    table = dataclasses.replace(FIX.table, codes=lambda: [Code("Side", "1", "Buy")])
    monkeypatch.setattr(ParquetLedger, "table", table)


@pytest.fixture
def begun(steps, few_codes, monkeypatch):
    """Return what makes the bucket anew, as it is before a run that stores or replaces."""
    found = {}

    def begun(kind):
        monkeypatch.setattr(Objects, "_store", MemoryStore())
        steps.failing(float("inf"))
        objects = Objects(PLACE)
        if not found and kind == "replace":
            begin()
            found.update((place, objects.get(place).content) for place, *_ in objects.list(""))
        for place, content_of_it in found.items():
            objects.put(place, content_of_it)

    return begun


FEW = {"partition_by": ("msg_type",)}  # files, as most of the time goes into them


def begin():
    register(PLACE)
    write(PLACE, batch(0, BORDERS[20]), rules="old", **FEW)
    write(PLACE, batch(BORDERS[20], BORDERS[20] + 9, provisional=True), rules="old", **FEW)
    claim(PLACE, "r")


def a_run(kind):
    register(PLACE)
    write(PLACE, batch(0, BORDERS[12]), rules="r", replace=kind == "replace", **FEW)
    finish(PLACE)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    place = tmp_path_factory.mktemp("whole") / "lake"
    register(place)
    write(place, batch(0, len(LOG)))
    return content(place)


@pytest.mark.parametrize(("kind", "number"), [("new", 0), ("replace", 1)])
def test_the_next_run_completes_what_a_kill_interrupted(steps, begun, fetched, whole, kind, number):
    """Each third step: one has hardly anything that the next lacks, and each takes its time."""
    while True:
        begun(kind)
        steps.failing(number)
        try:
            a_run(kind)
        except Killed:
            steps.failing(float("inf"))
        else:
            break
        # A reader finds only whole files, and no message in two of them.
        ids = [number for (number,) in rows_of(fetched(), "messages", ["message_id"])]
        assert len(ids) == len(set(ids))
        assert set(ids) <= {row[0] for row in whole[0]}
        prepared = ParquetLedger(PLACE)
        prepared.prepare()
        prepared.register([source()], rules="r")
        ids = [number for (number,) in rows_of(fetched(), "messages", ["message_id"])]
        stored = merged((row[1], row[2]) for row in prepared.done().get(1, ()))
        expected = sum(start <= BORDERS[n] < end for start, end in stored for n in range(30))
        assert len(ids) == len(set(ids)) == expected, number
        write(PLACE, batch(0, len(LOG)), rules="r", replace=kind == "replace", **FEW)
        prepared.finish({1: ""})
        prepared.close()
        assert content(fetched())[:2] == whole[:2], number
        number += 3
    assert number > 25


def test_a_server_that_is_away_at_any_step_has_each_message_once(steps, begun, fetched, whole):
    """As a stream does it: what has failed is closed and begun again, in the same process."""
    number = taken = 0
    while number <= taken:
        begun("replace")
        writer = ParquetWriter(PLACE, **FEW)
        steps.failing(number, error=SinkFailed, after=bool(number % 2))  # has it worked, or not
        for part in (batch(0, BORDERS[12]), batch(BORDERS[12], len(LOG))):
            for _ in range(3):
                try:
                    writer.prepare()
                    writer.register([source()], rules="r")
                    writer.write([(1, part)], rules="r", replace=True)
                    break
                except SinkFailed:
                    writer.close()
        taken = steps.done
        steps.failing(float("inf"))
        writer.finish({1: ""})
        writer.close()
        assert content(fetched())[:2] == whole[:2], number
        number += 5
    assert taken > 60


def interrupted(monkeypatch, writer, work):
    """Have `work` done while the files of a writer's first commit are being written."""
    write_files, done = writer._write_files, []

    def wrapped(commit):
        if not done:
            done.append(None)
            work()
        write_files(commit)

    monkeypatch.setattr(writer, "_write_files", wrapped)


@pytest.mark.usefixtures("steps")
def test_rows_stored_by_another_writer_meanwhile_are_left_out(fetched, whole, monkeypatch):
    register(PLACE)
    writer = opened(PLACE)
    interrupted(monkeypatch, writer, lambda: write(PLACE, batch(BORDERS[3], BORDERS[9])))
    assert writer.write([(1, batch(0, len(LOG)))], rules="r", replace=False) == [24]
    writer.close()
    finish(PLACE)
    assert content(fetched()) == whole
    assert not (fetched() / "_fixfeed" / "inprogress").exists()


@pytest.mark.usefixtures("steps")
@pytest.mark.parametrize("settled", [False, True])
def test_a_process_that_had_stopped_and_lost_its_lock_decides_nothing(
    fetched, whole, monkeypatch, settled
):
    """It holds the lock when it stops; others commit, and it goes on where it was."""
    register(PLACE)
    writer = opened(PLACE)
    writer.keep_codes = lambda codes: None
    commit = writer.commit

    def stopped(*given, **options):
        writer.storage._lease._done.set()  # its thread has stopped, too
        others = threading.Thread(target=others_work)
        others.start()
        others.join()
        commit(*given, **options)

    def others_work():
        assert write(PLACE, batch(0, BORDERS[9])) == [9]
        if settled:  # then their manifest is gone, and so its number seems to be free
            finish(PLACE)

    monkeypatch.setattr(writer, "commit", stopped)
    with pytest.raises(SinkFailed, match="run it again: what is committed stays") as raised:
        writer.write([(1, batch(0, len(LOG)))], rules="r", replace=False)
    assert raised.value.away
    writer.close()
    assert write(PLACE, batch(0, len(LOG))) == [21]
    finish(PLACE)
    assert content(fetched()) == whole


@pytest.mark.usefixtures("steps")
def test_state_that_another_job_has_changed_is_not_written_over():
    register(PLACE)
    one = ParquetLedger(PLACE)
    with pytest.raises(SinkFailed, match=r"sources.json was put by another job"), one.changing():
        register(PLACE, one=source("file:other", "other.log"))
    assert [each["name"] for each in one.load()["sources"]] == ["day.log", "other.log"]


@pytest.mark.usefixtures("steps")
def test_a_lock_that_was_not_put_anew_for_long_does_nothing_more(monkeypatch):
    register(PLACE)
    writer = opened(PLACE)
    monkeypatch.setattr(lease, "SECONDS", 0.0)
    with pytest.raises(SinkFailed, match="was away from it for so long") as raised:
        writer.write([(1, batch(0, len(LOG)))], rules="r", replace=False)
    assert raised.value.away


@pytest.mark.usefixtures("steps")
def test_files_that_dead_writers_left_are_removed_once_they_are_old(fetched, monkeypatch):
    register(PLACE)
    objects = Objects(PLACE)
    objects.put("_fixfeed/inprogress/left.inprogress", b"half")
    register(PLACE)
    assert objects.get("_fixfeed/inprogress/left.inprogress")
    monkeypatch.setattr(bucket, "_LEFT", bucket._LEFT * 0)
    register(PLACE)
    assert not (fetched() / "_fixfeed" / "inprogress").exists()


@pytest.mark.usefixtures("steps")
def test_a_commit_whose_files_were_removed_as_old_ones_is_not_made(fetched, whole, monkeypatch):
    register(PLACE)
    writer = opened(PLACE)
    commit = writer.commit

    def removed(*given, **options):
        objects = Objects(PLACE)
        objects.delete([place for place, *_ in objects.list("_fixfeed/inprogress")][:1])
        commit(*given, **options)

    monkeypatch.setattr(writer, "commit", removed)
    with pytest.raises(SinkFailed, match="what it had prepared was removed"):
        writer.write([(1, batch(0, len(LOG)))], rules="r", replace=False)
    writer.close()
    write(PLACE, batch(0, len(LOG)))
    finish(PLACE)
    assert content(fetched()) == whole


@pytest.mark.usefixtures("steps", "few_codes")
def test_a_commit_lists_the_files_of_commits_to_come_once(monkeypatch):
    register(PLACE)
    writer, listed = opened(PLACE), []
    of_all = Objects.list

    def noted(objects, folder, after=""):
        listed.append(folder)
        return of_all(objects, folder, after)

    monkeypatch.setattr(Objects, "list", noted)
    writer.write([(1, batch(0, len(LOG)))], rules="r", replace=False)
    writer.close()
    assert listed.count(ASIDE) == 1


def test_places_that_are_no_folder_of_a_bucket_are_named(monkeypatch):
    with pytest.raises(SinkError, match="names no bucket: write gs://bucket/lake/"):
        ParquetLedger("gs:///lake")
    with pytest.raises(SinkError, match="'s3://buc ket/lake' names no bucket"):
        ParquetLedger("s3://buc ket/lake")
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "localhost:9000")
        with pytest.raises(SinkError, match=r"AWS_ENDPOINT_URL is 'localhost:9000': expected the"):
            ParquetLedger(PLACE)
    with pytest.raises(SinkError, match=r"'s3://u:\*\*\*@b/x' has more than a bucket before"):
        ParquetLedger("s3://u:hunter2@b/x")
    with pytest.raises(SinkError, match="a DuckDB file has views of local lakes only"):
        write_views(PLACE, None)
    monkeypatch.setitem(__import__("sys").modules, "obstore", None)
    with pytest.raises(SinkError, match=r"s3://b/x needs another package: .*fixfeed\[aws\]"):
        ParquetLedger("s3://b/x")
