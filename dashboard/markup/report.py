"""One order as an HTML file that stands alone: to hand out, to keep, to print."""

import datetime
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from fixfeed.dashboard.markup.message import raw_of
from fixfeed.dashboard.markup.order import (
    Name,
    facts_of,
    fills_of,
    ids_of,
    lanes_of,
    status_badge,
)
from fixfeed.dashboard.markup.text import escaped, time_of
from fixfeed.transforms.fix.decode.stored import delimiter_of

__all__ = ["report_of", "style"]

Row = Mapping[str, Any]

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font-family: system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }}
h1 {{ font-size: 1.4rem; }} h2 {{ font-size: 1.05rem; margin-top: 2rem; }}
.ff-message {{ margin: .8rem 0; break-inside: avoid; }}
{style}</style></head><body>
<h1>{title} {badge}</h1>
{facts}
<p>{ids}</p>
<h2>Messages</h2>{lanes}
<h2>Fills</h2>{fills}
<h2>As they came</h2>{raws}
<p class="ff-place">{made}</p>
</body></html>
"""


def style() -> str:
    """Return the style sheet of all markup."""
    return files("fixfeed.dashboard.markup").joinpath("style.css").read_text()


def report_of(
    order: Row,
    steps: Sequence[Row],
    executions: Sequence[Row],
    ids: Sequence[Row],
    name: Name,
    *,
    place: str,
    now: datetime.datetime,
) -> str:
    """Return an order as a whole HTML page, with its messages as they came and where from.

    It asks for nothing from elsewhere, and lets no browser do so. `place` names the database.
    """
    known = order.get("first_cl_ord_id") or order.get("order_id") or order["order_key"]
    raws = "".join(
        f'<div class="ff-message"><div class="ff-place">{step["step"]}'
        f"{' (copy)' if step['copied'] else ''} · {time_of(step.get('sending_time'))}"
        f" · {escaped(step.get('source') or 'unknown source')} @ {step['position']:,}"
        f" · message_id {step['message_id']}</div>"
        f"{raw_of(bytes(step['raw']), delimiter_of(bytes(step['raw'])))}</div>"
        for step in steps
    )
    made = f"Made on {now:%Y-%m-%d %H:%M:%S} UTC from {place}, order_key {order['order_key']}"
    return _PAGE.format(
        title=f"Order {escaped(known)}",
        style=style(),
        badge=status_badge(order, name),
        facts=facts_of(order, name),
        ids=ids_of(ids),
        lanes=lanes_of(order, steps, name),
        fills=fills_of(executions) or "<p>None.</p>",
        raws=raws,
        made=escaped(made),
    )
