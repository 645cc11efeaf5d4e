"""Sample logs: a trading day of several sessions, and the truth about every file.

python -m fixfeed.pipelines.sample.command --output demo/logs
"""

import bz2
import gzip
import lzma
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import zstandard

from fixfeed.pipelines.sample.day import Sent, Session, trading_day
from fixfeed.pipelines.sample.drop_copy import drop_copy
from fixfeed.pipelines.sample.layouts import LAYOUTS
from fixfeed.pipelines.sample.log import Log
from fixfeed.pipelines.sample.truth import Truth
from fixfeed.pipelines.words import WordParser, read_words, whole_number

__all__ = ["COMPRESSIONS", "DEFAULT_MESSAGES", "main", "write_sample"]

DEFAULT_MESSAGES = 20_000

COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "none": bytes,
    "gz": lambda data: gzip.compress(data, mtime=0),
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstandard.ZstdCompressor(write_checksum=True).compress,
}
"""The compressions of a file, by the suffix of its name."""

_LEAST = 20
_SESSIONS = {
    "quickfix": Session("FIX.4.4", "BUYSIDE", "BROKER", digits=6),
    "log4j": Session("FIX.4.2", "HEDGE", "BROKER"),
    "iso": Session("FIXT.1.1", "ALGO", "VENUE", client_logs=True, digits=9),
    "plain": Session("FIX.4.4", "FUND", "BROKER"),
    "stream": Session("FIXT.1.1", "DESK", "VENUE", client_logs=True, digits=6),
    "pipe": Session("FIX.4.0", "PENSION", "BROKER", digits=0),
    "caret_a": Session("FIX.4.4", "QUANT", "MDFEED", client_logs=True, quotes=True),
    "caret": Session("FIX.4.4", "RETAIL", "BROKER"),
    "semicolon": Session("FIXT.1.1", "VIEWER", "MDFEED", client_logs=True, quotes=True),
    "tab": Session("FIX.4.4", "DROPCOPY", "BROKER"),
}
_COPIES = {"tab": "quickfix"}  # the session whose executions a drop copy has
_COMPRESSED = {"log4j": "gz", "iso": "zst"}
_ABOUT_FILLS = (
    "fills are what stands after busts and corrections, by symbol; notional is quantity times"
    " price. A file with drop_copy_of has the executions of that session once more, so its fills"
    " are not in the total."
)
_UNFINISHED = "plain"  # its log breaks off inside a message, like one that is still being written


def _write_log(name: str, shares: Mapping[str, int], seed: int) -> tuple[bytes, Truth]:
    """Return the bytes of the log with the layout `name`, and the truth about it.

    `shares` are the numbers of messages by layout.
    """
    session = _SESSIONS[name]
    log = Log(session, LAYOUTS[name], random.Random(f"{seed} {name} log"))
    log.write_line(f"=== {session.name} log opened ===")
    breaks_off = name == _UNFINISHED
    for sent in _day(name, shares, seed):
        log.write(sent)
    return (log.break_off(sent) if breaks_off else log.finished()), log.truth


def _day(name: str, shares: Mapping[str, int], seed: int) -> Iterator[Sent]:
    messages = shares[name]
    original = _COPIES.get(name)
    if original is None:
        return trading_day(_SESSIONS[name], messages, random.Random(f"{seed} {name}"))
    rng = random.Random(f"{seed} {original}")
    of_messages = shares.get(original, messages)
    return drop_copy(_SESSIONS[name], messages, _SESSIONS[original], of_messages, rng)


def write_sample(
    folder: Path,
    *,
    messages: int = DEFAULT_MESSAGES,
    seed: int = 42,
    layouts: Sequence[str] = tuple(LAYOUTS),
    compression: str | None = None,
) -> dict[str, Any]:
    """Write one log per layout into `folder`, and manifest.json; return the manifest.

    The logs share `messages` evenly. `compression` is one of `COMPRESSIONS` for all of them;
    without it two are compressed. The same arguments give the same bytes. Logs of an earlier sample
    in `folder`, which its manifest names, are replaced. Raises `ValueError` if there are too few
    messages for the logs, or if `folder` has other files of these names, and `OSError` if it cannot
    be written.
    """
    if messages < _LEAST * len(layouts):
        raise ValueError(
            f"--messages {messages} is too few for {len(layouts)} logs: "
            f"give at least {_LEAST * len(layouts)}, or fewer layouts"
        )
    folder.mkdir(parents=True, exist_ok=True)
    manifest = folder / "manifest.json"
    ours = _files_of(manifest)
    names = [_file_name(name, kind) for name in LAYOUTS for kind in COMPRESSIONS]
    foreign = [name for name in (*names, manifest.name) if name not in ours]
    there = [name for name in foreign if (folder / name).exists()]
    if there:
        raise ValueError(
            f"{folder} has a {there[0]} that fixfeed sample did not write; name another folder"
        )
    for name in ours - {manifest.name}:
        (folder / name).unlink(missing_ok=True)
    shares = {
        name: messages // len(layouts) + (number < messages % len(layouts))
        for number, name in enumerate(layouts)
    }
    files = {}
    total = Truth()
    for name in layouts:
        data, truth = _write_log(name, shares, seed)
        kind = compression or _COMPRESSED.get(name, "none")
        file_name = _file_name(name, kind)
        (folder / file_name).write_bytes(COMPRESSIONS[kind](data))
        original = _COPIES.get(name)
        copied = {"drop_copy_of": _SESSIONS[original].name} if original else {}
        files[file_name] = {
            "layout": name,
            "session": _SESSIONS[name].name,
            **copied,
            "bytes": len(data),
            **truth.counts(),
        }
        total.add(truth)
        if not copied:
            total.add_fills(truth)
    result = {"seed": seed, "about_fills": _ABOUT_FILLS, "files": files, "total": total.counts()}
    manifest.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2) + b"\n")
    return result


def _files_of(manifest: Path) -> set[str]:
    """Return the file names of an earlier sample, with its manifest; empty if it is none."""
    try:
        found = orjson.loads(manifest.read_bytes())
        names = {_file_name(name, kind) for name in LAYOUTS for kind in COMPRESSIONS}
        return {manifest.name, *names.intersection(found["files"])} if "seed" in found else set()
    except (FileNotFoundError, orjson.JSONDecodeError, KeyError, TypeError):
        return set()


def _file_name(layout: str, compression: str) -> str:
    return f"{layout}.log" + ("" if compression == "none" else f".{compression}")


def _parser() -> WordParser:
    parser = WordParser(
        prog="fixfeed sample",
        description="Write FIX logs of a trading day, and manifest.json with what they hold.",
    )
    parser.add_argument("--output", required=True, metavar="FOLDER", type=Path)
    parser.add_argument("--messages", type=whole_number, default=DEFAULT_MESSAGES, metavar="N")
    parser.add_argument("--seed", type=int, default=42, metavar="S")
    parser.add_argument(
        "--layout",
        nargs="+",
        choices=LAYOUTS,
        default=list(LAYOUTS),
        metavar="LAYOUT",
        help=f"which logs to write: {', '.join(LAYOUTS)} (default: all)",
    )
    parser.add_argument(
        "--compress",
        choices=COMPRESSIONS,
        help="compress all logs so (default: one gz, one zst, the others not)",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code: 0, or 2 if it cannot be done as asked."""
    options = read_words(_parser(), argv)
    try:
        result = write_sample(
            options.output,
            messages=options.messages,
            seed=options.seed,
            layouts=list(dict.fromkeys(options.layout)),
            compression=options.compress,
        )
    except (ValueError, OSError) as error:
        print(f"fixfeed sample: {error}", file=sys.stderr)
        return 2
    for name, file in result["files"].items():
        print(f"{name:<18}{file['messages']:>9,} messages  {file['session']}")
    total = result["total"]
    print(
        f"{options.output}: {total['messages']:,} messages ({sum(total['defects'].values()):,} "
        f"defects), {sum(total['failures'].values()):,} failures, {total['skipped']:,} other "
        "lines; the truth by file is in manifest.json"
    )
    return 0
