"""Reads compressed files as a stream, and says where and why one is damaged.

gz, bz2, xz and zst are known by their first bytes, whatever the name says; members one behind the
other (rotated logs put together) are read as one.
"""

import bz2
import lzma
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

import zstandard

__all__ = ["Damaged", "Stream", "compression_of"]

_MAGIC = {
    b"\x1f\x8b": "gz",
    b"BZh": "bz2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zst",
}
_CHUNK = 256 << 10
_SLICE = 2 << 10  # a decompressor that finds damage gives nothing of the slice it found it in


class Damaged(Exception):
    """A file cannot be read beyond what was read of it; the text is the reason."""


def compression_of(head: bytes) -> str:
    """Return `gz`, `bz2`, `xz`, `zst`, or `` for a file that begins with `head`."""
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), "")


def _decompressor(compression: str) -> Any:
    if compression == "gz":
        return zlib.decompressobj(wbits=31)
    if compression == "bz2":
        return bz2.BZ2Decompressor()
    if compression == "xz":
        return lzma.LZMADecompressor(lzma.FORMAT_XZ)
    return zstandard.ZstdDecompressor().decompressobj()


_ERRORS = (zlib.error, lzma.LZMAError, zstandard.ZstdError, OSError, EOFError)


class Stream:
    """The uncompressed bytes of an open file, from the beginning or, if it is plain, from anywhere.

    `position` is where in the uncompressed bytes the next read begins, `consumed` how many bytes of
    the file have been decompressed for it.
    """

    def __init__(self, file: BinaryIO, compression: str):
        """`file` is open for reading at its beginning; the stream does not close it."""
        self.position = 0
        self.consumed = 0
        self._file = file
        self._compression = compression
        self._pieces = self._decompressed() if compression else None
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
                    # What was good goes out first; the next read finds the damage again.
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
        return data

    def seek(self, position: int) -> None:
        """Go on to `position`, which for a compressed stream lies ahead. Raises `Damaged`."""
        if self._pieces is None:
            self._file.seek(position)
            self.position = position
        while self.position < position:
            if not self.read(min(_CHUNK * 4, position - self.position)):
                break

    _damage = ""

    def _fail(self, reason: str) -> Damaged:
        self._damage = reason
        return Damaged(reason)

    def _decompressed(self) -> Iterator[bytes]:
        """Yield the uncompressed bytes; a decompressor is used up at the end of each member."""
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


def _again(reason: str) -> Iterator[bytes]:
    raise Damaged(reason)
    yield b""
