"""What counterparties send is shown as it is, and commands no terminal."""

import os
import subprocess
import sys

import pytest

from fixfeed.io.sql import derived
from fixfeed.pipelines import anomalies, order, orders, sessions
from tests.io.sql.test_derived import opened, write
from tests.transforms.fix.messages import encode

ODD = b"\x1b[2J\r\x07[red]x[/red][/]:b:"
SHOWN = r"\x1b[2J\r\x07[red]x[/red][/]:b:"


@pytest.fixture
def uri(tmp_path):
    head = [(35, b"8"), (49, b"B" + ODD), (56, b"A"), (34, b"7"), (52, b"20250303-09:00:00")]
    fill = [(37, b"O"), (11, b"ID" + ODD), (17, b"E"), (150, b"F"), (39, b"2"), (38, b"5")]
    more = [(32, b"9"), (31, b"1"), (14, b"9"), (55, b"S" + ODD), (58, b"T" + ODD)]
    place = f"sqlite:///{tmp_path / 'fixfeed.db'}"
    store = opened(place)
    write(store, [encode([*head, *fill, *more]) + b"\n"])
    late = [*head[:3], (34, b"9"), (52, b"20250303-10:00:00")]
    write(store, [encode([*late, *fill, *more]) + b"\n"], key="file:other")
    derived.derive(store)
    store.close()
    return place


@pytest.mark.parametrize(
    ("command", "arguments", "texts"),
    [
        (order, ["ID" + ODD.decode()], ["ID", "S", "T", "FIX.4.4:A->B", "B"]),
        (orders, [], ["FIX.4.4:A->B"]),
        (sessions, [], ["FIX.4.4:B"]),
        (anomalies, [], ["FIX.4.4:B"]),
    ],
)
def test_control_characters_are_escaped_and_markup_is_text(uri, capsys, command, arguments, texts):
    assert command.main([uri, *arguments]) == 0
    shown = capsys.readouterr().out
    assert [text for text in texts if f"{text}{SHOWN[:7]}" not in shown] == []
    assert all(one.isprintable() or one == "\n" for one in shown)
    assert "[red]x[/red][/]:b:" in shown or command is orders  # where columns are cut


def test_a_reader_that_has_gone_ends_it_with_0(uri):
    read, written = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "fixfeed.pipelines.fixfeed", "sessions", uri],
        stdout=written,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(written)
    assert (done.returncode, done.stderr) == (0, b"")
