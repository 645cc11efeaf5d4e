"""The parameters of a URI, as in `parquet:lake/?partition-by=date,session`: typed and checked."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from fixfeed.io.redaction import redact
from fixfeed.pipelines.option import Option, UsageError
from fixfeed.transforms.nearest import did_you_mean

__all__ = ["UnknownPlace", "split_uri"]


class UnknownPlace(ValueError):
    """A URI names nothing to read from or store in; the text says what would."""


def split_uri(uri: str, known: Sequence[Option]) -> tuple[str, Mapping[str, Any]]:
    """Return a URI without its parameters, and the values of these by their words.

    Parameters begin after the last question mark, with `&` between them and commas between the
    values of a list; `%2C` is a comma within one. A question mark without a parameter after it is
    part of the place.

    Raises `UnknownPlace` for a parameter that is not one of `known` (with the nearest), that is
    given twice, or that has no value or a wrong one.

    >>> split_uri("parquet:lake/?by=date,hour", [Option(name="by", help="columns", kind="list")])
    ('parquet:lake/', {'by': ('date', 'hour')})
    """
    place, mark, query = uri.rpartition("?")
    # Parameters that are written in a wrong way are no names of folders either.
    if not mark or not re.match(r"[\s&]*[\w-]+\s*(=|$)" if known else r"[\w-]+=", query):
        return uri, {}
    if known and re.search(r"\?[^/]*=", place):
        raise UnknownPlace(f"{redact(uri)!r} has two question marks; write & between parameters")
    options = {option.name: option for option in known}
    values: dict[str, Any] = {}
    for part in query.split("&"):
        word, _, text = part.partition("=")
        try:
            if word not in options:
                raise UsageError(_unknown(word, place.partition(":")[0], options))
            if word in values:
                raise UsageError(f"{word} is given twice")
            texts = text.split(",") if options[word].kind == "list" else [text]
            given = [unquote(one) for one in texts]
            if not all(given):
                option = options[word]
                raise UsageError(
                    f"{word} is empty, expected {option.metavar or 'true or false'}: {option.help}"
                )
            values[word] = options[word].value(given if len(given) > 1 else given[0])
        except UsageError as error:
            raise UnknownPlace(f"{redact(uri)!r}: {error}") from error
    return place, values


def _unknown(word: str, scheme: str, options: Mapping[str, Option]) -> str:
    if not options:
        return f"{scheme} has no parameters, found {word!r}"
    hint = did_you_mean(word, options) or f", expected {' or '.join(options)}"
    return f"{scheme} has no parameter {word!r}{hint}"
