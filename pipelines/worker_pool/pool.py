"""Starts and ends the workers that a runner asks for: Beam's environment EXTERNAL.

Beam has such a pool too (`apache_beam.runners.worker.worker_pool_main`). That one runs the word
`python`, whichever that is, listens at every address of the machine, gives workers no options of
the job, and confuses workers of two TaskManagers, which number them alike.
"""

import os
import subprocess
import threading
import time

import grpc
from apache_beam.portability.api import (
    beam_fn_api_pb2,
    beam_fn_api_pb2_grpc,
    beam_provision_api_pb2,
    beam_provision_api_pb2_grpc,
    endpoints_pb2,
)
from google.protobuf import json_format, text_format

from fixfeed.pipelines.log import for_children, say
from fixfeed.pipelines.python_command import end_by_input, python_command
from fixfeed.pipelines.worker_pool.run_of_job import run_in
from fixfeed.pipelines.worker_pool.told import CAME

__all__ = ["Pool"]

_START = "from fixfeed.pipelines.worker_pool.worker import main; main()"
_PROVISION = 20  # seconds for a runner to say what it has for a worker
_LATE = grpc.StatusCode.DEADLINE_EXCEEDED
_FIRST, _LONGEST = 1.0, 30.0  # seconds until a worker is started again, at first and at the most

Worker = tuple[str, str]


class Pool(beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolServicer):
    """The workers of the runners of one machine, each a process of this Python.

    A worker is known by its id and by the connection over which it was asked for: each TaskManager
    has its own, and numbers its workers from 1. It has the environment and the folder of this
    process, and ends with it, also if this is killed; it ends with its runner as well.

    One that ends before it has come to its runner is started again: Beam's waits for it for ever,
    as if nothing was wrong. Of one that has come the runner sees the end itself.
    """

    def __init__(self) -> None:
        """Nothing is started yet."""
        self._workers: dict[Worker, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()
        self._over = False

    def StartWorker(
        self, request: beam_fn_api_pb2.StartWorkerRequest, context: grpc.ServicerContext
    ) -> beam_fn_api_pb2.StartWorkerResponse:
        """Start a worker; the answer has the error if that fails."""
        worker = request.worker_id, context.peer()
        self._end(worker)
        try:
            self._start(worker, request)
        except (OSError, grpc.RpcError) as error:
            why = error.details() if isinstance(error, grpc.Call) else error
            text = f"worker {request.worker_id} cannot be started: {why}"
            say(text, level="error")
            return beam_fn_api_pb2.StartWorkerResponse(error=f"fixfeed worker-pool: {text}")
        return beam_fn_api_pb2.StartWorkerResponse()

    def StopWorker(
        self, request: beam_fn_api_pb2.StopWorkerRequest, context: grpc.ServicerContext
    ) -> beam_fn_api_pb2.StopWorkerResponse:
        """End a worker. One of an earlier connection ends by itself, with that of its runner."""
        self._end((request.worker_id, context.peer()))
        return beam_fn_api_pb2.StopWorkerResponse()

    def stop(self) -> None:
        """End all workers, and start none any more."""
        with self._lock:
            self._over = True
        for worker in list(self._workers):
            self._end(worker)

    def _start(
        self, worker: Worker, request: beam_fn_api_pb2.StartWorkerRequest, tries: int = 0
    ) -> None:
        info = _info(request)
        run = _run_of(info)
        came, tell = os.pipe()
        try:
            with self._lock:
                if self._over:
                    raise OSError("the pool is being stopped")
                process = subprocess.Popen(
                    python_command(_START),
                    stdin=subprocess.PIPE,  # ends with this process: see `pipelines.worker`
                    stdout=2,
                    env=os.environ
                    | _variables(request, info)
                    | for_children(run=run)
                    | {CAME: str(tell)},
                    pass_fds=[tell],
                    start_new_session=True,  # a terminal's Ctrl-C reaches the pool alone
                )
                self._workers[worker] = process
        except BaseException:
            os.close(came)
            raise
        finally:
            os.close(tell)
        of = f" for run {run}" if run else ""
        say(f"worker {worker[0]} started{of}, process {process.pid}", run=run or None)

        def watch() -> None:
            if self._ended(worker, process, run, came):
                self._start_again(worker, request, tries)

        threading.Thread(target=watch, daemon=True).start()

    def _ended(self, worker: Worker, process: subprocess.Popen[bytes], run: str, came: int) -> bool:
        """Wait until a worker has ended; return whether its runner waits for it still.

        It does, for ever, if the worker was not asked to end and has not come to it.
        """
        code = process.wait()
        with open(came, "rb", 0) as told:
            os.set_blocking(came, False)  # a process that it has started may live
            has_come = bool(told.read(1))
        with self._lock:
            asked = self._workers.get(worker) is not process
            if not asked:
                del self._workers[worker]
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        of = f" of run {run}" if run else ""
        is_missed = not (asked or has_come)
        if asked or (code == 0 and has_come):
            say(f"worker {worker[0]}{of} ended, process {process.pid}", run=run or None)
        else:
            text = f"worker {worker[0]}{of} {how}, process {process.pid}"
            text += "; it had not come to its runner, and is started again" if is_missed else ""
            say(text, level="warning", run=run or None)
        return is_missed

    def _start_again(
        self, worker: Worker, request: beam_fn_api_pb2.StartWorkerRequest, tries: int
    ) -> None:
        """Start a worker that its runner waits for, unless that is gone or has asked again."""
        while True:
            time.sleep(min(_FIRST * 2**tries, _LONGEST))
            tries += 1
            with self._lock:
                if self._over or worker in self._workers:
                    return
            try:
                self._start(worker, request, tries)
                return
            except OSError as error:
                say(f"worker {worker[0]} cannot be started: {error}", level="error")
            except grpc.RpcError as error:
                if not (isinstance(error, grpc.Call) and error.code() is _LATE):
                    return

    def _end(self, worker: Worker) -> None:
        with self._lock:
            process = self._workers.pop(worker, None)
        if process is None:
            return
        end_by_input(process)


def _info(request: beam_fn_api_pb2.StartWorkerRequest) -> beam_provision_api_pb2.ProvisionInfo:
    """Return what the runner has for a worker, with the options of the job.

    It is asked for them, as `boot` of Beam's containers does: without them a worker would not know
    the addresses and keys of object stores.
    """
    with grpc.insecure_channel(request.provision_endpoint.url) as channel:
        answer: beam_provision_api_pb2.GetProvisionInfoResponse = (
            beam_provision_api_pb2_grpc.ProvisionServiceStub(channel).GetProvisionInfo(
                beam_provision_api_pb2.GetProvisionInfoRequest(),
                timeout=_PROVISION,
                metadata=(("worker_id", request.worker_id),),
            )
        )
    return answer.info


def _run_of(info: beam_provision_api_pb2.ProvisionInfo) -> str:
    """Return the run that a job of fixfeed is of; `` for other jobs."""
    options = json_format.MessageToDict(info.pipeline_options)
    return run_in(options.get("beam:option:experiments:v1") or ())


def _variables(
    request: beam_fn_api_pb2.StartWorkerRequest, info: beam_provision_api_pb2.ProvisionInfo
) -> dict[str, str]:
    """Return what a worker process of Beam reads from its environment."""
    return {
        "WORKER_ID": request.worker_id,
        "CONTROL_API_SERVICE_DESCRIPTOR": _text(request.control_endpoint),
        "LOGGING_API_SERVICE_DESCRIPTOR": _text(request.logging_endpoint),
        "PIPELINE_OPTIONS": json_format.MessageToJson(info.pipeline_options),
        "RUNNER_CAPABILITIES": " ".join(info.runner_capabilities),
    }


def _text(endpoint: endpoints_pb2.ApiServiceDescriptor) -> str:
    return text_format.MessageToString(endpoint)
