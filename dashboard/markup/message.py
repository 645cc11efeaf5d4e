"""A message as a tree of its fields, and as its bytes."""

from collections.abc import Iterator, Sequence

from fixfeed.dashboard.markup.text import escaped, visible
from fixfeed.transforms.fix.decode.message import DecodedField, DecodedMessage
from fixfeed.transforms.fix.decode.problems import Problem

__all__ = ["compared", "raw_of", "tree_of"]


def tree_of(message: DecodedMessage, most: int | None = None) -> str:
    """Return the fields of a message: tag, name, value, meaning; groups indented and to be folded.

    A defect is written at its field; those of the whole message come first. With `most`, only so
    many fields are there, and after them those that have defects.
    """
    if most is not None:
        defective = tuple(field for field in message.fields[most:] if field.problems)
        message = message._replace(fields=message.fields[:most] + defective[:most])
    return f'<div class="ff-tree">{"".join(_tree(message))}</div>'


def _tree(message: DecodedMessage) -> Iterator[str]:
    yield from _problems(message.problems)
    fields = message.fields
    open_groups = 0
    for field, following in zip(fields, [*fields[1:], None], strict=True):
        for _ in range(field.depth, open_groups):
            yield "</details>"
        open_groups = min(open_groups, field.depth)
        if field.entry and field.depth:
            yield f'<div class="ff-entry" style="--depth:{field.depth}">{field.entry}</div>'
        row = _row(field)
        if following is not None and following.depth > field.depth:
            yield f"<details open><summary>{row}</summary>"
            open_groups += 1
        else:
            yield row
        yield from _problems(field.problems)
    yield "</details>" * open_groups


def _row(field: DecodedField) -> str:
    name = "" if field.name == field.tag else field.name
    bad = " ff-bad" if field.problems else ""
    return (
        f'<div class="ff-field{bad}" style="--depth:{field.depth}">'
        f'<span class="ff-tag">{escaped(field.tag)}</span>'
        f'<span class="ff-name">{escaped(name)}</span>'
        f'<span class="ff-value">{escaped(field.text)}</span>'
        f'<span class="ff-meaning">{escaped(field.meaning)}</span></div>'
    )


def _problems(problems: Sequence[Problem]) -> Iterator[str]:
    for problem in problems:
        yield (
            f'<div class="ff-problem"><b>{escaped(problem.kind)}</b> {escaped(problem.text)}</div>'
        )


def raw_of(raw: bytes, delimiter: bytes) -> str:
    r"""Return the bytes of a message with its delimiters marked, for HTML.

    What is no UTF-8 is shown as `\xff`, and a control character as its picture.
    """
    parts = [_text(part) for part in raw.split(delimiter)] if delimiter else [_text(raw)]
    mark = escaped(visible(delimiter.decode("utf-8", "backslashreplace")))
    inner = f'<span class="ff-delimiter">{mark}</span><wbr>'.join(parts)
    return f'<div class="ff-raw">{inner}</div>'


def _text(part: bytes) -> str:
    tag, equals, value = part.decode("utf-8", "backslashreplace").partition("=")
    if not equals or not tag.isdecimal():
        return escaped(tag + equals + value)
    return f'<span class="ff-tag">{escaped(tag)}</span>={escaped(value)}'


def compared(one: DecodedMessage, other: DecodedMessage, most: int | None = None) -> str:
    """Return two messages side by side, field by field, what differs marked.

    A field is told by its path: its tag, and the entries of groups that it is in; of fields of one
    path the first goes with the first. If there are more than `most`, only fields that differ are
    there, and so many of them.
    """
    left, right = _by_path(one.fields), _by_path(other.fields)
    following: dict[tuple, list[tuple]] = {(): []}  # what only the other has, by what is before it
    last: tuple = ()
    for path in right:
        if path in left:
            last = path
        else:
            following.setdefault(last, []).append(path)
    paths = [*following[()], *(each for path in left for each in (path, *following.get(path, ())))]
    rows: list[str] = []
    for path in paths:
        here, there = left.get(path), right.get(path)
        field = here or there
        assert field is not None
        differs = here is None or there is None or here.text != there.text
        if most is not None and len(paths) > most and (not differs or len(rows) == most):
            continue
        rows.append(
            f'<tr class="{"ff-differs" if differs else ""}"><td>{escaped(field.tag)}</td>'
            f'<td style="padding-left:{0.4 + field.depth}em">{escaped(field.name)}</td>'
            f"<td>{_shown(here)}</td><td>{_shown(there)}</td></tr>"
        )
    return f'<table class="ff-table ff-compared">{"".join(rows)}</table>'


def _shown(field: DecodedField | None) -> str:
    if field is None:
        return '<span class="ff-meaning">not there</span>'
    meaning = f' <span class="ff-meaning">{escaped(field.meaning)}</span>' if field.meaning else ""
    return f"{escaped(field.text)}{meaning}"


def _by_path(fields: Sequence[DecodedField]) -> dict[tuple, DecodedField]:
    found: dict[tuple, DecodedField] = {}
    entries: list[int] = []
    for field in fields:
        del entries[field.depth :]
        entries += [0] * (field.depth - len(entries))
        if field.entry and field.depth:
            entries[-1] = field.entry
        path: tuple = (*entries, field.tag)
        while path in found:
            path = (*path, "again")
        found[path] = field
    return found
