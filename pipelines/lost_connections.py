"""Connections that end with the process at their other end: nothing that people need to read."""

import threading

import grpc

__all__ = ["without_lost_connections"]


def without_lost_connections(arguments: threading.ExceptHookArgs) -> None:
    """Print the exception of a thread, unless it is one of Beam's that waited for a dead process.

    To be set as `threading.excepthook`.
    """
    if not issubclass(arguments.exc_type, grpc.RpcError):
        threading.__excepthook__(arguments)
