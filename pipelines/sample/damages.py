"""Damages sample messages.

Each damage itself returns what a reader must find. So the truth about a sample comes from how it
was made, not from reading it.
"""

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

from fixfeed.pipelines.sample.layouts import SOH, Layout, sealed, with_check_sum

__all__ = ["DAMAGES", "HARMLESS", "NOISE", "Damage", "Found"]

_GROUPS = (b"73=", b"146=", b"268=", b"453=", b"552=")


class Found(NamedTuple):
    """What a reader must find in `data`: a message with these defects, or a failure."""

    data: bytes
    defects: tuple[str, ...] = ()
    failure: str | None = None


Damage = Callable[[bytes, Layout, random.Random], Found | None]
"""Damages a message; None if the message or the layout does not allow it."""


def _split(message: bytes) -> tuple[bytes, list[bytes]] | None:
    """Return BeginString and the fields of the body; None for messages with data fields."""
    begin, _, *body = message.split(SOH)[:-2]
    if any(field.startswith((b"95=", b"354=")) for field in body):
        return None
    return begin, body


def _is_grouped(body: Sequence[bytes]) -> bool:
    return any(field.startswith(_GROUPS) for field in body)


def _one_of(body: list[bytes], tags: Sequence[bytes], rng: random.Random) -> int | None:
    places = [n for n, field in enumerate(body) if field.partition(b"=")[0] in tags]
    return rng.choice(places) if places else None


def _check_sum(message: bytes, layout: Layout, rng: random.Random) -> Found | None:
    right = int(message[-4:-1])
    return Found(b"%b%03d\x01" % (message[:-4], (right + 1) % 256), ("check_sum",))


def _check_sum_delimiter(message: bytes, layout: Layout, rng: random.Random) -> Found | None:
    if layout.delimiter == SOH or len(layout.delimiter) > 1:
        return None
    written = sum(message[:-7].replace(SOH, layout.delimiter)) % 256
    return Found(b"%b%03d\x01" % (message[:-4], written), ("check_sum_delimiter",))


def _body_length(message: bytes, layout: Layout, rng: random.Random) -> Found | None:
    parts = _split(message)
    if not parts:
        return None
    begin, body = parts
    content = b"".join(field + SOH for field in body)
    wrong = len(content) + rng.choice((-2, -1, 1, 2))
    return Found(with_check_sum(b"%b\x019=%d\x01%b" % (begin, wrong, content)), ("body_length",))


def _body_length_missing(message: bytes, layout: Layout, rng: random.Random) -> Found | None:
    parts = _split(message)
    if not parts:
        return None
    content = b"".join(field + SOH for field in [parts[0], *parts[1]])
    return Found(with_check_sum(content), ("body_length_missing",))


def _header_order(message: bytes, layout: Layout, rng: random.Random) -> Found | None:
    parts = _split(message)
    if not parts:
        return None
    begin, body = parts
    return Found(sealed(begin, [body[1], body[0], *body[2:]]), ("header_order",))


def _truncated(message: bytes, layout: Layout, rng: random.Random) -> Found | None:
    parts = _split(message)
    # A cut inside a group would make its count wrong too.
    if not parts or _is_grouped(parts[1]):
        return None
    # Less is cut off than the next message's length: BodyLength must not point at its end.
    ends = [n + 1 for n in range(len(message) - 60, len(message) - 7) if message[n : n + 1] == SOH]
    if not ends:
        return None
    return Found(message[: rng.choice(ends)], ("truncated",))


def _bad_field(message: bytes, layout: Layout, rng: random.Random) -> Found | None:
    parts = _split(message)
    place = parts and _one_of(parts[1], (b"1", b"55", b"54", b"58", b"60", b"112", b"262"), rng)
    if not parts or place is None or _is_grouped(parts[1]):
        return None
    begin, body = parts
    tag, _, value = body[place].partition(b"=")
    body[place] = rng.choice((tag + b"?" + value, b"x" + tag + b"=" + value))
    if rng.random() < 0.5:
        return Found(sealed(begin, body), ("bad_field",))
    whole = sealed(begin, body)
    # As after a changed byte on the way, CheckSum is still the old one.
    return Found(
        b"%b%03d\x01" % (whole[:-4], (int(whole[-4:-1]) + 9) % 256), ("bad_field", "check_sum")
    )


def _empty_value(message: bytes, layout: Layout, rng: random.Random) -> Found | None:
    parts = _split(message)
    place = parts and _one_of(parts[1], (b"1", b"58", b"44", b"15", b"112", b"207"), rng)
    if not parts or place is None:
        return None
    begin, body = parts
    body[place] = body[place].partition(b"=")[0] + b"="
    return Found(sealed(begin, body), ("empty_value",))


def _bad_value(message: bytes, layout: Layout, rng: random.Random) -> Found | None:
    parts = _split(message)
    place = parts and _one_of(parts[1], (b"38", b"44", b"52", b"60"), rng)
    if not parts or place is None:
        return None
    begin, body = parts
    tag = body[place].partition(b"=")[0]
    wrong = {b"38": b"1e3", b"44": b"12,50", b"52": b"09:30:00", b"60": b"20250102-25:00:00"}
    body[place] = tag + b"=" + wrong[tag]
    return Found(sealed(begin, body), ("bad_value",))


def _number_too_large(message: bytes, layout: Layout, rng: random.Random) -> Found | None:
    parts = _split(message)
    place = parts and _one_of(parts[1], (b"38", b"44"), rng)
    if not parts or place is None:
        return None
    begin, body = parts
    body[place] = body[place].partition(b"=")[0] + b"=" + b"9" * 30
    return Found(sealed(begin, body), ("number_too_large",))


def _data_length(message: bytes, layout: Layout, rng: random.Random) -> Found | None:
    head, found, data = message.partition(b"\x0195=")
    if not found or data.count(SOH) != 3:  # RawDataLength, RawData, CheckSum and no SOH in the data
        return None
    begin, _, *body = head.split(SOH)
    length, raw, *_ = data.split(SOH)
    return Found(sealed(begin, [*body, b"95=%d" % (int(length) + 1), raw]), ("data_length",))


def _headless(message: bytes, layout: Layout, rng: random.Random) -> Found | None:
    parts = _split(message)
    if not parts or not layout.bare or not layout.line_end:
        return None
    data = b"".join(field + SOH for field in parts[1])
    return Found(data, ("begin_string_missing", "body_length_missing", "check_sum_missing"))


def _field_order(message: bytes, layout: Layout, rng: random.Random) -> Found | None:
    parts = _split(message)
    # In a message of header fields alone, one more would be in order.
    if not parts or _one_of(parts[1], (b"11", b"262"), rng) is None:
        return None
    if any(field.startswith(b"97=") for field in parts[1]):
        return None
    return Found(sealed(parts[0], [*parts[1], b"97=N"]), ("field_order",))


def _repeated_tag(message: bytes, layout: Layout, rng: random.Random) -> Found | None:
    parts = _split(message)
    place = parts and _one_of(parts[1], (b"11", b"54", b"60", b"112"), rng)
    if not parts or place is None or _is_grouped(parts[1]):
        return None
    begin, body = parts
    return Found(sealed(begin, [*body, body[place]]), ("repeated_tag",))


def _group_count(message: bytes, layout: Layout, rng: random.Random) -> Found | None:
    parts = _split(message)
    place = parts and _one_of(parts[1], (b"268", b"453"), rng)
    if not parts or place is None:
        return None
    begin, body = parts
    tag, _, count = body[place].partition(b"=")
    body[place] = b"%b=%d" % (tag, int(count) + rng.choice((-1, 1)))
    return Found(sealed(begin, body), ("group_count",))


def _snapshot_entries(message: bytes) -> tuple[bytes, list[bytes], int] | None:
    """Return BeginString, the body, and the place of its first market data entry."""
    parts = _split(message)
    if not parts or parts[1][0] != b"35=W":
        return None
    return *parts, next(n for n, field in enumerate(parts[1]) if field.startswith(b"269="))


def _group_first_field(message: bytes, layout: Layout, rng: random.Random) -> Found | None:
    found = _snapshot_entries(message)
    if not found:
        return None
    begin, body, first = found
    kept = [field for field in body[first:] if not field.startswith(b"269=")]
    return Found(sealed(begin, [*body[:first], *kept]), ("group_first_field",))


def _group_order(message: bytes, layout: Layout, rng: random.Random) -> Found | None:
    found = _snapshot_entries(message)
    if not found:
        return None
    begin, body, first = found
    body[first + 1], body[first + 2] = body[first + 2], body[first + 1]
    return Found(sealed(begin, body), ("group_order",))


def _group_foreign(message: bytes, layout: Layout, rng: random.Random) -> Found | None:
    found = _snapshot_entries(message)
    if not found:
        return None
    begin, body, first = found
    body.insert(first + 1, b"5001=algo")
    return Found(sealed(begin, body), ("group_foreign",))


def _group_orphan(message: bytes, layout: Layout, rng: random.Random) -> Found | None:
    parts = _split(message)
    if not parts or parts[1][0] != b"35=D" or not _is_grouped(parts[1]):
        return None
    return Found(sealed(parts[0], [*parts[1], b"447=D"]), ("group_orphan",))


def _no_msg_type(message: bytes, layout: Layout, rng: random.Random) -> Found | None:
    parts = _split(message)
    if not parts:
        return None
    return Found(sealed(parts[0], parts[1][1:]), failure="no_msg_type")


def _no_begin(message: bytes, layout: Layout, rng: random.Random) -> Found | None:
    parts = _split(message)
    if not parts:
        return None
    kept = parts[1][rng.randint(1, 3) :]
    return Found(b"".join(field + SOH for field in kept) + message[-7:], failure="no_begin_string")


DAMAGES: tuple[Damage, ...] = (
    _check_sum,
    _check_sum_delimiter,
    _body_length,
    _body_length_missing,
    _header_order,
    _truncated,
    _bad_field,
    _empty_value,
    _bad_value,
    _number_too_large,
    _data_length,
    _field_order,
    _repeated_tag,
    _group_count,
    _group_first_field,
    _group_order,
    _group_foreign,
    _group_orphan,
    _headless,
    _no_msg_type,
    _no_begin,
)
"""All damages. Together they make every defect that is found without comparing tags and values to a
dictionary, and every reason but `unreadable`."""

HARMLESS = frozenset((_check_sum, _check_sum_delimiter, _body_length, _header_order, _field_order))
"""Those that leave all fields of a message, so that executions still say what they say."""

NOISE: tuple[tuple[bytes, str | None], ...] = (
    (b"--- session state: in sync, store flushed ---", None),
    (b"java.net.SocketTimeoutException: Read timed out", None),
    (b"\tat quickfix.mina.ip.IoReader.read(IoReader.java:128)", None),
    (b"Heartbeat interval 30, throttle=50/s (limit=100)", None),
    (b"FIX.4.4 gateway, build 2024.12.3; clock offset 12 us", None),
    (b'ERROR cannot parse "8=FIX.4.4 9=112 35=D 49=LOST"', "no_begin_string"),
    (b"8=FIX.x.y is no version that this engine knows", "no_begin_string"),
    (b"8=FIXML<Order ID='1'/>", "no_begin_string"),
    (b"\x00\x00\x00\x17\x03\x03\xfe\x80 TLS?", "not_text"),
    (b"\x7fELF\x02\x00\x00\x9d", "not_text"),
)
"""Lines without a message, and the reason of their failure; None if they hold no FIX."""
