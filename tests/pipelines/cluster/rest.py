"""A cluster that answers as Flink's REST interface does."""

from fixfeed.pipelines.cluster.flink import Flink


class Answers(Flink):
    """A cluster of so many slots, so many of them free, and with these jobs (`job`).

    `configuration` is what its JobManager has beside.
    """

    def __init__(self, *jobs, total=4, free=4, configuration=None):
        super().__init__("h:8081")
        self._jobs, self._slots = jobs, {"slots-total": total, "slots-available": free}
        self._configuration = configuration or {}

    def _ask(self, path):
        if path == "/jobs/overview":
            return {"jobs": self._jobs}
        if path == "/overview":
            return {"taskmanagers": 2, "flink-version": "1.19.3", **self._slots}
        if path == "/jobmanager/config":
            return [{"key": key, "value": value} for key, value in self._configuration.items()]
        if "/metrics?" in path:
            return [{"id": "numRestarts", "value": "0"}]
        assert "/exceptions?" in path
        return {"exceptionHistory": {"entries": []}}


def job(number, state="RUNNING", **tasks):
    """Return a job, as the overview of all has it, with so many tasks in each state."""
    return {
        "jid": f"{number:032x}",
        "name": f"fixfeed-{number}",
        "state": state,
        "start-time": 1_800_000_000_000,
        "tasks": {"running": 0, "scheduled": 0, **tasks},
    }
