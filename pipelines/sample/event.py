"""What happens in a sample: a message that is planned, before it has a number and a header."""

from dataclasses import dataclass

from fixfeed.pipelines.sample.executions import Execution

__all__ = ["TEXTS", "Event", "Fields"]

Fields = list[tuple[int, bytes]]

TEXTS = (
    b"VWAP until the close",
    "Gr\u00fc\u00dfe vom Desk Z\u00fcrich".encode(),
    "Ordre trait\u00e9 \u00e0 la main".encode("latin-1"),
    "\u8cb7\u3044\u6ce8\u6587".encode(),
    b'client says "no hurry", path C:\\orders',
    b"limit=arrival price, urgency=2",
    b"routed by FIX.4.4",
)
"""Values of Text (58): UTF-8 and Latin-1, quotes, `=`, text that looks like a version."""


@dataclass(slots=True)
class Event:
    """A planned message of the client or the broker; MsgSeqNum and header come later.

    `refers` is the message whose MsgSeqNum a reject names; `execution` what it says of a fill.
    """

    at: int
    client: bool
    kind: str
    body: Fields
    refers: "Event | None" = None
    execution: Execution | None = None
    number: int = 0
