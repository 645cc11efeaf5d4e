"""Sample logs: a trading day of several sessions, and the truth about every file.

python -m fixfeed.pipelines.sample.command --output demo/logs
"""

import argparse
import bz2
import gzip
import io
import lzma
import random
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import orjson
import zstandard

from fixfeed.pipelines.sample.damages import DAMAGES, NOISE, Found
from fixfeed.pipelines.sample.day import Sent, Session, trading_day
from fixfeed.pipelines.sample.layouts import LAYOUTS, Layout

__all__ = ["COMPRESSIONS", "DEFAULT_MESSAGES", "Truth", "main", "write_sample"]

DEFAULT_MESSAGES = 20_000

COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "none": bytes,
    "gz": lambda data: gzip.compress(data, mtime=0),
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstandard.ZstdCompressor(write_checksum=True).compress,
}
"""The compressions of a file, by the suffix of its name."""

_DAMAGED = 0.015
_NOISY = 0.004
_LEAST = 20
_SESSIONS = {
    "quickfix": Session("FIX.4.4", "BUYSIDE", "BROKER", digits=6),
    "log4j": Session("FIX.4.2", "HEDGE", "BROKER"),
    "iso": Session("FIXT.1.1", "ALGO", "VENUE", client_logs=True, digits=9),
    "plain": Session("FIX.4.4", "FUND", "BROKER"),
    "stream": Session("FIXT.1.1", "DESK", "VENUE", client_logs=True, digits=6),
    "pipe": Session("FIX.4.2", "PENSION", "BROKER"),
    "caret_a": Session("FIX.4.4", "QUANT", "MDFEED", client_logs=True, quotes=True),
    "caret": Session("FIX.4.4", "RETAIL", "BROKER"),
    "semicolon": Session("FIXT.1.1", "VIEWER", "MDFEED", client_logs=True, quotes=True),
}
_COMPRESSED = {"log4j": "gz", "iso": "zst"}
_UNFINISHED = "plain"  # its log breaks off inside a message, like one that is still being written


@dataclass(slots=True)
class Truth:
    """What a reader must find in a file, known from how it was made.

    `messages` are also counted by MsgType and, if they have defects, by kind of defect; `failures`
    are counted by reason; `skipped` are lines without FIX.
    """

    messages: int = 0
    by_msg_type: Counter[str] = field(default_factory=Counter)
    defects: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    skipped: int = 0

    def add(self, other: "Truth") -> None:
        """Add the counts of another file."""
        self.messages += other.messages
        self.by_msg_type.update(other.by_msg_type)
        self.defects.update(other.defects)
        self.failures.update(other.failures)
        self.skipped += other.skipped

    def counts(self) -> dict[str, Any]:
        """Return the counts as in the manifest, with those by name sorted by name."""
        return {
            "messages": self.messages,
            "by_msg_type": dict(sorted(self.by_msg_type.items())),
            "defects": dict(sorted(self.defects.items())),
            "failures": dict(sorted(self.failures.items())),
            "skipped": self.skipped,
        }


class _Log:
    """A log that is being written: good messages, damaged ones, lines between them."""

    def __init__(self, session: Session, layout: Layout, rng: random.Random):
        self._session = session
        self._layout = layout
        self._rng = rng
        self._data = io.BytesIO()
        self._damages = rng.sample(DAMAGES, len(DAMAGES))
        self._noise = cycle(rng.sample(NOISE, len(NOISE)))
        self._due = 0.0
        self._whole = False
        self.truth = Truth()

    def write(self, sent: Sent) -> None:
        """Write a message; a few are damaged or follow a line of another kind."""
        prefix = self._prefix(sent)
        if self._layout.line_end and self._rng.random() < _NOISY:
            self._write_noise(prefix)
        found = self._damage(sent) or Found(sent.message)
        # A damaged message always follows a whole one: without line ends two damaged ones in a row
        # might be read as one, and the first message must show the layout.
        self._whole = found.data == sent.message
        self._data.write(self._layout.write(found.data, prefix))
        truth = self.truth
        if found.failure:
            truth.failures[found.failure] += 1
            return
        truth.messages += 1
        truth.by_msg_type[sent.msg_type] += 1
        truth.defects.update(found.defects)

    def write_line(self, text: str) -> None:
        """Write a line without FIX, if the layout has lines."""
        if self._layout.line_end:
            self._data.write(text.encode() + self._layout.line_end)
            self.truth.skipped += 1

    def break_off(self, sent: Sent) -> bytes:
        """Return the log, ending inside this message."""
        part = sent.message[: len(sent.message) * 2 // 3]
        whole = self._layout.write(part, self._prefix(sent))
        self._data.write(whole.removesuffix(self._layout.line_end))
        self.truth.failures["truncated"] += 1
        return self.finished()

    def finished(self) -> bytes:
        """Return the log."""
        return self._data.getvalue()

    def _prefix(self, sent: Sent) -> str:
        return self._layout.prefix(sent.at, self._session.name, sent.direction)

    def _damage(self, sent: Sent) -> Found | None:
        self._due += _DAMAGED
        # News are rare, and only they have data fields, so no chance to damage one is missed.
        rare = sent.msg_type == "B"
        if self._due < 1 or not self._whole or (not rare and self._rng.random() < 0.8):
            return None
        for damage in self._damages:
            found = damage(sent.message, self._layout, self._rng)
            if found:
                self._damages.remove(damage)
                self._damages.append(damage)
                self._due -= 1
                return found
        return None

    def _write_noise(self, prefix: str) -> None:
        line, reason = next(self._noise)
        before = prefix.encode() if self._rng.random() < 0.5 else b""
        self._data.write(before + line + self._layout.line_end)
        if reason:
            self.truth.failures[reason] += 1
        else:
            self.truth.skipped += 1


def _write_log(name: str, messages: int, seed: int) -> tuple[bytes, Truth]:
    """Return the bytes of the log with the layout `name`, and the truth about it."""
    rng = random.Random(f"{seed} {name}")
    session = _SESSIONS[name]
    log = _Log(session, LAYOUTS[name], rng)
    log.write_line(f"=== {session.name} log opened ===")
    breaks_off = name == _UNFINISHED
    for sent in trading_day(session, messages, rng):
        log.write(sent)
    return (log.break_off(sent) if breaks_off else log.finished()), log.truth


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
    files = {}
    total = Truth()
    for number, name in enumerate(layouts):
        share = messages // len(layouts) + (number < messages % len(layouts))
        data, truth = _write_log(name, share, seed)
        kind = compression or _COMPRESSED.get(name, "none")
        file_name = _file_name(name, kind)
        (folder / file_name).write_bytes(COMPRESSIONS[kind](data))
        files[file_name] = {
            "layout": name,
            "session": _SESSIONS[name].name,
            "bytes": len(data),
            **truth.counts(),
        }
        total.add(truth)
    result = {"seed": seed, "files": files, "total": total.counts()}
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fixfeed sample",
        description="Write FIX logs of a trading day, and manifest.json with what they hold.",
    )
    parser.add_argument("--output", required=True, metavar="FOLDER", type=Path)
    parser.add_argument("--messages", type=int, default=DEFAULT_MESSAGES, metavar="N")
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
    options = _parser().parse_args(argv)
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
