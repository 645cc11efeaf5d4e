"""Finds what Beam or Flink refuse of the options of a job before its run begins.

Some values are checked only by Flink's own classes, when a job server makes a job of a graph, as
that a checkpointing interval is 10 ms at least. So a graph of one step is submitted with the same
options, to a stand-in for the cluster that never answers: the job is refused, or Flink connects.
"""

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import apache_beam as beam
import grpc
from apache_beam.options.pipeline_options import FlinkRunnerOptions, PipelineOptions
from apache_beam.runners.runner import PipelineState

from fixfeed.io.redaction import redact, redact_text
from fixfeed.pipelines.cluster.job_server import FlinkJobServer, OnFlink
from fixfeed.pipelines.option import UsageError

__all__ = ["rehearse"]

_STEP = 0.1  # seconds between two looks
_PATIENCE = 60.0  # seconds, after which nothing has been refused
_REFUSALS = (
    "ClassNotFoundException",
    "IllegalArgumentException",
    "IllegalConfigurationException",
    "InvalidFormatException",
    "NumberFormatException",
)  # of Java, Flink and Jackson
_IN_WORDS = ("IllegalArgumentException", "InvalidFormatException")  # what follows is a sentence
_CHECKED = ("--flink_master", "--flink_version", "--flink_job_server_jar", "--environment_")


def rehearse(
    server: FlinkJobServer,
    options: PipelineOptions,
    given: Sequence[str],
    stop: Callable[[], bool],
) -> None:
    """Raise `UsageError` if no job can have these options, as they were `given`.

    The server has been started. `stop` ends it early. Any other trouble than with options is left
    to the submission of the job itself, or raised as `grpc.RpcError`.
    """
    with _stand_in(options) as connected:
        try:
            pipeline = beam.Pipeline(runner=OnFlink(server), options=options)
            _ = pipeline | beam.Impulse() | beam.Map(bool)
            result = pipeline.run()
            until = time.monotonic() + _PATIENCE
            while not connected() and not stop() and time.monotonic() < until:
                if PipelineState.is_terminal(result.state):
                    _check(given, server.said_of(result))
                    return
                time.sleep(_STEP)
            with suppress(grpc.RpcError):
                result.cancel()
        except grpc.RpcError as error:
            # The server answers without a word then; its log has the reason.
            if isinstance(error, grpc.Call) and error.code() == grpc.StatusCode.INTERNAL:
                _check(given, server.last_error())
            if not stop():
                raise
        except (ImportError, RuntimeError, ValueError) as error:  # what Beam raises of options
            raise _refused(given, str(error)) from error


@contextmanager
def _stand_in(options: PipelineOptions) -> Iterator[Callable[[], bool]]:
    """Have the options name a socket of this process as their cluster while the body runs.

    It yields what tells whether somebody has connected.
    """
    of_flink = options.view_as(FlinkRunnerOptions)
    there = of_flink.flink_master
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)

        def connected() -> bool:
            with suppress(BlockingIOError):
                listening.accept()[0].close()
                return True
            return False

        of_flink.flink_master = f"http://127.0.0.1:{listening.getsockname()[1]}"
        try:
            yield connected
        finally:
            of_flink.flink_master = there


def _check(given: Sequence[str], why: str) -> None:
    """Raise `UsageError` if a class of Java refuses a value: it may be short of memory as well."""
    kind, _, reason = why.partition(": ")
    if kind in _REFUSALS:
        raise _refused(given, reason if kind in _IN_WORDS else why)


def _refused(given: Sequence[str], why: str) -> UsageError:
    named = [one for one in given if not one.startswith(_CHECKED)]
    options = f" {' '.join(map(redact, named))}" if named else ""
    reason = redact_text(why.partition("\n")[0])
    return UsageError(f"no job on Flink can have these options{options}: {reason}")
