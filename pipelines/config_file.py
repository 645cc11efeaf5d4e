"""Reads the YAML file of options: each word once, with its values as written.

YAML 1.1 reads `010` as 8, `1:30` as 90 and `no` as a truth value. So the values are the texts, not
YAML's values, and a text that YAML reads differently than people do is an error.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from fixfeed.pipelines.option import PAIR, Option, UsageError

__all__ = ["read_words"]

_TAG = "tag:yaml.org,2002:"
_QUOTED = re.compile(r"'(?!<)[^'\s]*\w[^'\s]*'")
_PLAIN_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]+)?")


def read_words(
    path: str, known: Mapping[str, Option], nearest: Callable[[str], str]
) -> dict[str, str | list[str]]:
    """Return the value of each word in the file, with `_` for `-`: a text, or a list of texts.

    Raises `UsageError`, with file and line, for a file that is not of this form, an unknown word
    (`nearest` suggests the intended one), a word that comes twice, and an invalid value: nothing, a
    number that is not decimal, a truth value where text is meant.
    """
    try:
        with open(path, encoding="utf-8") as file:
            root = yaml.compose(file, yaml.SafeLoader)
    except OSError as error:
        raise UsageError(f"--config {path}: {error.strerror}") from error
    except yaml.MarkedYAMLError as error:
        raise UsageError(f"--config {path} is no YAML: {_without_words(error)}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"--config {path} is no YAML: {error}") from error
    if not isinstance(root, yaml.MappingNode):
        raise UsageError(f"--config {path}: expected words with values, as in `input: logs/*.log`")
    words: dict[str, str | list[str]] = {}
    lines: dict[str, int] = {}
    for key, value in root.value:
        written = str(key.value)
        word, line = written.replace("-", "_"), key.start_mark.line + 1
        if word not in known:
            raise UsageError(f"{path}, line {line}: unknown word {written!r}{nearest(word)}")
        if word in lines:
            raise UsageError(
                f"{path}: {known[word].name!r} is given twice, in lines {lines[word]} and {line}, "
                f"where only one would count; {_once(known[word])}"
            )
        lines[word] = line
        words[word] = _texts(value, known[word], path, line)
    return words


def _without_words(error: yaml.MarkedYAMLError) -> str:
    """Return what is wrong and where, without what is there, which may be a password."""
    mark = error.problem_mark or error.context_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    text = _QUOTED.sub("one", str(error.problem or error.context))
    hint = "; quote a value that begins with *" if "alias" in text else ""
    return f"{where}{text}{hint}"


def _once(option: Option) -> str:
    if option.kind == "list":
        return f"write one list, as in `{option.name}: [ONE, ANOTHER]`"
    return "leave one of them out"


def _texts(node: Any, option: Option, path: str, line: int) -> str | list[str]:
    where = f"{path}, line {line}: {option.name}"
    if isinstance(node, yaml.ScalarNode):
        return _text(node, option, where)
    if isinstance(node, yaml.SequenceNode) and option.kind == "list":
        if not node.value:
            raise UsageError(f"{where} is an empty list; leave the line out for the default")
        return [_item(one, option, where) for one in node.value]
    if isinstance(node, yaml.MappingNode) and option.metavar == PAIR:
        return [_pair(name, value, option, path) for name, value in node.value]
    found = "a list" if isinstance(node, yaml.SequenceNode) else "words of its own"
    expected = "values, one or a list of them" if option.kind == "list" else "one value"
    raise UsageError(f"{where} has {found}, expected {expected}")


def _pair(name: Any, node: Any, option: Option, path: str) -> str:
    where = f"{path}, line {name.start_mark.line + 1}: {option.name}, {name.value}"
    return f"{name.value}={_item(node, option, where)}"


def _item(node: Any, option: Option, where: str) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise UsageError(
            f"{where} has a list or words inside its list, expected texts; quote what has "
            "brackets, braces or a colon"
        )
    return _text(node, option, where)


def _text(node: yaml.ScalarNode, option: Option, where: str) -> str:
    text = str(node.value)
    kind = node.tag.removeprefix(_TAG)
    if kind == "null":
        raise UsageError(f"{where} has no value; give it one, or leave the line out")
    if kind == "bool" and option.kind in ("text", "list") and option.metavar != PAIR:
        raise UsageError(
            f"{where} is {text}, which is a truth value to YAML; if the word is meant, quote it: "
            f'"{text}"'
        )
    if kind in ("int", "float") and not _PLAIN_NUMBER.fullmatch(text):
        if option.metavar == PAIR:  # which may be a password
            raise UsageError(
                f"{where} is a number to YAML that is not as it is written; quote it if it is text"
            )
        value = yaml.safe_load(text)
        raise UsageError(
            f"{where} is {text}, which is the number {value} to YAML; write a decimal number, or "
            f'quote it if it is text: "{text}"'
        )
    if kind not in ("str", "bool", "int", "float", "timestamp", "value"):
        # What comes after `!` may be the rest of a password.
        raise UsageError(
            f"{where} begins with ! or has another type of YAML's own, expected text or a number; "
            "quote it if it is text"
        )
    return text
