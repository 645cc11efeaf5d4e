"""The gateway of a job: a process of its own, started and ended by the job."""

import json
import os
import pickle
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from fixfeed.io.live.listener import Listener
from fixfeed.pipelines.counters import died
from fixfeed.pipelines.log import for_children
from fixfeed.pipelines.option import UsageError
from fixfeed.pipelines.python_command import end_by_input, python_command

__all__ = ["GatewayProcess"]

_START = "from fixfeed.pipelines.gateway import of_a_job; of_a_job()"
_AGAIN = 1.0  # seconds until it is started again


class GatewayProcess:
    """Receives for a job (`io.live.feed.Watched`).

    It has a session of its own, so Ctrl-C in a terminal reaches the job alone. It ends when this
    process does. If it dies, it is started again.
    """

    def __init__(self, listeners: Sequence[Listener], spool: Path, say: Callable[[str], None]):
        """Start it, and wait until it listens. Raises `UsageError` if it cannot."""
        self._given = pickle.dumps((list(listeners), spool))
        self._say = say
        self._over = threading.Event()
        self._lock = threading.Lock()
        self.text = ""
        self._start()
        threading.Thread(target=self._watch, name="gateway", daemon=True).start()

    def stop(self) -> None:
        """End it; all that it has received is in the spool then."""
        self._over.set()
        with self._lock:
            process = self._process
            assert process.stdout
            end_by_input(process)
            process.stdout.close()

    def _start(self) -> None:
        process = subprocess.Popen(
            python_command(_START),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | for_children(),
            start_new_session=True,
        )
        assert process.stdin
        assert process.stdout
        with suppress(BrokenPipeError):
            process.stdin.write(self._given)
            process.stdin.flush()
        answer = json.loads(process.stdout.readline() or b"{}")
        self._process = process
        if "listening" not in answer:
            process.wait()
            raise UsageError(answer.get("error", "the gateway ended before it listened"))
        self.text = f"listening to {' and '.join(answer['listening'])}"

    def _watch(self) -> None:
        while True:
            code = self._process.wait()
            died(self._process.pid)
            if self._over.wait(_AGAIN):
                return
            self._say(
                f"the gateway ended ({_how(code)}); its connections are gone, and it begins anew"
            )
            while True:
                with self._lock:
                    if self._over.is_set():
                        return
                    try:
                        self._start()
                        break
                    except (UsageError, OSError) as error:
                        self._say(f"the gateway cannot be started: {error}")
                if self._over.wait(10 * _AGAIN):
                    return


def _how(code: int) -> str:
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"
