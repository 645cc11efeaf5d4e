"""Any delimiter is found or named; a line with fields never counts as without FIX."""

import random
import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.framing.borders import Endings, first_border, last_border
from fixfeed.transforms.fix.framing.delimiter import naming, read_delimiter, sniff_delimiter
from fixfeed.transforms.fix.framing.leftovers import NO_BEGIN_STRING, REASONS
from fixfeed.transforms.fix.framing.traces import has_trace
from fixfeed.transforms.fix.parser import parse_block
from tests.transforms.fix.messages import DELIMITERS, SPELLINGS, encode, random_log

ORDER = encode([(35, b"D"), (49, b"A"), (56, b"B"), (34, b"1"), (11, b"C1"), (55, b"AAPL")])
LATER = encode([(35, b"D"), (49, b"A"), (56, b"B"), (34, b"2"), (11, b"C2"), (55, b"AAPL")])
FILLER = b"".join(encode([(35, b"0"), (49, b"A"), (34, b"%d" % n)]) + b"\n" for n in range(20))


def read(data, delimiter=b"\x01"):
    """Return the batch of a block, on which both parsers agree."""
    block = Block("log", 1000, data, delimiter)
    batch = parse_block(block, vectorised=False)
    vector = parse_block(block, vectorised=True)
    assert vector.messages.to_pylist() == batch.messages.to_pylist()
    assert vector.failures.to_pylist() == batch.failures.to_pylist()
    assert vector.skipped_positions == batch.skipped_positions
    return batch


def values(batch, *names):
    return [tuple(row[name] for name in names) for row in batch.messages.to_pylist()]


punctuation = "".join(set(string.punctuation) - set("=_"))
between = st.one_of(
    st.sampled_from([b"\x01", b"|", b"^", b";", b" ", b"\x02", b"\xc2\xa6", *SPELLINGS]),
    st.text(punctuation + " ", min_size=1, max_size=4).map(str.encode),
)
pair = st.builds(
    lambda tag, before, after, value: f"{tag}{before}={after}{value}".encode(),
    st.integers(1, 99999),
    st.sampled_from(["", " ", "  ", "\t"]),
    st.sampled_from(["", " "]),
    st.text(string.ascii_letters + string.digits + ".:-", min_size=1, max_size=20),
)


@settings(max_examples=150, deadline=None)
@given(
    pairs=st.lists(pair, min_size=3, max_size=12),
    separator=between,
    opening=st.sampled_from([b"", b"2025-01-02 09:30:00 INFO ", b"8?FIX.4.4", b"|", b"[", b"=>"]),
    delimiter=st.sampled_from([b"\x01", b"|", *SPELLINGS]),
    end=st.sampled_from([b"\n", b"\r\n", b"\r", b""]),
    long=st.booleans(),
)
def test_a_line_with_three_pairs_of_number_and_value_counts_as_fix(
    pairs, separator, opening, delimiter, end, long
):
    line = opening + separator + separator.join(pairs) + end
    filler = FILLER.replace(b"\x01", delimiter) if long else b""
    # On the line of a message it would be the prefix of that message.
    batch = read(filler + line + (filler if end else b""), delimiter)
    assert batch.skipped == 0
    assert batch.read > (40 if end else 20) * long


@pytest.mark.parametrize(
    "line",
    [
        "BeginString(8)=FIX.4.4|BodyLength(9)=70|MsgType(35)=8|",
        "8(BeginString)=FIX.4.2;9(BodyLength)=70;35(MsgType)=8",
        "[8]=FIX.4.4 [9]=70 [35]=8",
        "8 = FIX.4.4",
        "   35 = D",
        "55=VOD.L",
        "  MsgType (35) = D",
        "BeginString=FIX.4.4, MsgType=D, SenderCompID=A",
        '{"BeginString":"FIX.4.4","MsgType":"D","SenderCompID":"A"}',
        "38=100^A40=2^A44=1",
        "D\\u000138=100\\u000140=2\\u000144=1\\u000154=1",
        "D#00138=100#00140=2#00144=1",
    ],
)
def test_a_line_that_looks_like_fix_to_a_person_has_a_trace(line):
    assert has_trace(line.encode(), b"\x01")


@pytest.mark.parametrize(
    "line",
    [
        "2025-01-02 09:30:00 session FIX.4.4:A->B created",
        "heap1=220 heap2=330 heap3=440",
        "retry=3 timeout=40 port=9880 level=1",
        "pool.t1=3, pool.t2=4, pool.t3=4",
        "x = 3; y = 4; z = 5",
        "MsgSeqNum too low, expecting 5 but received 3",
        "SenderCompID=A",
        "12:30 backup: 3 files, 4 links",
    ],
)
def test_other_text_has_no_trace(line):
    assert not has_trace(line.encode(), b"\x01")


@pytest.mark.parametrize("delimiter", [*DELIMITERS, *SPELLINGS, b"||", b" ", b'","', b"&#001;"])
def test_any_delimiter_in_the_head_is_found_and_its_messages_are_whole(delimiter):
    line = ORDER.replace(b"\x01", delimiter) + b"\n"
    data = b"started\n" + line + LATER.replace(b"\x01", delimiter) + b"\n"
    assert sniff_delimiter(data) == delimiter
    for log in (data, data + 30 * line):
        batch = read(log, delimiter)
        rows = batch.messages.to_pylist()
        assert [row["defects"] for row in rows] == [None] * len(rows)
        assert rows[0]["raw"] == line[:-1]
        assert rows[1]["position"] == 1000 + data.index(b"8=FIX", 20)
        assert values(batch, "cl_ord_id", "symbol")[:2] == [("C1", "AAPL"), ("C2", "AAPL")]
        assert (batch.failures.num_rows, batch.skipped) == (0, 1)


@pytest.mark.parametrize("delimiter", [b"\x01", b"|", b"\\u0001"])
def test_several_delimiters_in_one_file_are_all_read(delimiter):
    # Without delimiters that mean something else in this text.
    lines = [ORDER.replace(b"\x01", one) for one in [*DELIMITERS, *SPELLINGS] if one != b"~"]
    for data in (b"\n".join(lines), b"\n".join(lines * 4)):
        batch = read(data, delimiter)
        assert set(values(batch, "cl_ord_id", "symbol")) == {("C1", "AAPL")}
        assert [row["raw"] for row in batch.messages.to_pylist()] == data.split(b"\n")


def test_the_failure_names_an_unknown_delimiter():
    for data in (ORDER.replace(b"\x01", b"~~"), FILLER + ORDER.replace(b"\x01", b"~~")):
        (failure,) = read(data).failures.to_pylist()
        assert failure["reason"] == NO_BEGIN_STRING
        assert "'~~' comes after the version" in failure["detail"]
        assert "--delimiter" in failure["detail"]


def test_without_begin_string_the_fields_show_the_delimiter():
    assert sniff_delimiter(b"x\n35=D|49=A|56=B|\n") == b"|"
    assert sniff_delimiter(b"1128=9^A9=30^A35=d^A49=A^A") == b"^A"
    assert sniff_delimiter(b"35=D is how an order begins\n") == b"\x01"
    (row,) = read(b"35=D|49=A|56=B|\n", b"|").messages.to_pylist()
    assert row["defects"] == "begin_string_missing,body_length_missing,check_sum_missing"


@pytest.mark.parametrize("name", ["\\x01", "\\u0001", "\\001"])
def test_an_escape_means_its_text_if_the_file_has_it_and_else_its_byte(name):
    named = read_delimiter(name)
    assert sniff_delimiter(ORDER.replace(b"\x01", name.encode()), named) == name.encode()
    assert sniff_delimiter(ORDER, named) == b"\x01"
    assert sniff_delimiter(b"", named) == b"\x01"


def test_a_delimiter_is_given_as_text_or_as_a_word():
    assert read_delimiter("SOH") == b"\x01"
    assert sniff_delimiter(b"", read_delimiter("\\t")) == b"\t"
    assert read_delimiter("tab") == read_delimiter("\t") == b"\t"
    assert read_delimiter(" | ") == b" | "
    assert read_delimiter("␁") == "␁".encode()


@pytest.mark.parametrize(
    ("wrong", "answer"),
    [
        *(("pipe", "'|'"), ("Space", "' '"), ("semicolon", "';'"), ("comma", "','")),
        *(("caret", "'^'"), ("0x01", "'\\x01'")),
        *(
            (end, "an end of line ends the message")
            for end in ("\n", "\r", "\\n", "\\r", "LF", "cr")
        ),
        *((end, "an end of line ends the message") for end in ("\\x0a", "\\015", "|\n")),
        *(("\0", "cannot be NUL"), ("\\x00", "cannot be NUL")),
        *(("=", "without '='"), ("=>", "without '='"), ("\\x3d", "without '='")),
        *(("", "e.g. '|'"), ("A", "not letters or digits"), ("12", "not letters or digits")),
    ],
)
def test_a_wrong_delimiter_is_answered_with_a_right_one(wrong, answer):
    with pytest.raises(ValueError, match=re.escape(answer)):
        read_delimiter(wrong)


def test_a_found_delimiter_has_a_name_that_is_understood_or_none():
    for found in (b"~~", b" ", b"\x02", b"\xc2\xa6", b"\xa6", b"\t", b"::", b"\\x01"):
        text = naming(found)
        assert sniff_delimiter(b"", read_delimiter(text)) in (found, b"\x01")
    assert [naming(one) for one in (b"\0", b"SOH", b"=>", b"0x01", b"\xa6\xa6")] == [None] * 5


LINES = {
    b"8=FIX.4.4~~9=13~~35=D~~": "'~~' comes after the version in 8=FIX; if it separates fields, "
    "name it with --delimiter",
    b"8=FIX.4.4 9=13 35=D ": "' ' comes after the version in 8=FIX; if it separates fields, name "
    "it with --delimiter",
    "8=FIX.4.4¦9=13¦35=D¦".encode(): "'¦' comes after the version in 8=FIX; if it separates "
    "fields, name it with --delimiter",
    **{
        b"8=FIX.4.4%b9=13%b35=D%b" % (odd, odd, odd): f"'{shown}' comes after the version in "
        "8=FIX; if it separates fields, replace it in the file, by | for example: --delimiter "
        "cannot name it"
        for odd, shown in {b"\0": "\\x00", b"SOH": "SOH", b"=>": "=>"}.items()
    },
    b"8=FIXML<Order/>": "8=FIX is followed by 'ML<Order', where a version such as .4.4 and a "
    "delimiter belong",
    b"8=FIX4.4|49=A|35=D|": "8=FIX is followed by '4.4', where a version such as .4.4 and a "
    "delimiter belong",
    b"8 = FIX.4.4|9 = 13|35 = D|": "there are blanks beside '=', where FIX has none: take them out "
    "of the file first",
    b"8(BeginString)=FIX.4.4|9(BodyLength)=13|35(MsgType)=D|": "there are names where FIX has tag "
    "numbers alone: take them out of the file first",
    b"BeginString(8)=FIX.4.4|BodyLength(9)=13|MsgType(35)=D|": "there are names where FIX has tag "
    "numbers alone: take them out of the file first",
    b'{"source":"a.log","position":0,"defects":["check_sum"],"message":{"Header":{"BeginString":'
    b'"FIX.4.4","BodyLength":"13","MsgType":"D"}}}': "a line of JSON as fixfeed writes it: read "
    "the log or topic that it was made of; a topic that is to be read is written with format=raw",
    b"8=FIX.4.4": "one field alone on its line: the fields of a message belong on one line",
    b"11=ORD1": "one field alone on its line: the fields of a message belong on one line",
    b"8?FIX.4.4|9=13|35=D|49=A|": "'|' separates fields, but 8=FIX and a version before them are "
    "missing or damaged",
    b"35=D~~49=A~~56=B~~": "'~~' seems to separate fields; if it does, name it with --delimiter",
    b"1=a;2=b;3=c;": REASONS[NO_BEGIN_STRING],
}


@pytest.mark.parametrize("line", LINES)
def test_a_failure_gives_its_cause_and_the_flag_only_if_it_helps(line):
    for data in (line + b"\n", FILLER + line + b"\n"):
        (failure,) = read(data).failures.to_pylist()
        assert (failure["reason"], failure["detail"]) == (NO_BEGIN_STRING, LINES[line])
    if "name it with --delimiter" in LINES[line]:
        found = LINES[line].split("'")[1].encode()
        (row,) = read(line + b"49=A" + found + b"\n", found).messages.to_pylist()
        assert row["msg_type"] == "D"


def test_a_failure_never_shows_a_value():
    for line in (
        b"8=FIX554=hunter2 96=x 1=y",
        b"8=FIX.4.4|554hunter2",
        b"554=hunter2",
        b"8=FIX|554=hunter2",
    ):
        for failure in read(line + b"\n").failures.to_pylist():
            assert "hunter2" not in failure["detail"]


@pytest.mark.parametrize("end", [b"\r", b"\r\n", b"\n"])
@pytest.mark.parametrize("delimiter", [b"\x01", b"|", b"^A"])
@pytest.mark.parametrize("prefix", [b"", b"2025-01-02 09:30:00 IN  "])
def test_lines_may_end_with_cr(end, delimiter, prefix):
    lines = [prefix + ORDER.replace(b"\x01", delimiter), prefix + LATER.replace(b"\x01", delimiter)]
    lines.append(lines[0].removesuffix(delimiter))
    for count in (1, 20):
        data = end.join([b"started", *lines * count, b"ended", b""])
        assert last_border(data, delimiter, at_end=Endings()) == len(data)
        batch = read(data, delimiter)
        expected = [("C1", prefix), ("C2", prefix), ("C1", prefix)] * count
        found = values(batch, "cl_ord_id", "prefix", "defects")
        assert found == [(name, before.decode() or None, None) for name, before in expected]
        assert (batch.failures.num_rows, batch.skipped) == (0, 2)


def test_a_file_that_ends_between_cr_and_lf_is_whole():
    data = ORDER + b"\r\n" + LATER + b"\r"
    assert last_border(data, b"\x01", at_end=Endings()) == len(data)
    assert last_border(data, b"\x01") == len(ORDER) + 2


@pytest.mark.parametrize("closing", [b")", b'"', b"]", b"}", b"'", b",x", b" (sent)", b"<br>"])
def test_closing_characters_are_not_in_check_sum(closing):
    bare = ORDER[:-1]
    for message in (bare, bare.replace(b"\x019=", b"\x019=1")):
        for count in (1, 100):
            batch = read((b"out: (" + message + closing + b"\n") * count)
            rows = batch.messages.to_pylist()
            assert [row["raw"] for row in rows] == [message] * count
            wrong = "check_sum" if message != bare else None
            assert {row["defects"] for row in rows} <= {wrong, "body_length,check_sum"}
            assert (batch.failures.num_rows, batch.skipped) == (0, 0)


def test_text_after_a_message_is_not_a_separate_line_but_fields_there_are_kept():
    lines = [ORDER + b",2025-01-02 09:30:00,1", ORDER + b" 49=A~56=B~34=7~", b"text", ORDER, b""]
    for count in (1, 40):
        batch = read(b"\n".join(lines * count))
        assert batch.messages.num_rows == 3 * count
        text, period = len(b"\n".join(lines[:2])) + 1, len(b"\n".join(lines)) + 1
        expected = [1000 + n * period + text for n in range(count)]
        assert batch.skipped_positions.to_pylist() == expected
        assert batch.failures["raw"].to_pylist() == [b" 49=A~56=B~34=7~"] * count


@pytest.mark.parametrize("seed", range(6))
def test_a_log_cut_at_any_border_gives_the_same_rows(seed):
    rng = random.Random(seed)
    delimiter = rng.choice([*DELIMITERS, *SPELLINGS])
    end = rng.choice([b"\r", b"\r\n", b"\n", b",2025-01-02 09:30:00,1\n", b")\r", b""])
    log = random_log(rng, 12, mutated=0.0, delimiter=delimiter)
    parts = [line.rstrip(b") \r,-:0123456789") for line in log.split(b"8=FIX")]
    log = end.join(parts[:1] + [b"8=FIX" + part for part in parts[1:]]) + end
    log += end.join([ORDER.replace(b"\x01", delimiter)] * 3) + b"\n"
    whole = read(log, delimiter)
    lines = whole.skipped_positions.to_pylist()
    borders = {first_border(log, at, delimiter) for at in range(0, len(log), 19)}
    for border in sorted(borders - {None}):
        first, second = read(log[:border], delimiter), read(log[border:], delimiter)
        later = [border + at for at in second.skipped_positions.to_pylist()]
        assert first.skipped_positions.to_pylist() + later == lines
        assert first.read + second.read == whole.read
        raws = [*first.messages["raw"].to_pylist(), *second.messages["raw"].to_pylist()]
        assert raws == whole.messages["raw"].to_pylist()


@pytest.mark.parametrize("version", ["FIX4.4", "FIX.Latest", "FIX.4.4.1", "FIX 4.4", "FIX.5.0.SP2"])
@pytest.mark.parametrize("delimiter", [b"\x01", b"|", b"\\x01", b"\t"])
def test_a_message_with_a_misspelt_version_is_read(version, delimiter):
    message = encode([(35, b"D"), (55, b"X")], version, delimiter)
    for count in (1, 200):
        batch = read((message + b"\n") * count, delimiter)
        assert values(batch, "symbol", "defects") == [("X", "unknown_version")] * count


def check_sum_of(data):
    return b"10=%03d|" % (sum(data) % 256)


def test_a_delimiter_inside_data_may_belong_to_the_data_or_replace_soh():
    body = b"8=FIX.4.4|9=30|35=B|34=1|148=h|95=5|96=ab|cd|"
    soh = body.replace(b"|", b"\x01")
    own = soh.replace(b"ab\x01cd", b"ab|cd")
    lines = [body + check_sum_of(soh), body + check_sum_of(own), body + b"10=000|"]
    for count in (1, 50):
        batch = read(b"\n".join(lines * count) + b"\n", b"|")
        assert values(batch, "defects") == [(None,), (None,), ("check_sum",)] * count
