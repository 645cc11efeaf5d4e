"""Which messages refuse an order, or what was asked of it: as `rejects` of `orders` counts them."""

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["REFUSALS", "texts_of_refusals"]

REFUSALS = """order_messages s join messages m on m.message_id = s.message_id
where s.copied is not true and (m.msg_type in ('9', 'j') or (m.msg_type = '8'
  and coalesce(m.exec_type, m.ord_status) = '8' and coalesce(m.exec_trans_type, '') <> '3'))
  and s.order_key ="""
"""SQL to be ended by an order: `m` are its messages that refuse something."""


def texts_of_refusals(steps: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return Text of the messages of an order that refuse something, as `REFUSALS` finds them.

    Each once, in their order; those without one are left out. `steps` are rows of `orders.steps`.
    """
    texts = [step["text"] for step in steps if step["text"] and _refuses(step)]
    return list(dict.fromkeys(texts))


def _refuses(step: Mapping[str, Any]) -> bool:
    if step["copied"]:
        return False
    if step["msg_type"] != "8":
        return step["msg_type"] in ("9", "j")
    said = step["ord_status"] if step["exec_type"] is None else step["exec_type"]
    return said == "8" and step["exec_trans_type"] != "3"
