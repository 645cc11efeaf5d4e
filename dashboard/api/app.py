"""The app: all routes, who may ask them, and what goes wrong as problems."""

from collections.abc import Mapping

from fastapi import Depends, FastAPI

from fixfeed.dashboard.api.access import OPEN, Access
from fixfeed.dashboard.api.asked import known_parameters
from fixfeed.dashboard.api.health import health
from fixfeed.dashboard.api.latencies import latencies
from fixfeed.dashboard.api.messages import messages
from fixfeed.dashboard.api.orders import orders
from fixfeed.dashboard.api.problems import add_handlers
from fixfeed.dashboard.api.quality import quality
from fixfeed.dashboard.api.sessions import sessions
from fixfeed.dashboard.api.tokens import Reader
from fixfeed.dashboard.database import Database

__all__ = ["PER_MINUTE", "make_api"]

PER_MINUTE = 600
"""How many requests a token may make in a minute, unless another number is asked for."""

_ABOUT = (
    "Reads what fixfeed has stored: messages, orders, executions, sessions, and whether all that "
    "came in is accounted for. It only reads. Ids and decimals are texts, times are in UTC. A "
    "token sees the sessions that it was given, and nothing else."
)


def make_api(
    database: Database,
    *,
    readers: Mapping[str, Reader] | None = None,
    per_minute: int = PER_MINUTE,
) -> Access:
    """Return the API of a database as an ASGI app, alone or to be mounted in another one.

    Without `readers` whoever reaches it on this machine sees everything.
    """
    # Its pages of documentation would load scripts from another host.
    app = FastAPI(title="fixfeed", version="1", description=_ABOUT, docs_url=None, redoc_url=None)
    add_handlers(app)
    # What another version has stored is not read as if it were of this one.
    readable = [Depends(known_parameters), Depends(database.check)]
    for room in (messages, orders, sessions, latencies, quality):
        app.include_router(room(database), dependencies=readable)
    app.include_router(health(database), dependencies=[Depends(known_parameters)])
    _describe_tokens(app)
    return Access(app, readers=readers, per_minute=per_minute)


def _describe_tokens(app: FastAPI) -> None:
    """Say in OpenAPI that requests need a token, and leave out FastAPI's own form of errors."""
    # Made once and here: several threads that make it at once get into each other's way.
    found = app.openapi()
    components = found.setdefault("components", {})
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for name in ("HTTPValidationError", "ValidationError"):
        components.get("schemas", {}).pop(name, None)
    found["security"] = [{"token": []}]
    for path in OPEN:
        for operation in found["paths"].get(path, {}).values():
            operation["security"] = []
