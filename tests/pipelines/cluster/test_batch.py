"""A batch job on a cluster goes on where the connections of its command do not."""

from contextlib import closing

import psycopg2

from fixfeed.io.ledger.counts import Counts
from fixfeed.pipelines import batch, metrics
from fixfeed.pipelines.cluster.committed import committed
from tests.pipelines.jobs import fixfeed
from tests.transforms.fix.messages import encode

OTHERS = (
    "select count(pg_terminate_backend(pid)) from pg_stat_activity"
    " where datname = current_database() and pid <> pg_backend_pid()"
)


class Cluster:
    """A cluster whose job stores nothing, and during which the database is started anew."""

    def __init__(self, job, _folder):
        self.about = {"run": "r", "master": "m", "job": "j"}
        self.sinks, self.watch = job.sinks, job.watch

    def begin(self, ledgers):
        for ledger in ledgers.values():
            ledger.keep_counts()

    def read(self, _plan):
        with closing(psycopg2.connect(self.sinks[0].name)) as connection:
            cursor = connection.cursor()
            cursor.execute(OTHERS)
            assert cursor.fetchone() == (1,)

    def tally(self, _ledgers, _plan):
        return metrics.Tally({sink.name: Counts(read=1, stored=1) for sink in self.sinks}, [], {})

    def counted(self, _name, _store):
        return Counts()

    def end(self, _ledgers):
        pass

    def close(self):
        pass


def test_a_job_that_outlives_a_server_that_was_away_is_done(
    postgresql, tmp_path, monkeypatch, select
):
    (tmp_path / "a.log").write_bytes(encode([(35, b"0"), (49, b"A"), (56, b"B")]))
    monkeypatch.setattr(batch, "OnCluster", Cluster)
    arguments = ["--runner", "FlinkRunner", "--flink_master", "h:1", "--output", postgresql]
    found = fixfeed("--input", f"{tmp_path}/a.log", *arguments)
    assert found["ended"] == "done"
    assert select(postgresql, "select counts ->> 'stored', ended from runs") == [("1", "done")]


def test_a_signal_before_anything_is_planned_ends_the_run_as_any_other_time(
    postgresql, tmp_path, monkeypatch
):
    class Stopped(Cluster):
        """A cluster that a signal to stop overtakes."""

        def begin(self, ledgers):
            super().begin(ledgers)
            self.watch.stop.set()

        def tally(self, ledgers, plan):
            return committed("r", ledgers, plan.sources)

    (tmp_path / "a.log").write_bytes(encode([(35, b"0"), (49, b"A"), (56, b"B")]))
    monkeypatch.setattr(batch, "OnCluster", Stopped)
    arguments = ["--runner", "FlinkRunner", "--flink_master", "h:1", "--output", postgresql]
    found = fixfeed("--input", f"{tmp_path}/a.log", *arguments, expected=5)
    assert found["ended"].startswith("stopped")
