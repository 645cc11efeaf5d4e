"""Bearer tokens: a file with the digests of those that are known, and what each may see.

    tokens:
      - name: support
        sha256: 5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8
        sessions: ["*"]
      - name: broker desk
        sha256: ...
        sessions: ["BROKER<->*"]

The tokens themselves are in no file: who reads it can use none.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fixfeed.dashboard.scope import EVERYTHING, Scope, read_scope
from fixfeed.transforms.nearest import did_you_mean

__all__ = ["OWNER", "Reader", "TokensError", "new_token", "read_tokens", "reader_of"]

_WORDS = ("name", "sha256", "sessions")
_BEGIN = "fixfeed_"


class TokensError(ValueError):
    """A file of tokens that cannot be read; the text says what was found and expected, where."""


@dataclass(frozen=True)
class Reader:
    """Who asks: the name of a token, and what it may see."""

    name: str
    scope: Scope


OWNER = Reader("owner", EVERYTHING)
"""Who asks where there are no tokens: on the machine itself."""


def new_token() -> tuple[str, str]:
    """Return a new token, of 256 random bits, and its SHA-256 in hexadecimal."""
    token = _BEGIN + secrets.token_urlsafe(32)
    return token, _digest(token)


def reader_of(token: str, readers: Mapping[str, Reader]) -> Reader | None:
    """Return whose token this is; None if it is nobody's."""
    # Digests are compared, so how long that takes says nothing about a token.
    return readers.get(_digest(token))


def read_tokens(path: Path) -> Mapping[str, Reader]:
    """Return the readers in a file by the digests of their tokens; raise `TokensError`."""
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise TokensError(f"cannot read {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        said = " ".join(str(error).split())
        raise TokensError(f"{path} is no YAML: {said}") from None
    entries = content.get("tokens") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not entries or set(content) != {"tokens"}:
        raise TokensError(
            f"{path} has no list of tokens: expected `tokens:` and a list of name, sha256 and "
            "sessions; fixfeed api --new-token prints such an entry"
        )
    readers: dict[str, Reader] = {}
    for number, entry in enumerate(entries, 1):
        digest, reader = _entry(f"{path}, token {number}", entry)
        if digest in readers:
            raise TokensError(f"{path}, token {number}: {readers[digest].name} has this sha256 too")
        if reader.name in (one.name for one in readers.values()):
            raise TokensError(f"{path}, token {number}: there is a name {reader.name!r} already")
        readers[digest] = reader
    return readers


def _entry(place: str, entry: Any) -> tuple[str, Reader]:
    if not isinstance(entry, dict):
        raise TokensError(f"{place}: expected name, sha256 and sessions, found {entry!r}")
    for word in entry:
        if word not in _WORDS:
            near = did_you_mean(str(word), _WORDS)
            raise TokensError(
                f"{place}: unknown word {word!r}{near}; there are {', '.join(_WORDS)}"
            )
    for word in _WORDS:
        if word not in entry:
            raise TokensError(f"{place}: {word} is missing")
    name, digest, sessions = (entry[word] for word in _WORDS)
    if not isinstance(name, str) or not name.strip():
        raise TokensError(f"{place}: expected a text as name, found {name!r}")
    if not isinstance(digest, str) or len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise TokensError(
            f"{place}: sha256 is not 64 hexadecimal digits in lower case (in quotes); "
            "fixfeed api --new-token prints a token and its sha256"
        )
    if (
        not isinstance(sessions, list)
        or not sessions
        or not all(isinstance(one, str) for one in sessions)
    ):
        raise TokensError(f'{place}: expected a list as sessions, such as ["BROKER<->*"]')
    try:
        return digest, Reader(name, read_scope(sessions))
    except ValueError as error:
        raise TokensError(f"{place}: {error}") from None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
