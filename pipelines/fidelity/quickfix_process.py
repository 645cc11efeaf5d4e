"""Reads messages with QuickFIX in processes that it may crash.

python -m fixfeed.pipelines.fidelity.quickfix_process FOLDER

A line of JSON on standard input is a list of messages, each [text, names of dictionaries]. The line
that answers it is a list of QuickFIX's readings: {"fields": [[tag, value], ...], "groups": [[tag of
the count, entries], ...], "body_length", "check_sum"}, where an entry again has fields and groups,
or {"refused": why}. FOLDER holds the dictionaries as NAME.xml.

QuickFIX refuses a message with an exception that its Python library does not catch, which ends the
process. So each list is read in a forked child, and another child goes on after the message that
ended it.
"""

import json
import os
import re
import resource
import sys
import tempfile
from pathlib import Path
from typing import Any, BinaryIO

import quickfix

Request = tuple[str, list[str]]
Answer = dict[str, Any]

_TOKEN = re.compile(
    r'  <field number="(-?[0-9]+)"><!\[CDATA\[(.*?)\]\]></field>\n|<(/?)group>\n', re.DOTALL
)
_PARTS = re.compile(
    "".join(rf"  <{part}>\n(.*)  </{part}>\n" for part in ("header", "body", "trailer")), re.DOTALL
)
_WHAT = re.compile(rb"what\(\): +(.*)")


class _Tokens:
    """The fields and groups of one part of QuickFIX's XML, in order, with one to look ahead."""

    def __init__(self, xml: str):
        self._matches = _TOKEN.finditer(xml)
        self.next = next(self._matches, None)

    def take(self) -> re.Match[str]:
        taken, self.next = self.next, next(self._matches, None)
        if taken is None:
            raise AssertionError("QuickFIX's XML ends inside a group")
        return taken


def _level(tokens: _Tokens, part: quickfix.FieldMap) -> Answer:
    """Read one level of the XML; `part` has the counts that its groups belong to."""
    fields = []
    while tokens.next and tokens.next[1]:
        found = tokens.take()
        fields.append([int(found[1]), found[2]])
    groups = []
    # The XML has the groups of a level in order of their counts' tags, but without the tags.
    for tag in sorted({tag for tag, _ in fields}):
        entries = []
        for number in range(part.groupCount(tag)):
            tokens.take()
            entries.append(_level(tokens, part.getGroupRef(number + 1, tag)))
            tokens.take()
        if entries:
            groups.append([tag, entries])
    return {"fields": fields, "groups": groups}


def _read(request: Request, dictionaries: dict[str, quickfix.DataDictionary]) -> Answer:
    text, names = request
    message = quickfix.Message()
    message.setString(text, False, *(dictionaries[name] for name in names))
    parts = _PARTS.search(message.toXML())
    assert parts is not None
    answer: Answer = {"fields": [], "groups": []}
    for xml, part in zip(
        parts.groups(), (message.getHeader(), message, message.getTrailer()), strict=True
    ):
        tokens = _Tokens(xml)
        level = _level(tokens, part)
        if tokens.next:
            raise AssertionError(f"not understood: {xml!r}")
        answer["fields"] += level["fields"]
        answer["groups"] += level["groups"]
    answer["body_length"], answer["check_sum"] = message.bodyLength(), message.checkSum()
    return answer


def _in_a_child(
    requests: list[Request], dictionaries: dict[str, quickfix.DataDictionary]
) -> list[Answer]:
    """Return a child's answers; if it ended too soon, the last answer has the reason."""
    reader, writer = os.pipe()
    with tempfile.TemporaryFile() as errors:
        child = os.fork()
        if not child:
            os.dup2(errors.fileno(), 2)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            os.close(reader)
            with open(writer, "w") as out:
                for request in requests:
                    out.write(json.dumps(_read(request, dictionaries)) + "\n")
                    out.flush()
            os._exit(0)
        os.close(writer)
        with open(reader) as lines:
            answers = [json.loads(line) for line in lines]
        _, status = os.waitpid(child, 0)
        if len(answers) < len(requests):
            errors.seek(0)
            answers.append({"refused": _reason(errors.read(), status)})
        return answers


def _reason(errors: bytes, status: int) -> str:
    if what := _WHAT.search(errors):
        return what[1].decode(errors="replace").removeprefix("Invalid message: ")
    if os.WIFSIGNALED(status):
        return f"crash by signal {os.WTERMSIG(status)}"
    raise RuntimeError(errors.decode(errors="replace"))


def main(folder: Path, source: BinaryIO) -> None:
    """Answer all lines of `source`."""
    dictionaries: dict[str, quickfix.DataDictionary] = {}
    for line in source:
        requests = json.loads(line)
        for name in {name for _, names in requests for name in names} - dictionaries.keys():
            dictionaries[name] = quickfix.DataDictionary(str(folder / f"{name}.xml"))
        answers: list[Answer] = []
        while len(answers) < len(requests):
            answers += _in_a_child(requests[len(answers) :], dictionaries)
        print(json.dumps(answers), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.stdin.buffer)
