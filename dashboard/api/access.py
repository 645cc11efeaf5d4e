"""Who asks, how often, and a line of audit for each request: what every request passes through."""

import datetime
import logging
import math
import time
from collections.abc import Mapping
from typing import Any

import orjson
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fixfeed.dashboard.api.problems import problem
from fixfeed.dashboard.api.tokens import OWNER, Reader, reader_of
from fixfeed.io.redaction import redact_text
from fixfeed.io.tracing import span

__all__ = ["AUDIT", "OPEN", "Access", "audit_to_stderr", "is_loopback"]

AUDIT = logging.getLogger("fixfeed.audit")
"""A JSON object a request: when, who, from where, what was asked, the answer's status, how long.

Nothing that was answered is in it, and no token. `forwarded_for` is what a proxy says of whom it
asks for: as good as the proxy.
"""
OPEN = ("/health/live", "/health/ready", "/openapi.json")
"""What needs no token: nothing of the database is there."""
_REFUSED_A_MINUTE = 30  # requests without a known token, from one address
_LONGEST = 4000  # characters of what was asked


class Access:
    """An ASGI app around another one, which finds `reader` in the state of each request.

    Without `readers` everybody is the owner, and only requests that name this machine itself are
    answered: else a page of some other site could ask through a visitor's browser, under a name
    that leads here (DNS rebinding). The limit is per token and per process.
    """

    def __init__(self, app: ASGIApp, *, readers: Mapping[str, Reader] | None, per_minute: int):
        """Store what to ask for."""
        self._app = app
        self._readers = readers
        self._limit = RateLimitItemPerMinute(per_minute)
        self._refusals = RateLimitItemPerMinute(_REFUSED_A_MINUTE)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on, and write its line."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        line: dict[str, Any] = {
            "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
            "reader": None,
            "address": (scope.get("client") or ("",))[0],
            "method": scope["method"],
            "path": scope["path"][:_LONGEST],
            "query": redact_text(scope["query_string"].decode("latin-1"))[:_LONGEST],
            "status": 500,
        }
        # A proxy may add a line of its own after what the peer has made up.
        if forwarded := Headers(scope=scope).getlist("x-forwarded-for"):
            line["forwarded_for"] = ", ".join(forwarded)[-_LONGEST:]

        # Files are made while they are sent: to say how long one is would take as long.
        head = scope["method"] == "HEAD" and not scope["path"].endswith((".csv", ".parquet"))
        if head:
            scope = {**scope, "method": "GET"}

        async def noted(message: Message) -> None:
            if head and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            if message["type"] == "http.response.start":
                line["status"] = message["status"]
                MutableHeaders(scope=message)["X-Content-Type-Options"] = "nosniff"
            await send(message)

        try:
            refusal, reader = self._refusal(scope, line["address"])
            line["reader"] = reader and reader.name
            if refusal is not None:
                await refusal(scope, receive, noted)
                return
            scope.setdefault("state", {})["reader"] = reader
            with span("request", kind="server") as attributes:
                attributes["http.request.method"] = scope["method"]
                try:
                    await self._app(scope, receive, noted)
                finally:
                    # The path as it was asked may have ids in it.
                    attributes["http.route"] = getattr(scope.get("route"), "path", None)
                    attributes["http.response.status_code"] = line["status"]
        finally:
            line["seconds"] = round(time.perf_counter() - begun, 4)
            AUDIT.info("%s", orjson.dumps(line).decode())

    def _refusal(self, scope: Scope, address: str) -> tuple[ASGIApp | None, Reader | None]:
        """Return the answer to a request that is not passed on, else None, and who asks."""
        headers = Headers(scope=scope)
        if self._readers is None:
            host = headers.get("host", "")
            if not is_loopback(_name_of(host)):
                return problem(
                    403,
                    f"without --tokens only requests to this machine itself are answered, such as "
                    f"http://127.0.0.1/, not {host[:100]!r}",
                ), None
            reader: Reader | None = OWNER
        else:
            kind, _, token = headers.get("authorization", "").partition(" ")
            known = kind.lower() == "bearer" and token.strip()
            reader = reader_of(token.strip(), self._readers) if known else None
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if path in OPEN:
            return None, reader
        if reader is None:
            if not self._limiter.hit(self._refusals, "refused", address):
                return self._too_many(self._refusals, "refused", address), None
            challenge = {"WWW-Authenticate": 'Bearer realm="fixfeed"'}
            return problem(
                401, "a known token is needed: Authorization: Bearer TOKEN", challenge
            ), None
        if not self._limiter.hit(self._limit, "reader", reader.name):
            return self._too_many(self._limit, "reader", reader.name), reader
        return None, reader

    def _too_many(self, limit: RateLimitItemPerMinute, *who: str) -> ASGIApp:
        reset = self._limiter.get_window_stats(limit, *who).reset_time
        wait = max(1, math.ceil(reset - time.time()))
        return problem(
            429,
            f"more than {limit.amount} requests in a minute: go on in {wait} s",
            {"Retry-After": str(wait)},
        )


def audit_to_stderr() -> None:
    """Write the lines of audit to standard error from now on."""
    AUDIT.addHandler(logging.StreamHandler())
    AUDIT.setLevel(logging.INFO)
    AUDIT.propagate = False


def is_loopback(host: str) -> bool:
    """Return whether a name or address of a host is this machine itself."""
    return host in ("localhost", "::1") or _is_loopback_v4(host)


def _is_loopback_v4(host: str) -> bool:
    parts = host.split(".")
    return parts[0] == "127" and len(parts) == 4 and all(one.isdecimal() for one in parts)


def _name_of(host: str) -> str:
    """Return the name in a Host header, without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()
