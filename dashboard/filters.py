"""The row of filters that all pages have, and the links that reopen what it shows."""

import datetime
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlencode

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from fixfeed.dashboard import opened
from fixfeed.dashboard.markup.text import markdown
from fixfeed.dashboard.moments import after, before
from fixfeed.dashboard.queries.overview import last_day, newest_minute
from fixfeed.dashboard.queries.whole_minutes import covering
from fixfeed.dashboard.view import View, opposites
from fixfeed.transforms.fix.patterns import matches
from fixfeed.transforms.fix.rules.named import code_named
from fixfeed.transforms.nearest import did_you_mean

__all__ = [
    "ADMIN",
    "BadTime",
    "export_link",
    "filter_row",
    "keep_filters",
    "link",
    "messages_link",
    "page_link",
    "parse_time",
    "shown_period",
    "told_minutes",
]

ADMIN = ("0", "1")
"""Heartbeats and test requests, which are hidden until somebody wants to see them."""

_FILTERS = {"q": False, "session": True, "type": True, "from": False, "to": False}
"""The filters by their parameters, and whether they may have several values."""

_RELATIVE = re.compile(r"-\s*(\d{1,4})\s*([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_TIME = re.compile(
    r"(?:(?P<day>\d{4}-?\d\d-?\d\d)(?:[ T-]|$))?\s*"
    r"(?:(?P<clock>\d\d?:\d\d(?::\d\d(?:\.\d{1,6})?)?)Z?)?"
)


class BadTime(ValueError):
    """A text that is no time; its own text says what was expected."""


def parse_time(text: str, newest: datetime.datetime | None) -> datetime.datetime | None:
    """Return the time that a person has written, in UTC; None for a blank text.

    `newest` is the time of the newest message: a time without a day is on its day, and `-15m` is
    before the end of its minute. Raises `BadTime`.

    >>> newest = datetime.datetime(2025, 1, 2, 17, 0, tzinfo=datetime.UTC)
    >>> for text in ("2025-01-02 09:30", "09:30:01.5", "20250102", "-1h"):
    ...     print(parse_time(text, newest))
    2025-01-02 09:30:00+00:00
    2025-01-02 09:30:01.500000+00:00
    2025-01-02 00:00:00+00:00
    2025-01-02 16:01:00+00:00
    """
    text = text.strip()
    if not text:
        return None
    now = newest or datetime.datetime.now(datetime.UTC)
    try:
        relative = _RELATIVE.fullmatch(text)
        if relative:
            end = after(now, datetime.timedelta(minutes=1))
            return before(end, datetime.timedelta(**{_UNITS[relative[2]]: int(relative[1])}))
        match = _TIME.fullmatch(text)
        if match:
            day = match["day"].replace("-", "") if match["day"] else f"{now:%Y%m%d}"
            clock = match["clock"] or "00:00"
            parsed = datetime.datetime.fromisoformat(f"{day} {clock.rjust(5, '0')}")
            return parsed.replace(tzinfo=datetime.UTC)
    except (ValueError, OverflowError):
        pass
    raise BadTime(
        f"{text[:40]!r} is no time: write 09:30, 2025-01-02, 2025-01-02 09:30:00.5 or -15m "
        "(before the newest message), in UTC"
    )


def keep_filters(page: str) -> None:
    """Keep the filters for a page that comes without them; to be called right after st.navigation.

    Streamlit's script in the browser gives the next page only those parameters of the address whose
    widgets it has drawn already: a click while the first page loads would lose the others. What a
    person has cleared stays so, and on the way back and forth the address alone counts.
    """
    kept = st.session_state.setdefault("filters", {})
    turned = st.session_state.get("page") not in (None, page)
    st.session_state["page"] = page
    context = get_script_run_ctx()
    turned = turned and context is not None and not context.is_history_navigation
    lost = {}
    for name, many in _FILTERS.items():
        value = st.session_state.get(name, kept.get(name))
        if name in st.query_params:
            value = st.query_params.get_all(name) if many else st.query_params[name]
        elif turned and value:
            lost[name] = st.session_state[name] = value
        kept[name] = value
    if lost:
        st.query_params.update(lost)


def filter_row() -> View:
    """Show the filters; return what they choose. Raises `Trouble`.

    Each is bound to a parameter of the address, so that a link is the view. A time that cannot be
    read is told, and counts as none.
    """
    names = opened.names()
    known = opened.sessions()
    counted = opened.types()
    with st.container(horizontal=True, vertical_alignment="bottom", key="filters", gap="small"):
        text = st.text_input(
            "Search",
            key="q",
            bind="query-params",
            placeholder='Symbol=AAPL OrderQty>1000 "any text" -MsgType=8',
            help="Names of fields or tag numbers; terms side by side all have to hold, a minus "
            "before one means not; text in quotes is looked for anywhere in a message. It is the "
            "language of --include, and chooses messages.",
            width=350,
        )
        sessions = st.multiselect(
            "Sessions",
            known,
            key="session",
            bind="query-params",
            accept_new_options=True,
            placeholder="all",
            help="Sessions, or patterns of them such as *:BROKER->*",
            width=250,
        )
        types = st.multiselect(
            "Types",
            list(counted),
            key="type",
            bind="query-params",
            accept_new_options=True,
            format_func=lambda one: f"{names({}, 'MsgType', one) or '?'} ({one})",
            placeholder="all",
            width=230,
        )
        since = st.text_input("From (UTC)", key="from", bind="query-params", width=150,
                              placeholder="09:30 or -15m")  # fmt: skip
        until = st.text_input("To (UTC)", key="to", bind="query-params", width=150,
                              placeholder="2025-01-02 16:00")  # fmt: skip
    newest = opened.newest()
    times: list[datetime.datetime | None] = []
    for written in (since, until):
        try:
            times.append(parse_time(written or "", newest))
        except BadTime as error:
            times.append(None)
            st.warning(markdown(str(error)), icon=":material/schedule:")
    begin, end = times
    kinds = tuple(_code(one) for one in types)
    view = View(text or "", tuple(sessions), kinds, begin, end)
    for told in _what_there_is_not(view, known, list(counted)):
        st.warning(told, icon=":material/filter_alt_off:")
    return view


def _what_there_is_not(view: View, sessions: Sequence[str], types: Sequence[str]) -> Iterator[str]:
    """Yield a sentence for each filter that no message can meet, as markdown."""
    if view.begin and view.end and view.begin >= view.end:
        yield f"From ({_written(view.begin)}) is not before To ({_written(view.end)})."
    for one in view.sessions:
        if one not in sessions and not any(_of(each, one) for each in sessions):
            near = markdown(did_you_mean(one, sessions))
            yield f"There is no session {markdown(one[:100])} here{near or '.'}"
    for one in view.types:
        if one not in types:
            code = code_named("MsgType", one)
            named = f"; {markdown(one)} is {code}." if code else "."
            yield f"There is no message of type {markdown(one[:100])} here{named}"


def _of(session: str, pattern: str) -> bool:
    """Return whether a session, or its other side, which may have sent nothing, has a pattern."""
    return any(matches(one, pattern) for one in (session, *opposites(session)))


def _code(written: str) -> str:
    """Return a MsgType, of one that was written as it is shown: `NewOrderSingle (D)`.

    >>> _code("NewOrderSingle (D)"), _code("8")
    ('D', '8')
    """
    match = re.fullmatch(r".* \((\S+)\)", written)
    return match[1] if match else written


def shown_period(view: View) -> View:
    """Return the view whose times charts and counts show: the day of the newest message if none."""
    if view.begin and view.end:
        return view
    if view.end:
        return replace(view, begin=before(view.end, datetime.timedelta(days=1)))
    if view.begin:
        newest = newest_minute(opened.database(), view) or view.begin
        return replace(view, end=after(newest, datetime.timedelta(minutes=1)))
    return last_day(opened.database(), view)


def told_minutes(view: View, what: str) -> None:
    """Say which time is counted by the minute, where it is more than the view's: `what` is."""
    wide = covering(view)
    if wide != view:
        st.caption(
            f"{what} count whole minutes: from {_written(wide.begin) or 'the beginning'} to"
            f" {_written(wide.end) or 'the end'} UTC."
        )


def link(page: str, parameters: Mapping[str, str | Sequence[str] | None]) -> str:
    """Return the address of a page with parameters; those that are empty are left out.

    >>> link("messages", {"q": "Symbol=A&B", "type": ["D", "8"], "to": ""})
    'messages?q=Symbol%3DA%26B&type=D&type=8'
    """
    kept = {name: value for name, value in parameters.items() if value}
    return f"{page or './'}?{urlencode(kept, doseq=True)}" if kept else page or "./"


def messages_link(view: View, **changed: str | Sequence[str] | None) -> str:
    """Return the address of the messages of a view, with some parameters changed."""
    return link("messages", _parameters(view) | {n.rstrip("_"): one for n, one in changed.items()})


def page_link(page: str, view: View, **changed: str | Sequence[str]) -> str:
    """Return the address of another page with the sessions and times of a view, and with more."""
    of_view = _parameters(view)
    return link(page, {name: of_view[name] for name in ("session", "from", "to")} | changed)


def export_link(view: View, kind: str) -> str:
    """Return the address of all messages of a view as a file: `csv` or `parquet`."""
    return link(f"api/messages.{kind}", _parameters(view))


def _parameters(view: View) -> dict[str, str | Sequence[str] | None]:
    return {
        "q": view.text,
        "session": list(view.sessions),
        "type": list(view.types),
        "from": _written(view.begin),
        "to": _written(view.end),
    }


def _written(time: datetime.datetime | None) -> str | None:
    if time is None:
        return None
    text = f"{time:%Y-%m-%d %H:%M:%S.%f}".rstrip("0").rstrip(".")
    return text.removesuffix(":00") if text.endswith(":00") else text
