"""fixfeed and QuickFIX read the same logs alike, and any difference is noticed."""

import dataclasses
import platform
import random
import shutil
import sys
from pathlib import Path

import orjson
import pyarrow as pa
import pytest

from fixfeed.io.files.find import find_files
from fixfeed.pipelines.fidelity import examine as examining
from fixfeed.pipelines.fidelity.command import main
from fixfeed.pipelines.fidelity.compare import Difference
from fixfeed.pipelines.fidelity.dictionary_xml import (
    VERSIONS,
    copy_dictionaries,
    write_dictionaries,
)
from fixfeed.pipelines.fidelity.examine import examine
from fixfeed.pipelines.fidelity.kinds import KINDS, UNEXPLAINED
from fixfeed.pipelines.fidelity.quickfix_reader import QuickFix
from fixfeed.pipelines.sample.command import write_sample
from fixfeed.transforms.fix.dictionary.choose import BUILT_IN
from fixfeed.transforms.fix.parser import parse_block
from tests.pipelines.fidelity.random_messages import messages_of_every_type
from tests.transforms.fix.messages import DELIMITERS, encode, random_log

SAMPLES = Path(__file__).parents[4] / "shared" / "samples"
GIVEN = SAMPLES.parent / "dictionaries"

# As in pyproject.toml: these tests must run wherever there is a wheel.
HAS_WHEEL = (
    sys.version_info[:2] == (3, 11)
    and sys.platform == "linux"
    and platform.machine() in ("x86_64", "aarch64")
)
pytestmark = pytest.mark.skipif(not HAS_WHEEL, reason="QuickFIX has no wheel for this Python")

# A message with groups in groups, and one of each thing that is corrected on a copy.
ORDER = [
    (35, b"D"), (49, b"A"), (56, b"B"), (34, b"1"), (52, b"20250102-10:00:00"), (11, b"C1"),
    (453, b"2"), (448, b"P1"), (447, b"D"), (452, b"1"), (802, b"1"), (523, b"S1"), (803, b"2"),
    (448, b"P2"), (447, b"D"), (452, b"3"), (55, b"X"), (54, b"1"), (60, b"20250102-10:00:00"),
    (38, b"100"), (40, b"1"),
]  # fmt: skip


@pytest.fixture(scope="session")
def dictionaries(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dictionaries")
    write_dictionaries(folder)
    return folder


@pytest.fixture
def compared(dictionaries, tmp_path):
    """Compare how a log, or the files of a pattern, are read."""

    def run(log, quickfix=None):
        if isinstance(log, bytes):
            (tmp_path / "day.log").write_bytes(log)
            log = str(tmp_path / "day.log")
        files, unreadable = find_files([log])
        assert unreadable == []
        return examine(files, dictionaries, BUILT_IN, quickfix_folder=quickfix)

    return run


@pytest.fixture(scope="session")
def poorer(dictionaries, tmp_path_factory):
    """QuickFIX dictionaries without some standard parts that fixfeed's have."""
    folder = tmp_path_factory.mktemp("quickfix")
    copy_dictionaries(dictionaries, folder)
    text = (folder / "FIX44.xml").read_text()
    orders = text.index('<component name="SideCrossOrdModGrp">')
    member = '<field name="OrigOrdModTime" required="N" />'
    assert text.find(member, orders) > 0
    (folder / "FIX44.xml").write_text(text[:orders] + text[orders:].replace(member, "", 1))
    text = (folder / "FIX40.xml").read_text()
    lines = '<group name="LinesOfText" required="Y"><field name="Text" required="Y" /></group>'
    assert text.count(lines) == 2
    flat = '<field name="LinesOfText" required="Y" /><field name="Text" required="Y" />'
    (folder / "FIX40.xml").write_text(text.replace(lines, flat))
    return folder


def assert_explained(found):
    assert found.examples.get(UNEXPLAINED, []) == []
    assert set(found.by_kind) <= set(KINDS)


def test_a_sample_of_all_layouts_is_read_alike(compared, tmp_path):
    total = write_sample(tmp_path / "logs", messages=2000)["total"]
    found = compared(str(tmp_path / "logs" / "*.log*"))
    assert_explained(found)
    assert (found.messages, found.failures) == (total["messages"], sum(total["failures"].values()))
    assert found.alike > 0.9 * found.messages
    assert found.entries > 1000


@pytest.mark.parametrize("version", VERSIONS)
def test_messages_of_every_type_are_read_alike(version, compared, dictionaries):
    messages = list(messages_of_every_type(random.Random(version), dictionaries, version))
    found = compared(b"\n".join(messages))
    assert_explained(found)
    assert found.messages == len(messages)
    assert found.fields > 15 * len(messages)


@pytest.mark.parametrize("version", ["FIX43", "FIX44", "FIX50SP1"])
def test_messages_with_fields_out_of_place_are_read_alike(version, compared, dictionaries):
    rng = random.Random(version)
    found = compared(b"\n".join(messages_of_every_type(rng, dictionaries, version, disturbed=True)))
    assert_explained(found)
    assert found.by_kind["foreign_in_group"] + found.by_kind["member_outside"] > 5


@pytest.mark.parametrize("version", ["FIX40", "FIX44"])
def test_gaps_in_the_quickfix_dictionaries_are_explained(version, compared, dictionaries, poorer):
    messages = messages_of_every_type(random.Random(version), dictionaries, version)
    found = compared(b"\n".join(messages), poorer)
    assert_explained(found)
    assert found.by_kind["dictionary"] > 0


@pytest.mark.skipif(not GIVEN.is_dir(), reason="QuickFIX's dictionaries are not beside this one")
@pytest.mark.parametrize("version", ["FIX40", "FIX43", "FIX44", "FIX50"])
def test_all_gaps_in_the_quickfix_files_are_explained(version, compared, dictionaries):
    messages = messages_of_every_type(random.Random(version), dictionaries, version)
    assert_explained(compared(b"\n".join(messages), GIVEN))


def test_damaged_logs_are_read_alike(compared, tmp_path):
    for number, delimiter in enumerate(DELIMITERS):
        rng = random.Random(f"fidelity {delimiter}")
        log = random_log(rng, 300, mutated=0.3, delimiter=delimiter)
        (tmp_path / f"{number}.damaged").write_bytes(log)
    found = compared(str(tmp_path / "*.damaged"))
    assert_explained(found)
    assert found.messages > 1000
    assert {"bad_field", "check_sum", "check_sum_missing", "not_utf8"} <= set(found.by_kind)


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the real samples are not beside this checkout")
def test_the_real_samples_are_read_alike(compared):
    found = compared(str(SAMPLES / "*.*"))
    assert_explained(found)
    assert (found.messages, found.alike, found.fields, found.entries) == (309, 81, 12_663, 1_078)
    assert found.by_kind == {
        "check_sum_missing": 216,
        "first_field": 199,
        "body_length": 11,
        "check_sum": 11,
        "bad_field": 1,
    }


def fields_but(*changes, at=None):
    """The fields of the order with others inserted, by default at the end."""
    at = len(ORDER) if at is None else at
    return [*ORDER[:at], *changes, *ORDER[at:]]


# Above sixteen fields QuickFIX sorts without keeping the order of equal tags.
MANY = (26, 15, 31, 7, 51, 42, 24, 20, 47, 13, 6, 45, 48, 18, 1)

EXPLAINED = {
    "bad_field": encode(fields_but((58, b"x\x01no tag\x010=1"))),
    "data_length": encode(fields_but((354, b"9"), (355, b"text"))),
    "data_length_missing": encode(fields_but((355, b"text"))),
    "not_utf8": encode(fields_but((58, b"caf\xe9"))),
    "soh_in_value": encode(fields_but((58, b"a\x01b")), delimiter=b"|").replace(b"a|b", b"a\x01b"),
    "foreign_in_group": encode(fields_but((5001, b"own"), at=8)),
    "dictionary": encode(
        [
            (35, b"s"),
            (552, b"2"),
            (54, b"1"),
            (11, b"A"),
            (586, b"x"),
            (58, b"t"),
            (54, b"2"),
            (11, b"B"),
            (586, b"y"),
            (55, b"IBM"),
        ]
    ),
    "member_outside": encode(fields_but((78, b"1"), (79, b"ACC"), (452, b"4"), (80, b"7"))),
    "first_field": encode(fields_but((78, b"1"), (80, b"7"), (79, b"ACC"))),
    "group_again": encode(fields_but((453, b"1"), (448, b"P3"))),
    "repeated_tag": encode([(35, b"D"), (11, b"C1"), *((tag, b"x") for tag in MANY), (11, b"C2")]),
    "check_sum_missing": encode(fields_but((78, b"1"), (79, b"ACC"))).partition(b"10=")[0],
    "msg_type_late": encode(sorted(ORDER[1:5]) + ORDER[:1] + ORDER[5:]),
    "msg_type_again": encode(fields_but((35, b"0"), (78, b"1"), (79, b"ACC"))),
    "unknown_version": encode(ORDER, "FIX.4.9"),
    "body_length": encode(ORDER).replace(b"\x019=", b"\x019=1"),
    "check_sum": encode(ORDER).replace(b"55=X", b"55=Y"),
}


def test_every_kind_has_an_example_and_a_row_in_the_document():
    assert EXPLAINED.keys() == KINDS.keys()
    document = (Path(__file__).parents[3] / "docs" / "fidelity.md").read_text()
    for kind, meaning in KINDS.items():
        assert f"| `{kind}` | {meaning} |" in document


@pytest.mark.parametrize("kind", KINDS)
def test_a_known_difference_is_explained(kind, compared, poorer):
    theirs = poorer if kind == "dictionary" else None
    found = compared(EXPLAINED[kind] + b"\n" + encode(ORDER), theirs)
    assert_explained(found)
    assert kind in found.by_kind
    assert (found.messages, found.alike) == (2, 1)


@pytest.mark.parametrize(("appl_ver_id", "kinds"), [(b"4", {"foreign_in_group": 1}), (b"9", {})])
def test_a_logon_sets_the_version_of_the_messages_after_it(appl_ver_id, kinds, compared):
    logon = [(35, b"A"), (49, b"A"), (56, b"B"), (98, b"0"), (108, b"30"), (1137, appl_ver_id)]
    # FIX 4.2 has no IndividualAllocID (467) in the group.
    allocs = [(35, b"D"), (49, b"B"), (56, b"A"), (78, b"1"), (79, b"X"), (467, b"Y"), (80, b"5")]
    found = compared(b"\n".join(encode(fields, "FIXT.1.1") for fields in (logon, allocs)))
    assert_explained(found)
    assert found.by_kind == kinds


def rename(content):
    content["Symbl"] = content.pop("Symbol")


def swap(content):
    content["NoPartyIDs"].reverse()


def move_up(content):
    content["PartySubID"] = content["NoPartyIDs"][0]["NoPartySubIDs"][0].pop("PartySubID")


ALTERED = {
    "value": (
        lambda content: content.update(Symbol="Y"),
        [Difference("", 55, ["Y"], ["X"], "")],
    ),
    "lost": (
        lambda content: content.pop("Symbol"),
        [Difference("", 55, None, ["X"], "")],
    ),
    "name": (
        rename,
        [Difference("", "Symbl", ["X"], None, ""), Difference("", 55, None, ["X"], "")],
    ),
    "order": (
        swap,
        [
            Difference("453[1]", 448, ["P2"], ["P1"], ""),
            Difference("453[1]", 452, ["3"], ["1"], ""),
            Difference("453[1]", 802, None, ["1"], ""),
            Difference("453[1]", 802, ["0 entries"], ["1 entries"], ""),
            Difference("453[2]", 448, ["P1"], ["P2"], ""),
            Difference("453[2]", 452, ["1"], ["3"], ""),
            Difference("453[2]", 802, ["1"], None, ""),
            Difference("453[2]", 802, ["1 entries"], ["0 entries"], ""),
        ],
    ),
    "level": (
        move_up,
        [
            Difference("", 523, ["S1"], None, ""),
            Difference("453[1].802[1]", 523, None, ["S1"], ""),
        ],
    ),
    "count": (
        lambda content: content.update({"Tag453": "3"}),
        [Difference("", 453, ["3"], ["2"], "")],
    ),
}


def reading(alter, message=0):
    """Return fixfeed's reading with the JSON of one message altered."""

    def altered(block, **options):
        batch = parse_block(block, **options)
        content = [orjson.loads(text) for text in batch.messages["fields"].to_pylist()]
        alter(content[message])
        texts = pa.array([orjson.dumps(one).decode() for one in content])
        at = batch.messages.schema.get_field_index("fields")
        return dataclasses.replace(batch, messages=batch.messages.set_column(at, "fields", texts))

    return altered


@pytest.mark.parametrize("alteration", ALTERED)
def test_a_wrongly_read_message_is_reported_with_its_place(alteration, compared, monkeypatch):
    alter, differences = ALTERED[alteration]
    monkeypatch.setattr(examining, "parse_block", reading(alter, message=1))
    first = encode(ORDER) + b"\n"
    found = compared(first + encode(ORDER))
    examples = found.examples[UNEXPLAINED]
    assert {(Path(one.file).name, one.position) for one in examples} == {("day.log", len(first))}
    assert sorted((one.difference for one in examples), key=repr) == sorted(differences, key=repr)
    assert (found.alike, found.unexplained) == (1, 1)


def test_a_missed_defect_is_reported(compared, monkeypatch):
    def blind(block, **options):
        batch = parse_block(block, **options)
        at = batch.messages.schema.get_field_index("defects")
        none = pa.nulls(batch.messages.num_rows, pa.string())
        return dataclasses.replace(batch, messages=batch.messages.set_column(at, "defects", none))

    monkeypatch.setattr(examining, "parse_block", blind)
    found = compared(EXPLAINED["check_sum"])
    assert [one.difference for one in found.examples[UNEXPLAINED]] == [
        Difference("", 10, ["right"], ["wrong"], "")
    ]


def test_quickfix_goes_on_after_a_message_that_ends_its_process(dictionaries):
    good, bad = encode([(35, b"0")]).decode(), "8=FIX.4.4\x01x=1\x01"
    with QuickFix(dictionaries) as quickfix:
        answers = quickfix.read([(text, ["FIX44", "FIX44"]) for text in (good, bad, good)])
    assert answers == [answers[0], {"refused": "Field tag is invalid: x"}, answers[0]]
    assert answers[0]["fields"] == [[8, "FIX.4.4"], [9, "5"], [35, "0"], [10, "163"]]


def test_custom_dictionaries_are_used_on_both_sides(tmp_path, capsys):
    own = tmp_path / "own"
    own.mkdir()
    write_dictionaries(own)
    text = (own / "FIX44.xml").read_text()
    party = '<field name="PartyID"'
    text = text.replace(party, f'<field name="VenueRank" required="N" />{party}', 1)
    text = text.replace("<fields>", '<fields><field number="5001" name="VenueRank" type="INT" />')
    (own / "FIX44.xml").write_text(text)
    log = tmp_path / "day.log"
    log.write_bytes(encode(fields_but((5001, b"1"), at=7)))
    assert main([str(log), "--dictionaries", str(own), "--json"]) == 0
    assert orjson.loads(capsys.readouterr().out)["alike"] == 1


def test_secrets_are_not_shown(compared, monkeypatch):
    secret = encode([(35, b"A"), (49, b"A"), (56, b"B"), (98, b"0"), (108, b"30"), (554, b"pass")])
    monkeypatch.setattr(examining, "parse_block", reading(lambda one: one.pop("Password")))
    found = compared(secret)
    assert [one.difference for one in found.examples[UNEXPLAINED]] == [
        Difference("", 554, None, ["****"], "")
    ]


def test_the_exit_code_of_the_command_shows_the_result(tmp_path, capsys, monkeypatch):
    log = tmp_path / "day.log"
    log.write_bytes(encode(ORDER))
    assert main([str(log)]) == 0
    assert "read alike" in capsys.readouterr().out
    monkeypatch.setattr(examining, "parse_block", reading(swap))
    assert main([str(log)]) == 1
    assert (
        f"unexplained: {log} at 0, PartyID (448) in 453[1]: ours 'P2', theirs 'P1'"
        in capsys.readouterr().out
    )
    assert main([str(tmp_path / "no.log")]) == 2
    assert "no.log: does not exist" in capsys.readouterr().err
    assert main([str(log), "--dictionaries", str(tmp_path)]) == 2
    assert "FIX40.xml" in capsys.readouterr().err


def test_without_quickfix_one_sentence_says_what_to_install(tmp_path, capsys, monkeypatch):
    (tmp_path / "day.log").write_bytes(encode(ORDER))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main([str(tmp_path / "day.log")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "pip install 'fixfeed[fidelity]'" in err


def test_a_broken_dictionary_for_quickfix_alone_is_named(dictionaries, tmp_path, capsys):
    (tmp_path / "day.log").write_bytes(encode(ORDER))
    given = tmp_path / "given"
    shutil.copytree(dictionaries, given)
    (given / "FIX43.xml").write_text("<fix")
    assert main([str(tmp_path / "day.log"), "--quickfix", str(given)]) == 2
    assert "FIX43.xml" in capsys.readouterr().err
