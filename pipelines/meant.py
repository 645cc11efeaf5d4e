"""The URI of a sink that was probably meant by another text."""

from collections.abc import Mapping
from pathlib import Path

from fixfeed.io.redaction import redact
from fixfeed.io.sql.sqlite_file import NAME_ENDS
from fixfeed.transforms.nearest import nearest

__all__ = ["meant", "nearest_uri"]

_SUFFIXES = {
    "sqlite:///": NAME_ENDS,
    "jsonl:": (".jsonl", ".ndjson", ".json"),
    "parquet:": ("/", ".parquet"),
}
_ALSO = {"postgres": "postgresql", "sqlite3": "sqlite", "json": "jsonl", "ndjson": "jsonl"}


def meant(scheme: str, place: str) -> str:
    """Return, as the end of a sentence, the URI that was probably meant.

    The host of a URL (`parquet://lake/`) is the beginning of a path here.
    """
    name = place.removeprefix("//")
    return f"; did you mean {redact(scheme + name)}?" if name.strip("/") else ""


def nearest_uri(uri: str, examples: Mapping[str, str]) -> str:
    """Return, as the end of a sentence, the URI that was probably meant.

    `examples` are URIs by scheme; it is one of these schemes.

    >>> nearest_uri("day.db", {"sqlite": "sqlite:///fixfeed.db"})
    '; did you mean sqlite:///day.db?'
    """
    uri = redact(uri)  # before it is split, since a part may not show that it is a password
    scheme, separator, rest = uri.partition(":")
    if uri == "-":
        return "; did you mean jsonl:-?" if "jsonl" in examples else ""
    if separator and rest:
        found = _ALSO.get(scheme.lower()) or nearest(scheme.lower(), examples)
        return f"; did you mean {redact(f'{found}:{rest}')}?" if found in examples else ""
    for prefix, suffixes in _SUFFIXES.items():
        if prefix.partition(":")[0] in examples and uri.lower().endswith(suffixes):
            return f"; did you mean {redact(prefix + uri)}?"
    if "parquet" in examples and Path(uri).is_dir():
        return f"; did you mean {redact(f'parquet:{uri}')}?"
    near = nearest(scheme, examples)
    return f"; did you mean {examples[near]}?" if near else ""
