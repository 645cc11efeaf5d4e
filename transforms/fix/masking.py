"""Keeps secrets out of everything that is stored, printed or sent.

Values are masked in the bytes of a message before anything is made of them; what is wrong with a
message (CheckSum, BodyLength) is told by the bytes as they came.
"""

import difflib
import hashlib
import hmac
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from transforms.fix.dictionary import merged

__all__ = ["DEFAULT", "HOW", "RAW_DATA", "SECRETS", "Masking", "MaskingError", "read_masking"]

HOW = ("mask", "hash", "drop", "keep")
"""What happens to a value: asterisks, as many as it has bytes (BodyLength tells how many there are
anyway, and stays right); 16 hexadecimal digits of HMAC-SHA256 under a key, the same for the same
value; the field is taken out; nothing."""

SECRETS = (553, 554, 925, 1402, 1404)
"""Username, Password, NewPassword, EncryptedPassword, EncryptedNewPassword. RawData (96) is masked
in a Logon, where it holds a password or a signature."""

RAW_DATA = 96

_FRAMING = (8, 9, 10, 35)


class MaskingError(ValueError):
    """What is to be masked cannot be understood; the text says what was expected."""


@dataclass(frozen=True)
class Masking:
    """Which tags are masked, and how.

    `how` has one of `HOW` by tag; RawData (96) stands for that of a Logon, unless it was asked for
    by the user, who then means all (`raw_data_everywhere`). `key` is that of the hashes.
    """

    how: Mapping[int, str]
    key: bytes = b""
    raw_data_everywhere: bool = False

    @cached_property
    def digest(self) -> str:
        """What tells this masking from others; it does not tell the key."""
        parts = [f"{tag}={how}" for tag, how in sorted(self.how.items())]
        parts.append(str(self.raw_data_everywhere))
        key = hashlib.blake2b(self.key, digest_size=8).hexdigest() if self.key else ""
        return " ".join([*parts, key])

    def __eq__(self, other: object) -> bool:
        """Compare by what is done."""
        return isinstance(other, Masking) and self.digest == other.digest

    def __hash__(self) -> int:
        """Hash what is done."""
        return hash(self.digest)

    @cached_property
    def tags(self) -> frozenset[int]:
        """The tags that are not kept."""
        return frozenset(tag for tag, how in self.how.items() if how != "keep")

    def applies(self, tag: int, msg_types: Collection[bytes]) -> bool:
        """Tell whether the value of a tag is masked in a message with these values of MsgType (35).

        There are several where a message inside another was cut out of its data field.
        """
        if tag == RAW_DATA and not self.raw_data_everywhere:
            return tag in self.tags and b"A" in msg_types
        return tag in self.tags

    def hashed(self, value: bytes) -> bytes:
        """Return the hash that takes the place of a value; an empty one stays empty."""
        return hmac.digest(self.key, value, "sha256").hex()[:16].encode() if value else b""

    def value(self, tag: int, value: bytes) -> bytes | None:
        """Return what takes the place of a value, None if the field is dropped."""
        match self.how[tag]:
            case "hash":
                return self.hashed(value)
            case "drop":
                return None
            case _:
                return b"*" * len(value)

    def text(self, octets: bytes) -> bytes:
        """Mask what looks like secret fields in bytes that are no message, or inside a value.

        All of them become asterisks, so that nothing moves. RawData is masked unless MsgType (35)
        says that there is no Logon.
        """
        if not self.may_be_inside(octets):
            return octets
        masked = self._pattern.sub(_asterisks, octets) if self._pattern else octets
        if self._raw_data and _may_be_logon(octets):
            masked = self._raw_data.sub(_asterisks_by_length, masked)
        return masked

    def may_be_inside(self, octets: bytes) -> bool:
        """Tell quickly whether `text` may have something to mask."""
        return any(sign in octets for sign in self._signs)

    def tags_inside(self, octets: bytes) -> set[int]:
        """Return the tags of what `text` masks."""
        found = self._pattern.finditer(octets) if self._pattern else ()
        tags = {int(match[1].rstrip(b"=")) for match in found}
        if self._raw_data and _may_be_logon(octets) and self._raw_data.search(octets):
            tags.add(RAW_DATA)
        return tags

    @cached_property
    def _signs(self) -> list[bytes]:
        """What is quickly looked for before a pattern is."""
        return [b"%d=" % tag for tag in self.tags]

    @cached_property
    def _pattern(self) -> re.Pattern[bytes] | None:
        tags = sorted(tag for tag in self.tags if tag != RAW_DATA or self.raw_data_everywhere)
        if not tags:
            return None
        either = b"|".join(b"%d" % tag for tag in tags)
        return re.compile(rb"(?<![0-9])(0*(?:%b)=)([^\x01|^;\r\n]*)" % either)

    @cached_property
    def _raw_data(self) -> re.Pattern[bytes] | None:
        if RAW_DATA not in self.tags:
            return None
        return re.compile(
            rb"(?<![0-9])((?:95=([0-9]{1,6})[^0-9\r\n]{1,2})?96=)([^\x01|^;\r\n]*)(.*)", re.DOTALL
        )


def _may_be_logon(octets: bytes) -> bool:
    return b"35=A" in octets or b"35=" not in octets


def _asterisks(match: re.Match[bytes]) -> bytes:
    return match[1] + b"*" * len(match[2])


def _asterisks_by_length(match: re.Match[bytes]) -> bytes:
    """Mask RawData, to the length that stands before it where that is the longer one."""
    opening, length, value, rest = match.groups()
    beyond = min(max(int(length or 0) - len(value), 0), len(rest))
    return opening + b"*" * (len(value) + beyond) + rest[beyond:]


def read_masking(texts: Iterable[str], *, key: bytes = b"") -> Masking:
    """Return the masking of the secrets, changed by texts such as `Account=hash`.

    Each text is a tag or a field's name, and one of `HOW` behind `=`, `mask` if there is none.
    Raises `MaskingError`.
    """
    how = dict.fromkeys((*SECRETS, RAW_DATA), "mask")
    everywhere = False
    for text in texts:
        name, _, chosen = (part.strip() for part in text.partition("="))
        chosen = chosen or "mask"
        tag = _tag(name, text)
        if chosen not in HOW:
            raise MaskingError(f"mask is {text!r}: {chosen!r} is none of {', '.join(HOW)}")
        if tag in _FRAMING:
            raise MaskingError(f"mask is {text!r}: without {name} a message cannot be read")
        if chosen == "hash" and not key:
            raise MaskingError(f"mask is {text!r}: hashes want a key, see --mask-key-file")
        how[tag] = chosen
        everywhere |= tag == RAW_DATA and chosen != "keep"
    return Masking(how, key, everywhere)


def _tag(name: str, text: str) -> int:
    if name.isascii() and name.isdigit() and int(name):
        return int(name)
    for tag, field in merged().fields.items():
        if field.name.lower() == name.lower():
            return tag
    near = _nearest(name, [field.name for field in merged().fields.values()])
    raise MaskingError(f"mask is {text!r}: there is no field {name!r}{near}")


def _nearest(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {near[0]}?" if near else ""


DEFAULT = read_masking(())
"""The secrets, masked."""
