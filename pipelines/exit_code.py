"""The exit code of a run that has a summary, and the reason for it on standard error."""

from fixfeed.pipelines.endings import (
    DONE,
    NOTHING_READ,
    OWN_ERROR,
    STOPPED,
    TOO_MANY_FAILURES,
    UNREAD,
)
from fixfeed.pipelines.job import Job
from fixfeed.pipelines.summary import Summary

__all__ = ["settle"]


def settle(job: Job, summary: Summary) -> None:
    """Set the exit code of a summary, and say why; scripts may not show the summary.

    A stream ends well when it is stopped.
    """
    summary.exit_code = code = _code_of(job, summary)
    why = {
        OWN_ERROR: "the counts do not add up; this is an error of fixfeed's own",
        UNREAD: f"not read whole: {'; '.join(summary.unreadable[:3])}",
        TOO_MANY_FAILURES: f"{summary.failures:,} failures, and --max-failures allows "
        f"{job.settings.max_failures}; fixfeed failures shows them",
        NOTHING_READ: "nothing, or almost nothing, was read as FIX; see the notes",
    }
    if code in why:
        job.say(why[code])


def _code_of(job: Job, summary: Summary) -> int:
    if not summary.adds_up:
        return OWN_ERROR
    if summary.stopped and not job.stream:
        return STOPPED
    if summary.unreadable:
        return UNREAD
    most = job.settings.max_failures
    if most is not None and summary.failures > most:
        return TOO_MANY_FAILURES
    return NOTHING_READ if summary.nothing_read else DONE
