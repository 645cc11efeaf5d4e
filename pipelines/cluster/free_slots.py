"""Whether a cluster has the slots that a job asks for, and what holds them if it has not."""

from collections.abc import Callable, Sequence

from fixfeed.io.redaction import redact
from fixfeed.pipelines.cluster.flink import Flink, FlinkJob
from fixfeed.pipelines.cluster.trouble import ClusterFailed

__all__ = ["check_free_slots", "why_no_slots"]


def check_free_slots(
    flink: Flink, asked: int, others: Sequence[FlinkJob], say: Callable[[str], None]
) -> None:
    """Say what a job that asks for so many slots has to wait for, before it is submitted.

    `others` are jobs of other commands into the same databases that run. Whether their commands
    live is known to people alone. Raises `ClusterFailed` if slots are lacking and one of them holds
    some: one whose command was killed would hold them for ever. A cluster that starts TaskManagers
    itself lacks none.
    """
    there = flink.slots()
    if there is None:
        return
    lacking = asked > there.free and not flink.starts_task_managers()
    place = redact(flink.master)
    needs = f"the job asks for {_slots(asked)}, and the cluster at {place} has {there}"
    # Those that end give back their slots by themselves.
    holding = [one for one in others if not one.ends]
    if holding and lacking:
        fewer = ", or ask for fewer slots with --parallelism" if there.free else ""
        raise ClusterFailed(
            f"{needs}; {_of_others(holding, 'holds slots', 'hold slots')}, also if its command is "
            f"gone: then {_to_end(flink, holding)}, else wait until it ends{fewer}; after that the "
            "same command goes on"
        )
    if holding:
        say(
            f"{_of_others(holding, 'runs', 'run')} on the cluster at {place}; if its command is "
            f"gone, {_to_end(flink, holding)}"
        )
    if lacking:
        say(
            f"{needs}{_on_it(flink)}: it waits for more, and Flink fails it if they do not come in "
            "time (slot.request.timeout, five minutes unless set)"
        )


def why_no_slots(flink: Flink, asked: int) -> str:
    """Return why a job that asked for so many slots has failed: it did not get them in time."""
    return (
        f"it did not get the {_slots(asked)} that it asks for; the cluster has "
        f"{flink.slots() or 'not said how many it has'}{_on_it(flink)}"
    )


def _on_it(flink: Flink) -> str:
    try:
        others = ", ".join(one.name for one in flink.running() if not one.ends)
    except ClusterFailed:
        return ""
    return f" ({others} on it)" if others else ""


def _slots(number: int) -> str:
    return f"{number} slot{'' if number == 1 else 's'}"


def _of_others(jobs: Sequence[FlinkJob], it_does: str, they_do: str) -> str:
    names = " and ".join(one.name for one in jobs)
    if len(jobs) == 1:
        return f"{names}, the job of another command into the same database, {it_does}"
    return f"{names}, each the job of another command into the same database, {they_do}"


def _to_end(flink: Flink, jobs: Sequence[FlinkJob]) -> str:
    ways = " and ".join(f"`{flink.how_to_cancel(one.id)}`" for one in jobs)
    return f"end the job with {ways} (or flink cancel)"
