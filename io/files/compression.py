"""Reads compressed files and UTF-16 as a stream, and reports where and why one is damaged.

gz, bz2, xz, zst, zip and UTF-16 are detected by their first bytes, whatever the file's name.
Consecutive members (concatenated rotated logs, the files in a zip archive) are read as one. If the
messages of a protocol are text, that in UTF-16 is read as UTF-8, compressed or not. `begin` below
is how they begin (`transforms.protocol.Protocol`), `` if they are bytes.
"""

import bz2
import codecs
import io
import itertools
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Any

import zstandard

__all__ = ["Damaged", "Stream", "compression_of"]

_MAGIC = {
    b"\x1f\x8b": "gz",
    b"BZh": "bz2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zst",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
}
_MARKS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
# Fields in ASCII; read as UTF-16 they would be a row of ideographs.
_EIGHT_BITS = re.compile(rb"[\x01\t\x20-\x7e]{16,}=[\x01\t\x20-\x7e]{16,}")
_HELD = 256
_CHUNK = 256 << 10
_MEMBER_SLICE = 64 << 10
_SLICE = 2 << 10  # a decompressor that finds damage gives nothing of the slice it found it in


class Damaged(Exception):
    """A file cannot be read any further; the text is the reason."""


def compression_of(head: bytes, begin: bytes) -> str:
    """Return how a file that begins with `head` is stored, `` if its bytes are plain.

    It is `gz`, `bz2`, `xz`, `zst` or `zip`; `utf-16-le` or `utf-16-be`; or `gz utf-16-le` and the
    like. `head` should be long enough to include a message, so that UTF-16 without a byte order
    mark is detected.
    """
    compression = next((name for magic, name in _MAGIC.items() if head.startswith(magic)), "")
    if compression == "zip":
        return compression
    if compression:
        try:
            head = Stream(io.BytesIO(head), compression, begin).read(_CHUNK)
        except Damaged:
            return compression
    return f"{compression} {_encoding_of(head, begin) if begin else ''}".strip()


def _encoding_of(head: bytes, begin: bytes) -> str:
    for mark, encoding in _MARKS.items():
        if head.startswith(mark) and not head.startswith(codecs.BOM_UTF32_LE):
            return encoding
    # UTF-16 after the first plain message was appended to 8-bit text.
    plain = head.find(begin)
    head = head if plain < 0 else head[:plain]
    for encoding in _MARKS.values():
        encoded = begin.decode().encode(encoding)
        if any(match.start() % 2 == 0 for match in re.finditer(re.escape(encoded), head)):
            return encoding
    return ""


def _decompressor(compression: str) -> Any:
    if compression == "gz":
        return zlib.decompressobj(wbits=31)
    if compression == "bz2":
        return bz2.BZ2Decompressor()
    if compression == "xz":
        return lzma.LZMADecompressor(lzma.FORMAT_XZ)
    return zstandard.ZstdDecompressor().decompressobj()


_ERRORS = (zlib.error, lzma.LZMAError, zstandard.ZstdError, OSError, EOFError)
_ZIP_ERRORS = (*_ERRORS, zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError)


class Stream:
    """The uncompressed bytes of an open file, from the beginning or, if it is plain, from anywhere.

    `position` is where the next read begins in the uncompressed bytes, and `before` is the byte
    before it. `consumed` is the number of bytes of the file decompressed so far.
    """

    def __init__(self, file: IO[bytes], compression: str, begin: bytes):
        """`file` is open for reading at its beginning; the stream does not close it.

        `compression` is as `compression_of` returns it.
        """
        self.position = 0
        self.consumed = 0
        self.before = b""
        self._file = file
        self._begin = begin
        self._compression, self._encoding = _parts(compression)
        self._pieces = self._read_on() if compression else None
        self._rest = b""

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, b"" at the end. Raises `Damaged`."""
        if self._pieces is None:
            try:
                data = self._file.read(size)
            except OSError as error:
                raise Damaged(f"cannot be read: {error}") from error
        else:
            parts, missing = [self._rest], size - len(self._rest)
            while missing > 0:
                try:
                    piece = next(self._pieces, b"")
                except Damaged:
                    # The good bytes are returned first; the next read raises the damage again.
                    self._pieces = _again(self._damage)
                    break
                if not piece:
                    break
                parts.append(piece)
                missing -= len(piece)
            data = b"".join(parts)
            if not data and self._damage:
                raise Damaged(self._damage)
            data, self._rest = data[:size], data[size:]
        self.position += len(data)
        self.before = data[-1:] or self.before
        return data

    def seek(self, position: int) -> None:
        """Move to `position`, which must lie ahead in a compressed stream. Raises `Damaged`."""
        if self._pieces is None:
            self._file.seek(max(0, position - 1))
            self.before = self._file.read(min(1, position))
            self.position = position
        while self.position < position:
            if not self.read(min(_CHUNK * 4, position - self.position)):
                break

    _damage = ""

    def _fail(self, reason: str) -> Damaged:
        self._damage = reason
        return Damaged(reason)

    def _read_on(self) -> Iterator[bytes]:
        match self._compression:
            case "":
                pieces = self._plain()
            case "zip":
                pieces = self._members()
            case _:
                pieces = self._decompressed()
        return self._decoded(pieces) if self._encoding else pieces

    def _plain(self) -> Iterator[bytes]:
        try:
            while data := self._file.read(_CHUNK):
                self.consumed += len(data)
                yield data
        except OSError as error:
            raise self._fail(f"cannot be read: {error}") from error

    def _decoded(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Yield UTF-16 as UTF-8, without its byte order mark, up to where 8-bit text begins."""
        decoder = codecs.getincrementaldecoder(self._encoding)("surrogatepass")
        first, held = True, b""
        for piece in itertools.chain(pieces, (b"",)):
            data = held + piece
            other = _EIGHT_BITS.search(data)
            # Such text may begin at the end of the data read so far.
            end = other.start() if other else len(data) - (_HELD if piece else 0)
            text, held = decoder.decode(data[: max(0, end)]), data[max(0, end) :]
            if first and text:
                text, first = text.removeprefix("\ufeff"), False
            if text:
                yield text.encode("utf-8", "surrogatepass")
            if other:
                raise self._fail(
                    "its UTF-16 text is followed by text of 8 bits (another program has appended "
                    "it); split the file there"
                )
        if decoder.getstate()[0]:
            raise self._fail("its UTF-16 text ends inside a character")

    def _members(self) -> Iterator[bytes]:
        """Yield the files of a zip archive in order; those of text end with a line end."""
        try:
            with zipfile.ZipFile(self._file) as archive:
                for info in archive.infolist():
                    # The files that macOS adds to an archive are only metadata.
                    if not info.is_dir() and not info.filename.startswith("__MACOSX/"):
                        yield from self._member(archive, info)
        except _ZIP_ERRORS as error:
            raise self._fail(f"its zip data is damaged: {error}") from error

    def _member(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
        before, last = self.consumed, b"\n"
        try:
            with archive.open(info) as packed:
                compression = compression_of(packed.read(_CHUNK), self._begin)
            with archive.open(info) as packed:
                inner = Stream(packed, compression, self._begin)
                while data := inner.read(_MEMBER_SLICE):
                    share = min(1, packed.tell() / max(1, info.file_size))
                    self.consumed = before + int(info.compress_size * share)
                    yield data
                    last = data[-1:]
        except (Damaged, *_ZIP_ERRORS) as error:
            raise self._fail(f"its member {info.filename!r} cannot be read: {error}") from error
        self.consumed = before + info.compress_size
        if self._begin and last != b"\n":
            yield b"\n"

    def _decompressed(self) -> Iterator[bytes]:
        """Yield the uncompressed bytes, with a new decompressor for each member."""
        inner = None
        while True:
            try:
                data = self._file.read(_CHUNK)
            except OSError as error:
                raise self._fail(f"cannot be read: {error}") from error
            if not data:
                if inner is not None:
                    raise self._fail(f"its {self._compression} data ends too early")
                return
            at = 0
            while at < len(data):
                if inner is None:
                    if data[at] == 0:  # padding between members
                        at += 1
                        continue
                    inner = _decompressor(self._compression)
                part = data[at : at + _SLICE]
                try:
                    piece = inner.decompress(part)
                except _ERRORS as error:
                    raise self._fail(f"its {self._compression} data is damaged: {error}") from error
                at += len(part)
                self.consumed += len(part)
                if inner.eof:
                    at -= len(inner.unused_data)
                    inner = None
                if piece:
                    yield piece


def _parts(compression: str) -> tuple[str, str]:
    """Split a result of `compression_of` into compression and encoding."""
    words = compression.split()
    encoding = words.pop() if words and words[-1] in _MARKS.values() else ""
    return " ".join(words), encoding


def _again(reason: str) -> Iterator[bytes]:
    raise Damaged(reason)
    yield b""
