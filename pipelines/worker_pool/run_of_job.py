"""How the workers of a job know its run: an experiment, which runners pass on as it is."""

from collections.abc import Iterable

__all__ = ["experiment", "run_in"]

_NAME = "fixfeed_run="


def experiment(run: str) -> str:
    """Return the value of `--experiments` that names a run.

    >>> run_in(["use_sdf", experiment("4f1c")])
    '4f1c'
    """
    return f"{_NAME}{run}"


def run_in(experiments: Iterable[str]) -> str:
    """Return the run that the experiments of a job name, `` if they name none."""
    found = (one.removeprefix(_NAME) for one in experiments if one.startswith(_NAME))
    return next(found, "")
