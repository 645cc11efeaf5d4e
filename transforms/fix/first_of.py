"""What a field says where it may come several times: its first text, as a text or a time."""

from typing import Any

import numpy as np

__all__ = ["microseconds", "text_of"]


def text_of(value: Any) -> str | None:
    """Return the text of a field of a message, the first of one that repeats."""
    value = value[0] if isinstance(value, list) and value else value
    return value if isinstance(value, str) else None


def microseconds(value: Any) -> int | None:
    """Return the time of a UTCTimestamp, None if it is none: `20250102-09:30:00.123`.

    Years are 1 to 9999, as in all columns of times.
    """
    text = text_of(value)
    if text is None or len(text) < 17 or text[8] != "-" or not text[:8].isdigit():
        return None
    whole = f"{text[:4]}-{text[4:6]}-{text[6:8]}T{text[9:17]}"
    try:
        seconds = np.datetime64(whole, "us").astype(np.int64)
        places = text[18:24].ljust(6, "0") if text[17:18] == "." else "000000"
        return None if text.startswith("0000") else int(seconds) + int(places)
    except ValueError:
        return None
