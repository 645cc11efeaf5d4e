"""A check for every ledger: it recognises a file by the content it has read."""

import dataclasses

import pytest

from fixfeed.io.files.content import look
from fixfeed.io.ledger.ledger import SinkError
from fixfeed.io.ledger.source import Source

__all__ = ["check_known_by_what_was_read", "content_of", "file_source", "file_witness"]


def content_of(path):
    return look(str(path), str(path), b"")[0]


def file_source(path):
    return Source(f"file:{path}", "file", str(path), content_of(path))


def file_witness(path, position):
    return content_of(path).witnesses([position])[position]


def check_known_by_what_was_read(folder, ledger, write, log, batch):
    """Check a ledger; `write(source_id, batch)` stores a batch of `log` in its sink."""
    path = folder / "grown.log"
    path.write_bytes(log * 3)
    first = ledger.register([file_source(path)], rules="r")[f"file:{path}"]
    length = path.stat().st_size
    whole = dataclasses.replace(batch, end=length, witness=file_witness(path, length))
    write(first.source_id, whole)
    ledger.finish({first.source_id: "7:end"})
    with open(path, "ab") as file:
        file.write(log)
    renamed = path.rename(folder / "renamed.log")
    other = folder / "other.log"
    other.write_bytes(log * 3 + b"otherwise")
    known = ledger.register([file_source(renamed), file_source(other)], rules="r")
    assert known[f"file:{renamed}"].source_id == first.source_id
    assert known[f"file:{renamed}"].stored_end == "7:end"
    assert known[f"file:{renamed}"].done == ((0, length),)
    assert known[f"file:{other}"].source_id != first.source_id
    assert ledger.register([file_source(renamed)], rules="r") == {
        f"file:{renamed}": known[f"file:{renamed}"]
    }
    with pytest.raises(SinkError, match="two different inputs are given under one source"):
        write(first.source_id, dataclasses.replace(whole, witness="other"))


def registered(ledger, one, rules="r"):
    """Register one source in a ledger that is opened for it; return what is known about it."""
    ledger.prepare()
    found = ledger.register([one], rules=rules)[one.key]
    ledger.close()
    return found


def finished(ledger, stored_end=""):
    """End a run of source 1 in a ledger that is opened for it."""
    ledger.prepare()
    ledger.finish({1: stored_end})
    ledger.close()
