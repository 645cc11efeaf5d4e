"""Why no message begins in bytes that have fields: the `detail` of the failure.

It shows nothing of a field's value, which may be secret.
"""

import re

from fixfeed.transforms.fix.framing.delimiter import DELIMITERS, naming
from fixfeed.transforms.fix.spelt import is_spelt, spelling

__all__ = ["NO_BEGIN", "seen_without_begin"]

NO_BEGIN = "fields as FIX has them, but no message begins there with 8=FIX and a version"
"""The `detail` where nothing more is clear."""

_LOOKED_AT = 4 << 10  # bytes, so that a very long line costs little
_HELD_APART = re.compile(
    # Anything that comes again after BodyLength, or else what no value of BeginString has.
    rb"8=FIX[A-Z]?\.?[0-9]\.[0-9](?:SP[0-9])?"
    rb"(?:([^\n0-9][^\n]{0,11}?|0x[0-9]{2})9=[0-9]{1,9}\1(?=[0-9])"
    rb"|([^=\n0-9A-Za-z.][^=\n]{0,11}?)(?<![0-9])(?=(?:9|35)[ \t]*=))"
)
_ONE_FIELD = re.compile(
    rb"[ \t]*(?:8=FIXT?\.[0-9]\.[0-9](?:SP[0-9])?|(?!8=)[0-9]{1,5}=[^=|;^\x01\x02\t]{0,200})\s*"
)
_BLANKS = re.compile(rb"(?<![0-9A-Za-z])(?:8|9|35|49|56)(?:[ \t]+=|=[ \t]+[0-9A-Za-z])")
_NAMES = re.compile(
    rb"(?<![0-9A-Za-z_])(?:BeginString|BodyLength|MsgType|SenderCompID|TargetCompID|MsgSeqNum"
    rb"|SendingTime|CheckSum)(?![0-9A-Za-z_])[^=:\n0-9A-Za-z]{0,4}(?:\([0-9]{1,2}\))?[=:]"
)
_OURS = re.compile(rb'"message":\{"Header":\{"BeginString":"FIX')
_AFTER_HEADER = re.compile(
    rb"(?<![0-9])(?:35=[0-9A-Za-z]{1,3}|9=[0-9]{1,9})([^=\n0-9A-Za-z.][^=\n]{0,11}?)(?=[0-9]{1,5}=)"
)
_AFTER_FIX = re.compile(rb"8=FIX([^=\n|;^\x01\t]{0,8})")


def seen_without_begin(text: bytes, delimiter: bytes) -> str:
    """Return in a sentence why no message begins in `text`; `delimiter` is that of its file.

    It mentions `--delimiter` only where that can help.
    """
    text = text[:_LOOKED_AT]
    if is_spelt(text):
        return (
            f"'=' is written as {_shown(spelling(text))}, and not in a string that holds a whole "
            "message: undo that in the file first"
        )
    if apart := _HELD_APART.search(text):
        found = apart[1] or apart[2]
        if found != delimiter and found not in DELIMITERS:
            return _to_be_named(found)
    if _ONE_FIELD.fullmatch(text):
        return "one field alone on its line: the fields of a message belong on one line"
    if _BLANKS.search(text):
        return "there are blanks beside '=', where FIX has none: take them out of the file first"
    if _OURS.search(text):
        return (
            "a line of JSON as fixfeed writes it: read the log or topic that it was made of; a "
            "topic that is to be read is written with format=raw"
        )
    if _NAMES.search(text):
        return "there are names where FIX has tag numbers alone: take them out of the file first"
    if begun := _AFTER_FIX.search(text):
        shown = _shown(begun[1])
        return f"8=FIX is followed by {shown}, where a version such as .4.4 and a delimiter belong"
    if after := _AFTER_HEADER.search(text):
        found = after[1]
        headless = re.compile(rb"(?:9=[0-9]{1,9}%b)?35=" % re.escape(found)).match(text)
        if headless and found != delimiter and naming(found):
            return f"{_shown(found)} seems to separate fields; if it does, name it with --delimiter"
        return (
            f"{_shown(found)} separates fields, but 8=FIX and a version before them are missing or "
            "damaged"
        )
    return NO_BEGIN


def _to_be_named(found: bytes) -> str:
    begin = f"{_shown(found)} comes after the version in 8=FIX; if it separates fields, "
    if naming(found):
        return f"{begin}name it with --delimiter"
    return f"{begin}replace it in the file, by | for example: --delimiter cannot name it"


def _shown(found: bytes) -> str:
    text = found.decode("utf-8", "backslashreplace")
    return f"'{''.join(one if one.isprintable() else ascii(one)[1:-1] for one in text)}'"
