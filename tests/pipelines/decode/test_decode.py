"""`fixfeed decode`: what it prints of logs, where from, and how it ends."""

import gzip
import io
import os
import random
import re
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixfeed.io.files.find import cut_ranges, find_files
from fixfeed.io.files.reading import read_blocks
from fixfeed.pipelines.decode.command import Shown, main
from fixfeed.pipelines.decode.pipe import blocks_of_pipe
from fixfeed.transforms.batch import TOO_LONG
from fixfeed.transforms.fix.protocol import FIX
from tests.transforms.fix.messages import encode, random_log

ROOT = Path(__file__).parents[3]
HEAD = [(49, b"A"), (56, b"B"), (34, b"7"), (52, b"20250102-09:30:00.5")]
ORDER = encode(
    [(35, b"D"), *HEAD, (11, b"C1"), (453, b"2"), (448, b"P"), (447, b"D"), (452, b"1"),
     (802, b"1"), (523, b"NY"), (803, b"25"), (448, b"Q"), (447, b"D"), (54, b"1"), (44, b"1,5")],
    delimiter=b"|",
)  # fmt: skip
BEAT = encode([(35, b"0"), *HEAD], delimiter=b"|")
BAD = b"8=FIX.4.4|x=1|\x1b[2J"
LOG = b"started\n IN " + ORDER + b"\n" + BAD + b"\n" + BEAT + b"\n"


@pytest.fixture(autouse=True)
def _place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "day.log").write_bytes(LOG)


@pytest.fixture
def shown(capfd):
    """Run the command; return its exit code, output and errors."""

    def run(*words):
        code = main(words)
        return code, *capfd.readouterr()

    return run


def test_a_message_is_shown_field_by_field_and_a_failure_where_it_is(shown):
    at = LOG.index(BAD)
    expected = f"""\
day.log @ 12 · 2025-01-02 09:30:00.500000 · in · FIX.4.4:A->B · NewOrderSingle
     8 BeginString                 FIX.4.4
     9 BodyLength                  117
    35 MsgType                     D (NewOrderSingle)
    49 SenderCompID                A
    56 TargetCompID                B
    34 MsgSeqNum                   7
    52 SendingTime                 20250102-09:30:00.5
    11 ClOrdID                     C1
   453 NoPartyIDs                  2
   [1]   448 PartyID               P
         447 PartyIDSource         D (Proprietary/custom code)
         452 PartyRole             1 (Executing firm)
         802 NoPartySubIDs         1
         [1]   523 PartySubID      NY
               803 PartySubIDType  25 (Location/desk)
   [2]   448 PartyID               Q
         447 PartyIDSource         D (Proprietary/custom code)
    54 Side                        1 (Buy)
    44 Price                       1,5 ! bad_value: a value is none of its field's type
    10 CheckSum                    {ORDER[-4:-1].decode()}

day.log @ {at} ! no_msg_type: a message without MsgType (35), or with one of more than 250 bytes
    8=FIX.4.4|x=1|\\x1b[2J

day.log @ {LOG.index(BEAT)} · 2025-01-02 09:30:00.500000 · FIX.4.4:A->B · Heartbeat
     8 BeginString                 FIX.4.4
     9 BodyLength                  {len(BEAT) - 22}
    35 MsgType                     0 (Heartbeat)
    49 SenderCompID                A
    56 TargetCompID                B
    34 MsgSeqNum                   7
    52 SendingTime                 20250102-09:30:00.5
    10 CheckSum                    {BEAT[-4:-1].decode()}

"""
    assert shown("day.log") == (0, expected, "")


def test_compact_is_one_line_a_message_with_groups_in_brackets(shown):
    head = "2025-01-02 09:30:00.500000"
    expected = (
        f"{head} in A->B #7 NewOrderSingle ClOrdID=C1 NoPartyIDs=2 "
        "[PartyID=P PartyIDSource=D(Proprietary/custom code) PartyRole=1(Executing firm) "
        "NoPartySubIDs=1 [PartySubID=NY PartySubIDType=25(Location/desk)]] "
        "[PartyID=Q PartyIDSource=D(Proprietary/custom code)] Side=1(Buy) "
        "Price=1,5 ! bad_value: a value is none of its field's type\n"
        f"day.log @ {LOG.index(BAD)} ! no_msg_type: a message without MsgType (35), "
        "or with one of more than 250 bytes: 8=FIX.4.4|x=1|\\x1b[2J\n"
        f"{head} A->B #7 Heartbeat\n"
    )
    assert shown("--compact", "day.log") == (0, expected, "")


def test_colors_are_for_terminals_and_for_who_asks(shown):
    _, plain, _ = shown("day.log")
    _, painted, _ = shown("--color", "day.log")
    assert "\x1b[" not in plain
    assert "\x1b[1;31m! bad_value" in painted
    assert re.sub(r"\x1b\[[0-9;]*m", "", painted) == plain


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.text(max_size=20).map(str.encode),
            st.sampled_from(
                [ORDER, BEAT, b"\n", b"8=FIX.4.4|", b"35=", b"\x1b]0;x\x07", b"\xc2\x9b2J"]
            ),
            st.binary(max_size=20).map(lambda value: encode([(35, b"B"), (58, value)])),
            st.binary(max_size=9).map(lambda tag: encode([(35, b"B"), (tag, b"x"), (55, tag)])),
        ),
        max_size=6,
    ).map(b"".join)
)
def test_whatever_is_in_a_log_no_control_character_reaches_the_terminal(data):
    for compact in (False, True):
        out = io.BytesIO()
        reader, writer = os.pipe()
        os.write(writer, data)
        os.close(writer)
        shown = Shown({}, colors=False, compact=compact, out=out)
        shown.pipe(reader, "\x1b[1mname")
        os.close(reader)
        text = out.getvalue().decode()
        assert text.replace("\n", "").isprintable()


def test_rules_choose_messages_and_failures_stay(shown):
    _, out, _ = shown("day.log", "--include", "MsgType = 0")
    assert ("NewOrderSingle" in out, "Heartbeat" in out, "no_msg_type" in out) == (0, 1, 1)
    _, out, _ = shown("day.log", "--exclude", "MsgType = 0")
    assert ("NewOrderSingle" in out, "Heartbeat" in out) == (1, 0)
    _, out, _ = shown("day.log", "--no-admin")
    assert ("NewOrderSingle" in out, "Heartbeat" in out) == (1, 0)


def test_logs_come_in_the_order_of_the_command_line_and_are_all_shown(shown):
    Path("a.log").write_bytes(BEAT)
    Path("b.log.gz").write_bytes(gzip.compress(BEAT.replace(b"|", b"\x01") + b"\n"))
    code, out, err = shown("b.log.gz", "missing.log", "*.log")
    assert re.findall("^([a-z.]+) @ [0-9]+ · .*Heartbeat", out, re.MULTILINE) == [
        "b.log.gz", "a.log", "day.log",
    ]  # fmt: skip
    assert (code, err) == (3, "fixfeed decode: missing.log: does not exist\n")


def test_secrets_are_masked_as_in_the_job(shown):
    logon = encode([(35, b"A"), *HEAD, (553, b"someone"), (554, b"hunter2")])
    bad = b"password 554=hunter2\x01 8=FIX.4.4\x01x=1\x01554=hunter2\x01\n"
    Path("a.log").write_bytes(logon + b"\n" + bad)
    _, out, _ = shown("a.log", "--mask", "SenderCompID")
    assert "someone" not in out
    assert "hunter2" not in out
    assert re.search(r"554 Password +\*{7}\n", out)
    assert re.search(r"49 SenderCompID +\*\n", out)
    assert "·  · Logon" not in out


def test_the_end_of_a_log_that_is_cut_is_a_failure_and_damage_is_told(shown):
    Path("a.log").write_bytes(BEAT + b"\n" + ORDER[:60])
    code, out, _ = shown("a.log")
    assert code == 0
    assert f"a.log @ {len(BEAT) + 1} ! truncated: " in out
    beats = [encode([(35, b"0"), (34, b"%d" % n)]) for n in range(9000)]
    packed = gzip.compress(b"\n".join(beats))
    Path("b.log.gz").write_bytes(packed[:-5000])
    code, out, err = shown("b.log.gz")
    assert code == 3
    assert err.startswith("fixfeed decode: b.log.gz: its gz data ends too early")
    assert "! unreadable: " in out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--include", "MsgTyp = 8"], "the nearest is MsgType"),
        (["--validate", "all"], "expected off, structure or dictionary"),
        (["--delimiter", "x"], "not letters or digits"),
        (["--mask-key-file", "none"], "mask-key-file none: No such file"),
        (["--dictionary", "none.xml"], "none.xml"),
    ],
)
def test_wrong_usage_is_told_in_words(shown, words, says):
    code, out, err = shown("day.log", *words)
    assert (code, out) == (2, "")
    assert err.startswith("fixfeed decode: ")
    assert says in err


@pytest.mark.parametrize("uri", ["kafka://u:secret@h/topic", "sqlite:///f.db", "parquet:lake/"])
def test_what_is_no_log_is_told_from_a_log_that_is_not_there(shown, uri):
    code, out, err = shown(uri)
    assert (code, out) == (2, "")
    assert err == (
        f"fixfeed decode: '{uri.replace('secret', '***')}' is no log: decode reads files, also "
        "those of s3://, gs://, hdfs://, and standard input; what a run has stored is shown by "
        "fixfeed order, fixfeed dashboard and SQL\n"
    )
    assert shown("none.log") == (3, "", "fixfeed decode: none.log: does not exist\n")


def test_an_unknown_flag_is_answered_with_the_right_one(capfd):
    with pytest.raises(SystemExit) as ended:
        main(["--inclde", "MsgType = 8", "day.log"])
    assert ended.value.code == 2
    assert "unknown option --inclde; did you mean --include?" in capfd.readouterr().err


def test_text_without_a_message_ends_with_7(shown):
    Path("a.log").write_bytes(b"hello\nworld\n")
    code, out, err = shown("a.log")
    assert (code, out) == (7, "")
    assert err == "fixfeed decode: no message was found in 2 lines; is it a log of FIX?\n"
    assert shown("day.log", "--include", "MsgType = 8")[0] == 0


def decode(*words, **how):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "fixfeed", "decode", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, **how)


def test_what_comes_through_a_pipe_is_shown_at_once_and_a_reader_may_leave():
    process = decode("--compact", stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdin.write(LOG)
    process.stdin.flush()
    lines = [process.stdout.readline() for _ in range(3)]  # the pipe is open still
    assert [b"NewOrderSingle" in lines[0], b"Heartbeat" in lines[2]] == [True, True]
    process.stdout.close()
    process.stdin.write(LOG)
    process.stdin.close()
    assert (process.wait(), process.stderr.read()) == (0, b"")


def piped(pieces, **how):
    """The batches of what comes through a pipe in pieces."""
    reader, writer = os.pipe()

    def write():
        for piece in pieces:
            os.write(writer, piece)
        os.close(writer)

    thread = threading.Thread(target=write)
    thread.start()
    batches = []
    end = 0
    for block in blocks_of_pipe(reader, FIX, **how):
        assert block.start == end
        end = block.end
        batches.append(FIX.parse(block))
    thread.join()
    os.close(reader)
    return batches


def rows(batches):
    messages = [row for one in batches for row in one.messages.to_pylist()]
    return messages, [row for one in batches for row in one.failures.to_pylist()]


@pytest.mark.parametrize("delimiter", [b"|", b"\x01", b"^A"])
def test_a_pipe_gives_what_the_file_gives_however_it_is_cut(delimiter, tmp_path):
    for seed in range(6):
        rng = random.Random(seed)
        log = random_log(rng, 60, mutated=0.1, delimiter=delimiter)
        (tmp_path / "a.log").write_bytes(log)
        (file,), _ = find_files(["a.log"])
        (part,) = cut_ranges(file, (), size=1 << 40)
        expected = rows([FIX.parse(block) for block in read_blocks(part)])
        # What comes first shows the delimiter.
        cuts = sorted(rng.sample(range(min(len(log), 2000), len(log)), 20))
        pieces = [log[a:b] for a, b in zip([0, *cuts], [*cuts, len(log)], strict=True)]
        assert rows(piped(pieces)) == expected


def test_a_record_without_an_end_is_kept_in_pieces_and_what_follows_is_read():
    long = b"8=FIX.4.4|9=5|35=0|58=" + b"abcdefghij" * 30_000
    batches = piped([BEAT + b"\n", long, b"\n", BEAT + b"\n"], longest=20_000)
    messages, failures = rows(batches)
    assert [row["raw"] for row in messages] == [BEAT, BEAT]
    assert {row["reason"] for row in failures} == {TOO_LONG}
    assert b"".join(row["raw"] for row in failures).rstrip(b"\n") == long


def test_what_is_packed_or_in_utf_16_is_read_through_a_pipe_too():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("day.log", LOG)
    for data in (gzip.compress(LOG), packed.getvalue(), LOG.decode("latin-1").encode("utf-16")):
        messages, failures = rows(piped([data[:900], data[900:]]))
        assert [row["raw"] for row in messages] == [ORDER, BEAT]
        assert len(failures) == 1
