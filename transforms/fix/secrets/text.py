"""Finds secret fields in bytes: in values of messages, in damaged tags, in other bytes.

In a value of a message a secret is only what follows `554=` after a delimiter, or after no digit.
Bytes that are not a message, and the text before a message on its line, may be written in any way:
with another delimiter, in another encoding, as JSON or XML, with names in place of tags. There,
anything that may be a secret is taken for one; too much is hidden rather than too little.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache

import numpy as np

from fixfeed.transforms.fix.arrays import Ints, Mask, Words
from fixfeed.transforms.fix.dictionary.union import merged
from fixfeed.transforms.fix.secrets.readings import (
    FILLER,
    INVISIBLE,
    VISIBLE,
    readings,
    without_escapes,
)
from fixfeed.transforms.fix.secrets.reduced import SPELT_SOH, Reduced, Span
from fixfeed.transforms.fix.secrets.value_end import field_end, text_span
from fixfeed.transforms.fix.secrets.without_field import may_be_without_field, without_field
from fixfeed.transforms.fix.swar import view, word

__all__ = ["SecretText"]

_NAMES: Mapping[int, tuple[str, ...]] = {
    553: ("user", "user?name", "user?id", "uid", "login"),
    554: ("pass", "pass?word", "pass?wd", "pass?phrase", "pass?code", "pwd", "pw", "secret"),
    96: ("raw?data",),
}
"""What logs call these fields, `?` being nothing or what joins words; others have FIX's names."""

_SHORTEST = 3
"""Names up to this long are also the end of other words."""

_ESCAPED = rb"(?<=\\1)|(?<==01)|(?<=x01)|(?<=u0001)|(?<=u2401)|(?<=\x5c001)"
_UNSPELT = re.compile(r"(?:u0001|x01|001)([0-9]+)\Z")

_LINE_END = re.compile(rb"\r?\n")
_MSG_TYPE = re.compile(rb"(?<![0-9])35[^\w=\n]{0,4}=[^\w\n]{0,4}(\w?)")
_LENGTH_BEFORE = re.compile(rb"(?<![0-9])([0-9]{1,9})=([0-9]{1,9})[^0-9=]{1,3}\Z")
_VALUE_NEXT = rb"[,\s]{0,9}\\*[\"']?value\\*[\"']?\s*[:=]"
_NAMED = rb"\\{0,2}[\"'\])>}]{0,2}\s{0,2}(?:=>?|:|/?>)|\\*[\"']?" + _VALUE_NEXT

_FILLED = np.ones(256, bool)
_FILLED[FILLER[0]] = False
# A name or tag has one of these after it, with a few bytes between them at the most.
_SIGNS = b"=:>"
_JOINS = b"", b"_", b"-", b".", b" "
_FURTHEST = 5
_JUNK = VISIBLE.copy()
_JUNK[[10, *range(48, 58), *range(65, 91), *range(97, 123)]] = False


class SecretText:
    """Finds the secrets of some tags. Can be pickled."""

    def __init__(self, tags: frozenset[int], *, only_logon: int):
        """The values of the tag `only_logon`, if it is not 0, are secrets in a Logon only."""
        self._tags, self._only_logon = tags, only_logon

    def in_value(self, octets: bytes) -> list[Span]:
        """Return the secret fields inside a value of a message.

        A secret goes on to the next delimiter like the one before its tag, or to SOH if there is
        none before it, but not beyond the line. Data goes on as far as the length before it says.
        What is secret in a Logon alone counts unless MsgType (35) shows that there is none.
        """
        if not any(sign in octets for sign in self._signs):
            return []
        reduced = Reduced(octets, _FILLED)
        text = reduced.text
        may_be_logon = _may_be_logon(text)
        found = []
        for match in self._strict.finditer(text):
            tag, start = int(match["tag"]), match.end()
            if tag == self._only_logon and not may_be_logon:
                continue
            line = _LINE_END.search(text, start)
            end = line.start() if line else len(text)
            beyond = text.find(match["delimiter"] or b"\x01", start, end)
            end = end if beyond < 0 else beyond
            length = self._length(text, match.start("tag"), tag)
            found.append(reduced.span(start, max(end, min(start + length, len(text))), tag))
        return found

    def in_anything(self, octets: bytes) -> list[Span]:
        """Return what may be a secret in bytes that are not a message.

        A span may end beyond them, if a length says so.
        """
        if not self._tags:
            return []
        if not self.may_be_in(octets):
            return []
        found = without_field(octets, self._tags)
        return [*found, *(span for one in readings(octets) for span in self._in_reading(one))]

    def _in_reading(self, octets: bytes) -> Iterator[Span]:
        reduced = Reduced(octets, VISIBLE)
        text = reduced.text
        past = 0
        for sign in self._candidates(text).tolist():
            if sign < past:
                continue
            begin = text.rfind(b"\n", 0, sign) + 1
            past = text.find(b"\n", sign) + 1 or len(text)
            for one in self._loosely(text, begin, past):
                yield reduced.span(*one)

    def may_be_in(self, octets: bytes) -> bool:
        """Tell whether `in_anything` may find something, at the cost of a few passes."""
        if may_be_without_field(octets):
            return True
        texts = (one.translate(None, INVISIBLE) for one in without_escapes(octets))
        return any(len(self._candidates(text)) for text in texts)

    def _candidates(self, text: bytes) -> Ints:
        """Return the places of signs that may have a name or tag before them."""
        padded = b"".join((bytes(16), text, bytes(8)))
        octets, words = np.frombuffer(padded, np.uint8), view(padded)
        here = octets == _SIGNS[0]
        for sign in _SIGNS[1:]:
            here |= octets == sign
        signs = np.flatnonzero(here)
        at = signs - 1
        for _ in range(_FURTHEST):
            junk = _JUNK.take(octets.take(at))
            if not junk.any():
                break
            at -= junk
        two = octets.take(at - 1).astype(np.uint16) << np.uint16(8)
        two |= octets.take(at)
        likely = np.flatnonzero(self._last_two.take(two))
        if not len(likely):
            return likely
        # Letters get the bit of lower case; digits have it.
        ends = words[at.take(likely) - 7] | word(b" " * 8)
        found = np.zeros(len(likely), bool)
        for width, texts in self._endings.items():
            end = ends >> np.uint64(64 - 8 * width)
            # The texts are sorted; `np.isin` would sort them anew, at three times the cost.
            nearest = texts.searchsorted(end)
            found |= texts.take(nearest, mode="clip") == end
        return signs.take(likely[found]) - 16

    @cached_property
    def _endings(self) -> Mapping[int, Words]:
        """The last eight bytes, or fewer, of names and tags as words, by how many there are."""
        texts = {b"value", *(b"%d" % tag for tag in self._tags)}
        for tag in self._tags:
            names = [name.split("?") for name in self._names_of(tag)]
            texts |= {join.join(map(str.encode, name)).lower() for name in names for join in _JOINS}
        ends: dict[int, set[int]] = {}
        for text in texts:
            end = bytes(byte | 32 for byte in text[-8:])
            ends.setdefault(len(end), set()).add(int.from_bytes(end, "little"))
        return {width: np.array(sorted(some), np.uint64) for width, some in ends.items()}

    @cached_property
    def _last_two(self) -> Mask:
        """Whether two bytes, as a number, may be the end of a name or tag."""
        likely = np.zeros((256, 256), bool)
        for width, texts in self._endings.items():
            for text in texts.tolist():
                *_, before, last = (0).to_bytes(1) + text.to_bytes(width, "little")
                for end in {last, last - 32 if chr(last).isalpha() else last}:
                    if width == 1:
                        likely[:, end] = True
                    likely[before, end] = likely[max(before - 32, 0), end] = True
        return likely.reshape(-1)

    def _loosely(self, text: bytes, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        for match in self._by_number.finditer(text, start, stop):
            tag = int(match[match.lastgroup or 0])
            if self._is_open(text, match, tag):
                continue
            before = text[match.start() - 1 : match.start()] if match.start() else b""
            begin = match.end()
            length = self._length(text, match.start(match.lastgroup or 0), tag)
            yield begin, max(field_end(text, begin, before), begin + length), tag
        for pattern in (self._by_mark, self._by_name):
            for match in pattern.finditer(text, start, stop):
                yield *text_span(text, match.end()), self._tag_of(match)

    def _is_open(self, text: bytes, match: re.Match[bytes], tag: int) -> bool:
        """Tell whether a tag is not a secret because its line is not a Logon."""
        if tag != self._only_logon:
            return False
        end = text.find(b"\n", match.end())
        return not _may_be_logon(
            text[text.rfind(b"\n", 0, match.start()) + 1 : end if end >= 0 else None]
        )

    def damaged(self, text: bytes) -> int:
        """Return our tag that a text which is not a tag may stand for, 0 if there is none."""
        return _damaged(self, text)[0]

    def tells_more(self, text: bytes) -> bool:
        """Tell whether more follows after the tag in a damaged one, perhaps its value."""
        return _damaged(self, text)[1]

    def opening(self, text: bytes) -> int:
        """Return the tag that a field without `=` begins with; 0 if it is none of ours."""
        match = self._first.match(Reduced(text, VISIBLE).text)
        return self._tag_of(match) if match else 0

    def read_tag(self, text: bytes) -> tuple[int, bool]:
        """Return the answers of `damaged` and `tells_more`."""
        spelt = SPELT_SOH.sub(b"\x01", text)
        try:
            folded = unicodedata.normalize("NFKC", spelt.decode())
        except UnicodeDecodeError:
            folded = unicodedata.normalize("NFKC", spelt.decode("latin-1"))
        runs = list(re.finditer(r"\d{1,20}", folded))
        for run in runs:
            if int(run[0]) in self._tags:
                return int(run[0]), bool(re.search(r"[^\W_]", folded[run.end() :]))
        together = "".join(run[0] for run in runs)
        if together and len(together) < 20 and int(together) in self._tags:
            return int(together), bool(re.search(r"[^\W\d_]", folded))
        unspelt = _UNSPELT.search(together if not runs else folded)
        if unspelt and int(unspelt[1]) in self._tags:
            return int(unspelt[1]), False
        name = self._name.search(folded.encode())
        if name:
            return self._tag_of(name), bool(re.search(rb"\w", folded.encode()[name.end() :]))
        return 0, False

    def _tag_of(self, match: re.Match[bytes]) -> int:
        kind = match.lastgroup or ""
        return int(match[kind]) if kind == "tag" else int(kind.removeprefix("name"))

    def _length(self, text: bytes, at: int, tag: int) -> int:
        """Return the length in the length field right before a data field, 0 if there is none."""
        if tag not in self._length_tags:
            return 0
        match = _LENGTH_BEFORE.search(text[max(0, at - 24) : at].rstrip(b"0"))
        return int(match[2]) if match and int(match[1]) == self._length_tags[tag] else 0

    @cached_property
    def _length_tags(self) -> Mapping[int, int]:
        lengths = merged().data_lengths.items()
        return {data: length for length, data in lengths if data in self._tags}

    @cached_property
    def _signs(self) -> list[bytes]:
        """Texts that are searched for first, as that is quicker than the pattern."""
        return [b"%d=" % tag for tag in self._tags]

    @cached_property
    def _either(self) -> bytes:
        return b"|".join(b"%d" % tag for tag in sorted(self._tags)) or rb"(?!)"

    @cached_property
    def _strict(self) -> re.Pattern[bytes]:
        return re.compile(rb"(?P<delimiter>[\x01|^;]|(?<![0-9]))0*(?P<tag>%b)=" % self._either)

    @cached_property
    def _by_number(self) -> re.Pattern[bytes]:
        # Unknown escapes end in digits. So a tag of three or more digits may follow other digits,
        # and a shorter one only known escapes.
        texts = [b"%d" % tag for tag in self._tags]
        long = b"|".join(text for text in texts if len(text) > 2) or rb"(?!)"
        short = b"|".join(text for text in texts if len(text) <= 2) or rb"(?!)"
        return re.compile(
            rb"(?:(?P<long>%b)|(?:(?<![0-9])0*|%b)(?P<short>%b))[^\w=\x01|\n]{0,4}="
            % (long, _ESCAPED, short)
        )

    @cached_property
    def _by_mark(self) -> re.Pattern[bytes]:
        """Tags in JSON, XML and the like; not the end of a time or of a number."""
        before = rb"(?<![0-9A-Za-z])(?<![0-9]\.)(?<!:[0-9][0-9],)(?<![0-9]:)0*"
        after = rb"\\{0,2}[\"')\]]?(?:\s{0,2}(?::|/?>)|%b)" % _VALUE_NEXT
        return re.compile(before + rb"(?P<tag>%b)" % self._either + after, re.IGNORECASE)

    @cached_property
    def _names(self) -> bytes:
        """The pattern of names; its groups are named after the tags."""
        groups, firsts = [], set()
        for tag in sorted(self._tags):
            names = []
            for name in self._names_of(tag):
                own = len(name) <= _SHORTEST or name == "pass" or tag not in _NAMES
                pattern = re.escape(name).replace(re.escape("?"), "[_. -]?")
                names.append(f"(?<![a-z]){pattern}" if own else pattern)
                firsts.add(name[0].lower())
            if names:
                groups.append(f"(?P<name{tag}>{'|'.join(names)})".encode())
        if not groups:
            return rb"(?!)"
        # Looking at the first letter alone costs a fraction of trying all names everywhere.
        return b"(?=[%b])(?:%b)" % ("".join(sorted(firsts)).encode(), b"|".join(groups))

    @staticmethod
    def _names_of(tag: int) -> list[str]:
        """Return the names of a field, the longer ones first."""
        field = merged().fields.get(tag)
        names = [*_NAMES.get(tag, ()), *([field.name] if field else [])]
        return sorted(names, key=len, reverse=True)

    @cached_property
    def _by_name(self) -> re.Pattern[bytes]:
        return re.compile(b"%b(?:%b)" % (self._names, _NAMED), re.IGNORECASE)

    @cached_property
    def _name(self) -> re.Pattern[bytes]:
        return re.compile(self._names, re.IGNORECASE)

    @cached_property
    def _first(self) -> re.Pattern[bytes]:
        number = rb"0*(?P<tag>%b)(?![0-9])" % self._either
        return re.compile(rb"\W{0,4}(?:%b|%b)" % (number, self._names), re.IGNORECASE)


@lru_cache(1 << 12)
def _damaged(secrets: SecretText, text: bytes) -> tuple[int, bool]:
    return secrets.read_tag(text)


def _may_be_logon(text: bytes) -> bool:
    types = _MSG_TYPE.findall(text)
    return not types or b"A" in types
