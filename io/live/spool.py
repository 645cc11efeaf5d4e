"""The spool: what came from networks, as it is on disk.

    SPOOL/tcp-0.0.0.0-9876/                          an address that a gateway listens to
        lock                                         held by its gateway
        2026-11-27T00.30.45.123456Z-10.0.0.7-51234/  a connection: when it came, and its peer
            000000000000.log                         a segment: its bytes, from position 0 on
            000067108864.log                         the next one
            index                                    a record for each chunk of bytes

A segment holds bytes as they came and nothing else; its name is the position of its first byte. A
record is 32 bytes: where its chunk ends, when it was received (microseconds UTC), the CRC-32 of the
chunk, its kind, and the CRC-32 of the record itself. The kind of the last one says how the
connection ended.

A record is written once its chunk is on disk (fdatasync), so what the index names is durable, and
is what readers read. What a killed gateway had written and not named yet is found by `recovery`.
"""

import datetime
import os
import re
import struct
import zlib
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

from fixfeed.io.ledger.source import Source

__all__ = [
    "DEFAULT",
    "INDEX",
    "LOCK",
    "PRIVATE",
    "RECORD",
    "Kind",
    "Record",
    "addresses_in",
    "connection_name",
    "connections_in",
    "folder_of_address",
    "packed",
    "records",
    "segment_name",
    "segments_of",
    "source_of",
]

DEFAULT = "fixfeed-spool"
"""The folder of a spool unless the user names another."""

PRIVATE = 0o750
"""The mode of folders: what peers send is as it came, passwords included."""

INDEX = "index"
LOCK = "lock"
_SEGMENT = ".log"
_SEGMENT_NAME = re.compile(r"(\d{12,})\.log")

_FORM = struct.Struct("<QqIII")
_CHECK = struct.Struct("<I")
RECORD = _FORM.size + _CHECK.size
"""The size of a record in bytes."""

_MOST_READ = 4096  # records
_TIME = "%Y-%m-%dT%H.%M.%S.%fZ"
_CONNECTION = re.compile(r"(\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d\.\d{6}Z)-(.+)-(\d{1,5})")
_ADDRESS = re.compile(r"(tcp|tls)-(.+)-(\d{1,5})")


class Kind(IntEnum):
    """What a record is: a chunk of bytes, or how the connection ended."""

    CHUNK = 0
    CLOSED = 1
    RESET = 2
    IDLE = 3
    FULL = 4
    STOPPED = 5
    DIED = 6


class Record(NamedTuple):
    """A record of an index: the position after its chunk, and when that was received."""

    end: int
    received: int
    crc: int
    kind: int


def packed(record: Record) -> bytes:
    """Return a record as it is stored."""
    data = _FORM.pack(*record, 0)
    return data + _CHECK.pack(zlib.crc32(data))


def records(index: Path, first: int = 0, limit: int = 1 << 62) -> Iterator[Record]:
    """Yield up to `limit` records from number `first` on, up to the first that is not whole.

    Raises `OSError` if there is no index.
    """
    with open(index, "rb", buffering=0) as file:
        file.seek(first * RECORD)
        while limit > 0 and (data := file.read(min(limit, _MOST_READ) * RECORD)):
            for at in range(0, len(data) - RECORD + 1, RECORD):
                end, received, crc, kind, _ = _FORM.unpack_from(data, at)
                (check,) = _CHECK.unpack_from(data, at + _FORM.size)
                if check != zlib.crc32(data[at : at + _FORM.size]):
                    return
                yield Record(end, received, crc, kind)
            limit -= len(data) // RECORD
            if len(data) % RECORD:
                return


def segments_of(connection: Path) -> list[tuple[int, Path]]:
    """Return the segments of a connection in order, each with the position of its first byte.

    Anything else in its folder is left alone. Raises `OSError` if the folder is gone.
    """
    with os.scandir(connection) as entries:
        names = [match for entry in entries if (match := _SEGMENT_NAME.fullmatch(entry.name))]
    return sorted((int(name[1]), connection / name[0]) for name in names)


def segment_name(position: int) -> str:
    """Return the name of the segment that begins at a position."""
    return f"{position:012d}{_SEGMENT}"


def folder_of_address(scheme: str, host: str, port: int) -> str:
    """Return the name of the folder of an address.

    >>> folder_of_address("tcp", "0.0.0.0", 9876)
    'tcp-0.0.0.0-9876'
    """
    return f"{scheme}-{_plain(host)}-{port}"


def connection_name(received: int, host: str, port: int) -> str:
    """Return the name of the folder of a connection that came at a time in microseconds.

    >>> connection_name(1795739445123456, "10.0.0.7", 51234)
    '2026-11-27T00.30.45.123456Z-10.0.0.7-51234'
    """
    when = datetime.datetime.fromtimestamp(received // 1_000_000, datetime.UTC)
    when = when.replace(microsecond=received % 1_000_000)
    return f"{when.strftime(_TIME)}-{_plain(host)}-{port}"


def _plain(host: str) -> str:
    return host.replace(":", "_").replace("/", "_")


def addresses_in(spool: Path) -> list[Path]:
    """Return the folders of addresses in a spool; none if there is no spool yet."""
    return _folders(spool, _ADDRESS)


def connections_in(address: Path) -> list[Path]:
    """Return the folders of connections of an address, in the order in which they came."""
    return _folders(address, _CONNECTION)


def _folders(folder: Path, names: re.Pattern[str]) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            found = [one.name for one in entries if names.fullmatch(one.name) and one.is_dir()]
    except FileNotFoundError:
        return []
    return [folder / name for name in sorted(found)]


def source_of(connection: Path) -> Source:
    """Return the source that a connection is; its folder tells all of it.

    >>> source_of(Path("s/tcp-0.0.0.0-9876/2026-11-27T00.30.45.123456Z-10.0.0.7-51234")).name
    'tcp://0.0.0.0:9876 from 10.0.0.7:51234 at 2026-11-27 00:30:45.123456'
    """
    address = _ADDRESS.fullmatch(connection.parent.name)
    peer = _CONNECTION.fullmatch(connection.name)
    assert address
    assert peer
    when = peer[1][:-1].replace("T", " ").replace(".", ":", 2)
    return Source(
        f"{address[1]}:{connection.parent.name}/{connection.name}",
        address[1],
        f"{address[1]}://{_spelt(address[2])}:{address[3]} from {_spelt(peer[2])}:{peer[3]} "
        f"at {when}",
    )


def _spelt(host: str) -> str:
    return f"[{host.replace('_', ':')}]" if "_" in host else host
