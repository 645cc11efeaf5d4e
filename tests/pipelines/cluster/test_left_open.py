"""A run that a kill or trouble has ended is closed with what its job had committed in the end."""

from types import SimpleNamespace

import pytest

from fixfeed.io.ledger.source import Source
from fixfeed.io.sql.open import open_store
from fixfeed.pipelines.cluster.flink import FlinkJob
from fixfeed.pipelines.cluster.left_open import close_left_open
from fixfeed.pipelines.cluster.on_cluster import OnCluster
from fixfeed.pipelines.cluster.trouble import ClusterFailed
from fixfeed.pipelines.opening import ended_by_trouble
from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.parser import parse_block
from tests.transforms.fix.messages import encode

MESSAGE = encode([(35, b"0"), (49, b"A"), (56, b"B")])


@pytest.fixture
def store(tmp_path):
    """A database with a run on a cluster that has stored two messages, and one of this machine."""
    uri = f"sqlite:///{tmp_path}/a.db"
    store = open_store(uri, counted_for="killed")
    store.prepare()
    store.keep_counts()
    store.begin_run("1", {"cluster": {"run": "killed", "master": "m", "job": "fixfeed-killed"}})
    store.begin_run("1", {"rules": "of this machine"})
    source = store.register([Source("k", "file", "day.log")], rules="r")["k"].source_id
    assert source == 1
    write(store, 0)
    yield store
    store.close()


def write(store, start):
    batch = parse_block(Block("k", start, MESSAGE * 2))
    store.write([(1, batch)], rules="r", replace=False)


def ended(store):
    return store.query("select run_id, ended, counts from runs order by run_id")


def test_a_run_is_left_open_while_its_job_runs(store):
    before = ended(store)
    job = FlinkJob("1", "RUNNING", name="fixfeed-killed")
    cluster = SimpleNamespace(run="mine", is_over=lambda _: False, running=lambda _: [job])
    assert close_left_open({"a": store, "b": store}, cluster) == [job]
    assert ended(store) == before
    assert store.counted("killed")


def test_a_run_is_closed_with_its_counts_once_its_job_is_over(store):
    asked = []
    cluster = SimpleNamespace(run="mine", is_over=lambda about: not asked.append(about["job"]))
    close_left_open({"a": store}, cluster)
    (_, how, counts), (_, other, _) = ended(store)
    assert asked == ["fixfeed-killed"]
    assert how.startswith("its process was killed")
    assert '"stored":2' in counts
    assert other is None
    assert store.counted("killed") == {}


def test_what_workers_commit_after_the_end_of_a_run_is_added_by_the_next_one(store):
    cluster = SimpleNamespace(run="mine", is_over=lambda _: True)
    close_left_open({"a": store}, cluster)
    how = ended(store)[0][1]
    write(store, 2 * len(MESSAGE))
    close_left_open({"a": store}, cluster)
    assert [row[1] for row in ended(store)] == [how, None]
    assert '"stored":4' in ended(store)[0][2]
    assert store.left_open() == []


@pytest.mark.parametrize("job", ["is over", "goes on", "is unknown"])
def test_trouble_ends_a_run_with_what_its_job_has_committed_unless_that_may_go_on(
    job, store, tmp_path
):
    def is_over(_about):
        if job == "is unknown":
            raise ClusterFailed("Flink does not answer")
        return job == "is over"

    reading = OnCluster.__new__(OnCluster)
    reading.about, reading._cluster = {}, SimpleNamespace(run="killed", is_over=is_over)
    sink = SimpleNamespace(name="db", ledger=lambda: open_store(f"sqlite:///{tmp_path}/a.db"))
    before = ended(store)
    told = ended_by_trouble(SimpleNamespace(sinks=[sink]), {"db": 1}, reading)
    with pytest.raises(ClusterFailed, match="the job failed"), told:
        raise ClusterFailed("the job failed")
    if job != "is over":
        assert ended(store) == before
        assert store.counted("killed")
        return
    assert ended(store)[0][1] == "the job failed"
    assert '"stored":2' in ended(store)[0][2]
    assert ended(store)[1] == before[1]
    assert store.counted("killed") == {}


def test_a_run_does_not_close_itself(store):
    before = ended(store)
    close_left_open({"a": store}, SimpleNamespace(run="killed", is_over=lambda _: True))
    assert ended(store) == before
