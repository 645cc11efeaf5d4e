"""Keeps secrets out of everything that is stored, printed or sent.

Values are masked in the bytes of a message before anything is made of them; its defects (CheckSum,
BodyLength) are those of the bytes as they came.
"""

import hashlib
import hmac
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple

from fixfeed.transforms.fix.dictionary.union import merged
from fixfeed.transforms.fix.secrets.reduced import Span
from fixfeed.transforms.fix.secrets.text import SecretText
from fixfeed.transforms.nearest import did_you_mean

__all__ = [
    "DEFAULT",
    "HOW",
    "RAW_DATA",
    "SECRETS",
    "UNMASKED",
    "Cut",
    "Masking",
    "MaskingError",
    "read_masking",
]

HOW = ("mask", "hash", "drop", "keep")
"""What happens to a value: asterisks, as many as it has bytes (BodyLength shows how many there are
anyway, and stays right); 16 hexadecimal digits of HMAC-SHA256 under a key, the same for the same
value; the field is taken out; nothing."""

SECRETS = (553, 554, 925, 1402, 1404)
"""Username, Password, NewPassword, EncryptedPassword, EncryptedNewPassword. RawData (96) is masked
in a Logon, where it holds a password or a signature."""

RAW_DATA = 96
_PASSWORD = 554

_FRAMING = (8, 9, 10, 35)

_FIELD = re.compile(rb"(?:\A|[^0-9A-Za-z=\n]{1,12})[0-9]{1,5}[ \t]*=")
_CUT_TAG = re.compile(rb"[^0-9A-Za-z]([0-9]{1,4})[ \t]*\Z")
_REST_OF_TAG = re.compile(rb"([0-9]{0,4})[ \t]*=")


class Cut(NamedTuple):
    """A secret that a log cuts: in its value, or in its `tag`, of which these digits are left."""

    in_value: bool
    tag: bytes


class MaskingError(ValueError):
    """A masking that cannot be understood; the text says what was expected."""


@dataclass(frozen=True)
class Masking:
    """Which tags are masked, and how.

    `how` has one of `HOW` by tag, and adds to `SECRETS` and RawData (96), which are masked unless
    it says `keep`. RawData is masked only in a Logon, unless the user asked for it, which means
    everywhere (`raw_data_everywhere`). `key` is that of the hashes.

    Raises:
      MaskingError: `how` has another word, hides a field that framing needs, or hashes without a
        key, which anyone could undo by trying.
    """

    how: Mapping[int, str]
    key: bytes = b""
    raw_data_everywhere: bool = False

    def __post_init__(self):
        """Add the secrets."""
        for tag, how in self.how.items():
            if how not in HOW:
                raise MaskingError(f"mask of {tag} is {how!r}, expected {', '.join(HOW)}")
            if how != "keep" and tag in _FRAMING:
                raise MaskingError(f"{tag} cannot be masked: without it no message can be read")
            if how == "hash" and not self.key:
                raise MaskingError(f"hashes of {tag} want a key")
        secrets = dict.fromkeys((*SECRETS, RAW_DATA), "mask")
        object.__setattr__(self, "how", secrets | dict(self.how))

    @cached_property
    def digest(self) -> str:
        """A text that identifies this masking without giving away the key."""
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
        """Mask what looks like secret fields inside a value of a message (`in_value`).

        All of them become asterisks, so that nothing moves.
        """
        return _with_asterisks(octets, self.secrets.in_value(octets))

    def tags_inside(self, octets: bytes) -> set[int]:
        """Return the tags of what `text` masks."""
        return {span.tag for span in self.secrets.in_value(octets)}

    def left_over(self, octets: bytes) -> tuple[bytes, int]:
        """Mask what may be secret in bytes that are not a message (`in_anything`), as `text` does.

        The number is how many bytes after them belong to a secret as well: data that holds an end
        of line goes on in the next line.
        """
        spans = self.secrets.in_anything(octets)
        beyond = max((span.end - len(octets) for span in spans), default=0)
        shown = _with_asterisks(octets, [*spans, *self._rests(octets)])
        return shown, max(beyond, 0)

    def _rests(self, octets: bytes) -> Iterator[Span]:
        """Yield the rests of secrets on the lines after those that they begin on."""
        cut, at = None, 0
        for line in octets.splitlines(keepends=True) if b"\n" in octets else ():
            if cut:
                yield Span(at, at + self.rest_of(cut, line.rstrip()), _PASSWORD)
            cut, at = self.cut_at(line), at + len(line)

    def cut_at(self, octets: bytes) -> Cut | None:
        """Return the secret that the end of `octets` may cut; None if there is none."""
        end = len(octets.rstrip())
        in_value = any(span.end >= end for span in self.secrets.in_anything(octets))
        found = _CUT_TAG.search(octets)
        tag = found[1] if found else b""
        if not any((b"%d" % one).startswith(tag) for one in self.tags):
            tag = b""
        return Cut(in_value, tag) if in_value or tag else None

    def rest_of(self, cut: Cut, line: bytes) -> int:
        """Return how many bytes of a line may be the rest of what was cut on the line before it."""
        field = _FIELD.search(line)
        if not field:
            return len(line)
        rest = _REST_OF_TAG.match(line)
        if cut.tag and rest and int(cut.tag + rest[1]) in self.tags:
            field = _FIELD.search(line, rest.end())
            return field.start() if field else len(line)
        return field.start() if cut.in_value else 0

    @cached_property
    def secrets(self) -> SecretText:
        """The finder of secrets in bytes."""
        return SecretText(self.tags, only_logon=0 if self.raw_data_everywhere else RAW_DATA)


# Keeps NULs, so that text of two bytes per character stays such a text.
_ASTERISKS = b"\0" + b"*" * 255


def _with_asterisks(octets: bytes, spans: Sequence[Span]) -> bytes:
    if not spans:
        return octets
    masked = bytearray(octets)
    for start, end, _ in spans:
        masked[start:end] = masked[start:end].translate(_ASTERISKS)
    return bytes(masked)


def read_masking(
    texts: Iterable[str], *, key: bytes = b"", own_names: Mapping[int, str] = MappingProxyType({})
) -> Masking:
    """Return the masking of the secrets, changed by texts such as `Account=hash`.

    Each text is a tag or a field's name, and one of `HOW` after `=`, `mask` if there is none;
    `own_names` are names that dictionaries of counterparties give to tags.
    Raises `MaskingError`.
    """
    how: dict[int, str] = {}
    everywhere = False
    for text in texts:
        name, _, chosen = (part.strip() for part in text.partition("="))
        chosen = chosen or "mask"
        tag = _tag(name, text, own_names)
        if chosen not in HOW:
            raise MaskingError(f"mask is {text!r}: {chosen!r} is none of {', '.join(HOW)}")
        if tag in _FRAMING:
            raise MaskingError(f"mask is {text!r}: without {name} a message cannot be read")
        if tag in merged().fields and merged().fields[tag].type == "NUMINGROUP":
            raise MaskingError(f"mask is {text!r}: {name} counts a group; mask its members")
        if chosen == "hash" and not key:
            raise MaskingError(f"mask is {text!r}: hashes want a key, see --mask-key-file")
        how[tag] = chosen
        everywhere |= tag == RAW_DATA and chosen != "keep"
    return Masking(how, key, everywhere)


def _tag(name: str, text: str, own_names: Mapping[int, str]) -> int:
    if name.isascii() and name.isdigit() and int(name):
        return int(name)
    names = {field.name: tag for tag, field in merged().fields.items()}
    names |= {own: tag for tag, own in own_names.items()}
    for known, tag in names.items():
        if known.lower() == name.lower():
            return tag
    raise MaskingError(
        f"mask is {text!r}: there is no field {name!r}{did_you_mean(name, [*names])}"
    )


DEFAULT = read_masking(())
"""The secrets, masked."""

UNMASKED = Masking(dict.fromkeys((*SECRETS, RAW_DATA), "keep"))
"""Nothing masked: for tests, and for logs that hold no secret."""
