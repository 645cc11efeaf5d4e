"""What a request asks for: its parameters, which mean the same everywhere, and who asks."""

import datetime
from collections.abc import Collection
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from fixfeed.dashboard.api.tokens import Reader
from fixfeed.dashboard.queries.cursor import CURSOR_PATTERN
from fixfeed.dashboard.search.search import LONGEST
from fixfeed.dashboard.view import View
from fixfeed.transforms.fix.rules.named import code_named
from fixfeed.transforms.nearest import did_you_mean

__all__ = [
    "Asker",
    "Everything",
    "Filtered",
    "MsgTypes",
    "Page",
    "Paged",
    "Searched",
    "id_of",
    "known_parameters",
    "one_of",
]

_LARGEST = (1 << 63) - 1
_LONGEST_NAME = 500


def asker(request: Request) -> Reader:
    """Return who asks, whom `access.Access` has found."""
    reader: Reader = request.state.reader
    return reader


def everything(reader: Annotated[Reader, Depends(asker)]) -> Reader:
    """Return who asks, if everything may be seen."""
    if not reader.scope.is_everything:
        raise HTTPException(
            403, 'this belongs to no session: only a token with the sessions ["*"] may see it'
        )
    return reader


def known_parameters(request: Request) -> None:
    """Refuse a request with a parameter that its route does not have, or has once alone."""
    route = request.scope["route"]
    operation = request.app.openapi()["paths"][route.path]["get"]
    known = {
        one["name"]: one["schema"].get("type") == "array"
        for one in operation.get("parameters", ())
        if one["in"] == "query"
    }
    for name in request.query_params:
        if name not in known:
            there = f"there are {', '.join(known)}" if known else "there are none here"
            near = did_you_mean(name, known)
            raise HTTPException(422, f"unknown parameter {name[:50]!r}{near}; {there}")
        given = len(request.query_params.getlist(name))
        if given > 1 and not known[name]:
            raise HTTPException(422, f"{name}: given {given} times, expected once")


def one_of(names: Collection[str]) -> Any:
    """Return the type of a parameter that is one of some names."""

    def known(written: str) -> str:
        if written not in names:
            near = did_you_mean(written, names)
            raise ValueError(f"unknown {written[:50]!r}{near}; there are {', '.join(names)}")
        return written

    return Annotated[str, AfterValidator(known), Field(json_schema_extra={"enum": [*names]})]


Asker = Annotated[Reader, Depends(asker)]
Everything = Annotated[Reader, Depends(everything)]


def _utc(time: datetime.datetime) -> datetime.datetime:
    if not 2 <= time.year <= 9998:  # with some room for zones and the minute after
        raise ValueError("expected a time in the years 2 to 9998")
    return (
        time.replace(tzinfo=datetime.UTC) if time.tzinfo is None else time.astimezone(datetime.UTC)
    )


_Time = Annotated[datetime.datetime, AfterValidator(_utc)]


def _one_type(types: list[str]) -> list[str]:
    """Return MsgTypes as they are asked for; one that is the name of another is told."""
    code = code_named("MsgType", types[0]) if len(types) == 1 else None
    if code is not None:
        raise ValueError(f"{types[0]} is {code}: ask for type={code}")
    return types


MsgTypes = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=250)]], AfterValidator(_one_type)
]
"""MsgTypes as messages have them, which may be of any text."""
_Name = Annotated[str, Field(min_length=1, max_length=_LONGEST_NAME)]


def _whole(number: Any) -> Any:
    if isinstance(number, str) and not number.removeprefix("-").isdecimal():
        raise ValueError(f"{number[:40]!r} is no whole number")
    return number


class Page(BaseModel):
    """How many rows of a list, and where it goes on."""

    limit: Annotated[int, BeforeValidator(_whole)] = Field(
        100, ge=1, le=1000, description="How many rows at the most."
    )


class Filtered(BaseModel):
    """A part of the messages: the filter row of the pages."""

    session: list[_Name] = Field(
        default=[],
        max_length=50,
        description="Sessions, `FIX.4.4:A->B`, or patterns of them with `*` and `?`.",
        examples=[["FIX.4.4:BROKER->*"]],
    )
    start: _Time | None = Field(
        None,
        alias="from",
        description="The first time, in UTC unless it says otherwise.",
        examples=["2026-03-02T09:30:00Z"],
    )
    end: _Time | None = Field(
        None,
        alias="to",
        description="The time after the last one.",
        examples=["2026-03-02T16:00:00Z"],
    )

    def view(self, reader: Reader, **more: Any) -> View:
        """Return the view that is asked for by a reader."""
        return View(
            sessions=tuple(self.session),
            begin=self.start,
            end=self.end,
            scope=reader.scope,
            **more,
        )


class Searched(Filtered):
    """Also what is searched for."""

    q: str = Field(
        "",
        max_length=LONGEST,
        description="A search in the language of `--include` (docs/api.md).",
        examples=['Symbol=AAPL PartyID=DESK7 OrderQty>1000 "any text" -MsgType=0'],
    )
    type: MsgTypes = Field(
        default=[], max_length=500, description="MsgTypes.", examples=[["D", "8"]]
    )

    def view(self, reader: Reader, **more: Any) -> View:
        """See `Filtered`."""
        return super().view(reader, text=self.q, types=tuple(self.type), **more)


class Paged(Page, Searched):
    """A page of what is searched for."""

    cursor: str | None = Field(
        None,
        pattern=CURSOR_PATTERN,
        description="`older` or `newer` of another page; the newest rows without it.",
    )


def id_of(text: str) -> int | None:
    """Return the number that an id is; None if no row can have it."""
    number = int(text)
    return number if -_LARGEST <= number <= _LARGEST else None
