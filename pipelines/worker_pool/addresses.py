"""Which worker pools a job will use, as this machine reaches them."""

import json
import re
import urllib.request

from fixfeed.pipelines.option import UsageError

__all__ = ["pool_addresses"]

_PATIENCE = 5  # seconds for the JobManager to answer
_LOOPBACK = re.compile(r"localhost|127(\.\d+){3}|\[::1\]")
_HOST = re.compile(r".*@(\[.*\]|[^:]*):\d+/")  # pekko.tcp://flink@HOST:PORT/user/rpc/...


def pool_addresses(master: str, config: str) -> list[str]:
    """Return the addresses of the pools of a cluster, for `check_pools`.

    `master` is `--flink_master`, and `config` is `--environment_config`, which each TaskManager
    takes for itself. If that is the loopback, and the cluster is not on this machine, they are its
    port on the hosts of all TaskManagers, whom the JobManager lists. A master in brackets
    (`[local]`) has none. Raises `UsageError` if the JobManager does not answer.

    >>> pool_addresses("localhost:8081", "localhost:50000")
    ['localhost:50000']
    >>> pool_addresses("[local]", "localhost:50000")
    []
    """
    if master.startswith("["):
        return []
    url = master if "://" in master else f"http://{master}"
    if _LOOPBACK.fullmatch(_host(url)) or not _LOOPBACK.fullmatch(_host(config)):
        return [config]
    port = config.rpartition(":")[2]
    return sorted({f"{host}:{port}" for host in _task_managers(url)})


def _host(address: str) -> str:
    return address.split("://")[-1].partition("/")[0].rpartition(":")[0]


def _task_managers(url: str) -> list[str]:
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/taskmanagers", timeout=_PATIENCE) as answer:
            paths = [one["path"] for one in json.load(answer)["taskmanagers"]]
        return [found[1] for path in paths if (found := _HOST.match(path))]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"the JobManager of Flink at {url} does not list its TaskManagers ({error}); see "
            "whether it runs, and whether this is the address of its REST API"
        ) from error
