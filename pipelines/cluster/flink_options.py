"""Options of Beam for Flink: those that no job can have are refused, others are filled in."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    PipelineOptions,
    PortableOptions,
)
from apache_beam.options.pipeline_options_validator import PipelineOptionsValidator

from fixfeed.io.redaction import redact
from fixfeed.pipelines.option import UsageError
from fixfeed.transforms.nearest import did_you_mean

__all__ = ["check_flink_options", "check_flink_version", "fill_in_flink_options"]

_TYPES = ("EXTERNAL", "PROCESS", "DOCKER")
_POOL = "localhost:50000"
_NOT_SET = -1  # as Beam has it
_MOST = 1 << 15  # Flink's own limit of parts that state is kept in


def check_flink_options(options: PipelineOptions) -> None:
    """Raise `UsageError` for how many parts, or what kind of workers, no job can have."""
    of_flink, portable = options.view_as(FlinkRunnerOptions), options.view_as(PortableOptions)
    for name in ("parallelism", "max_parallelism"):
        number = getattr(of_flink, name)
        if number != _NOT_SET and not 1 <= number <= _MOST:
            raise UsageError(
                f"--{name} {number}: expected a number from 1 to {_MOST:,}; without --parallelism "
                "a job takes the slots of the cluster that are free"
            )
    processes = str(portable.sdk_worker_parallelism)
    if not (processes.isascii() and processes.isdigit()):
        raise UsageError(
            f"--sdk_worker_parallelism {processes}: expected how many processes a TaskManager has, "
            "0 or more; without it, it has one for each slot"
        )
    if portable.environment_type:
        _check_environment(options, portable)


def _check_environment(options: PipelineOptions, portable: PortableOptions) -> None:
    kind = portable.environment_type
    if kind == "LOOPBACK":
        raise UsageError(
            "--environment_type LOOPBACK has this process do the work of all the cluster: leave "
            "out --runner, which has the cores of this machine do it, or leave it out, and start "
            "fixfeed worker-pool beside each TaskManager"
        )
    if kind not in _TYPES and not kind.startswith("beam:env:"):
        raise UsageError(
            f"--environment_type {kind}: expected one of {', '.join(_TYPES)}"
            f"{did_you_mean(kind.upper(), _TYPES)}"
        )
    config = portable.environment_config or ""
    wrong = PipelineOptionsValidator(options, None).validate_environment_options(portable)
    why = wrong[0] if wrong else _why_not_json(kind, config)
    if why:
        given = f"--environment_config {redact(config)}" if config else "no --environment_config"
        raise UsageError(
            f"--environment_type {kind} does not go with {given}: "
            f"{why}; leave out both, and start fixfeed worker-pool beside each TaskManager"
        )


def _why_not_json(kind: str, config: str) -> str:
    """Return why a configuration is not what this kind of workers needs as JSON, `` if it is."""
    if not config or not (kind == "PROCESS" or config.startswith("{")):
        return ""
    try:
        has = json.loads(config)
    except ValueError as error:
        return f"it is no JSON ({error})"
    needs = {"PROCESS": "command", "EXTERNAL": "url"}.get(kind)
    return "" if needs is None or (isinstance(has, dict) and has.get(needs)) else f"no {needs!r}"


def check_flink_version(options: PipelineOptions, cluster: str, *, given: bool) -> None:
    """Have Beam fetch the job server for the version that a cluster has, as `1.19.3`.

    Raises `UsageError` if another one was `given`, or Beam has none for that version. A job server
    that is named by its file is not fetched.
    """
    of_flink = options.view_as(FlinkRunnerOptions)
    if of_flink.flink_job_server_jar:
        return
    there = ".".join(cluster.split(".")[:2])
    if given and of_flink.flink_version != there:
        raise UsageError(
            f"the cluster is of Flink {cluster}, and --flink_version names "
            f"{of_flink.flink_version}: leave it out, or write --flink_version {there}"
        )
    if there not in of_flink.PUBLISHED_FLINK_VERSIONS:
        raise UsageError(
            f"the cluster is of Flink {cluster}, and Beam has job servers for "
            f"{', '.join(of_flink.PUBLISHED_FLINK_VERSIONS)}: name one for {there} with "
            "--flink_job_server_jar"
        )
    of_flink.flink_version = there


def fill_in_flink_options(
    options: PipelineOptions, there: Mapping[str, Any], given: Collection[str]
) -> None:
    """Have the job take all free slots, with a process for each, and workers of pools.

    `there` is what the cluster has (`Flink.overview`). What was `given` stays.
    """
    of_flink, portable = options.view_as(FlinkRunnerOptions), options.view_as(PortableOptions)
    if of_flink.parallelism == _NOT_SET and there["slots-available"]:
        of_flink.parallelism = there["slots-available"]
    if not portable.environment_type:
        portable.environment_type = "EXTERNAL"
        portable.environment_config = portable.environment_config or _POOL
    if "--sdk_worker_parallelism" not in given and there["taskmanagers"]:
        portable.sdk_worker_parallelism = there["slots-total"] // there["taskmanagers"]
