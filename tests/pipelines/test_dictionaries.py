"""A run reads messages by the given dictionaries and reports errors in them."""

import pytest

from fixfeed.transforms.fix.dictionary.choose import Dictionaries, OwnDictionary
from fixfeed.transforms.fix.dictionary.overlay import lay_over
from fixfeed.transforms.fix.dictionary.own import read_dictionaries
from fixfeed.transforms.fix.dictionary.quickfix_xml import DictionaryError, read_definition
from fixfeed.transforms.fix.dictionary.version import VERSIONS, definition
from tests.pipelines.jobs import fixfeed
from tests.transforms.fix.messages import encode


def xml(version="4.4", venue="Venue"):
    major, minor = version.split(".")
    return f"""\
<fix type='FIX' major='{major}' minor='{minor}'>
 <messages>
  <message name='NewOrderSingle' msgcat='app' msgtype='D'>
   <field name='{venue}' required='Y'/>
  </message>
 </messages>
 <fields>
  <field number='20001' name='{venue}' type='STRING'/>
 </fields>
</fix>
"""


@pytest.fixture
def broker(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broker.xml").write_text(xml())
    return read_definition("broker.xml")


def test_without_options_the_built_in_dictionaries_are_used():
    assert read_dictionaries(()) == Dictionaries()
    assert read_dictionaries((), "9").digest == ""


@pytest.mark.parametrize(
    ("text", "session", "is_laid_over"),
    [
        ("broker.xml", "", False),
        ("+broker.xml", "", True),
        ("BROKER->*=broker.xml", "BROKER->*", False),
        ("BROKER->*=+broker.xml", "BROKER->*", True),
    ],
)
def test_a_file_replaces_or_extends_the_built_in_one_for_all_or_some_sessions(
    broker, text, session, is_laid_over
):
    expected = lay_over(definition("FIX.4.4"), broker) if is_laid_over else broker
    assert read_dictionaries([text]).own == (OwnDictionary(session, expected),)


def test_the_file_of_a_session_is_used_in_both_directions(broker):
    dictionaries = read_dictionaries(["BROKER->*=+broker.xml"])
    for session, name in (("BROKER->A", "Venue"), ("A->BROKER", "Venue"), ("A->B", "20001")):
        assert dictionaries.choose("FIX.4.4", "", session, {}).name(20001) == name


@pytest.mark.parametrize("text", ["FIX.4.4", "fix.4.4", "6"])
def test_the_default_version_is_a_number_or_a_name(text):
    assert read_dictionaries((), text) == Dictionaries((), "6")


def test_a_name_with_an_equals_sign_may_name_a_file(broker, tmp_path):
    (tmp_path / "v=1.xml").write_text(xml())
    assert read_dictionaries(["+v=1.xml"]) == read_dictionaries(["+broker.xml"])


def test_a_wrong_option_is_answered_with_the_expected_one(broker, tmp_path):
    (tmp_path / "new.xml").write_text(xml("4.9"))
    known = (
        "2 (FIX.4.0), 3 (FIX.4.1), 4 (FIX.4.2), 5 (FIX.4.3), 6 (FIX.4.4), 7 (FIX.5.0), "
        "8 (FIX.5.0SP1), 9 (FIX.5.0SP2)"
    )
    wrong = [
        (["BROKER=broker.xml"], "9", "dictionary is 'BROKER=broker.xml': expected FILE, or "
         "SESSION=FILE with a session such as 'BROKER->*'"),
        (["A->B="], "9", "dictionary is 'A->B=': expected the name of a file in it"),
        (["+new.xml"], "9", "dictionary is '+new.xml': new.xml is for FIX.4.9, and there is no "
         "built-in dictionary of it to lay it over; leave out the +, or make it for one of "
         + ", ".join(VERSIONS)),
        (["broker.xml", "+broker.xml"], "9", "dictionary +broker.xml and dictionary broker.xml "
         "are both for FIX.4.4, expected one"),
        (["A->*=broker.xml", "A->*=+broker.xml"], "9", "dictionary A->*=+broker.xml and "
         "dictionary A->*=broker.xml are both for FIX.4.4 of A->*, expected one"),
        ([], "10", f"default-appl-ver-id is '10', expected one of {known}"),
        ([], "FIX.4", f"default-appl-ver-id is 'FIX.4', expected one of {known}"),
    ]  # fmt: skip
    for texts, default, message in wrong:
        with pytest.raises(DictionaryError) as error:
            read_dictionaries(texts, default)
        assert str(error.value) == message


def test_a_broken_file_is_reported_with_its_line(tmp_path):
    path = tmp_path / "broken.xml"
    path.write_text(xml().replace("number='20001'", "number='x'"))
    with pytest.raises(DictionaryError, match=rf"^{path}, line 8: "):
        read_dictionaries([f"A->B=+{path}"])
    with pytest.raises(DictionaryError, match=rf"^cannot read {tmp_path}/none.xml: No such file"):
        read_dictionaries([f"{tmp_path}/none.xml"])


def test_duplicate_names_are_reported_with_the_file(tmp_path):
    path = tmp_path / "twice.xml"
    path.write_text(xml(venue="Symbol"))
    with pytest.raises(DictionaryError, match=rf"^{path}: tags 55 and 20001 are both named Symbol"):
        read_dictionaries([f"+{path}"])


ORDERS = b"".join(
    encode([(35, b"D"), (49, sender), (56, target), (20001, b"X")], delimiter=b"|") + b"\n"
    for sender, target in ((b"BROKER", b"A"), (b"A", b"BROKER"), (b"A", b"B"))
)


def test_the_job_reads_and_checks_each_session_by_its_dictionary(broker, select, tmp_path):
    (tmp_path / "day.log").write_bytes(ORDERS)
    arguments = ["--input", "day.log", "--validate", "dictionary"]
    summary = fixfeed(*arguments, "--dictionary", "BROKER->*=+broker.xml", cwd=tmp_path)
    uri = f"sqlite:///{tmp_path}/fixfeed.db"
    stored = select(uri, "select session, fields, defects from messages order by message_id")
    assert stored == [
        ("FIX.4.4:BROKER->A", '{"Venue":"X"}', "missing_field"),
        ("FIX.4.4:A->BROKER", '{"Venue":"X"}', "missing_field"),
        ("FIX.4.4:A->B", '{"Tag20001":"X"}', "unknown_tag,missing_field"),
    ]
    (counts,) = summary["sinks"].values()
    assert counts["defects"] == {"missing_field": 3, "unknown_tag": 1}

    other = fixfeed(*arguments, cwd=tmp_path)
    assert "was stored under other rules" in other["warnings"][0]
    fixfeed(*arguments[:2], "--validate", "off", "--reprocess", cwd=tmp_path)
    assert select(uri, "select distinct fields, defects from messages") == [
        ('{"Tag20001":"X"}', None)
    ]


def test_a_broken_dictionary_ends_the_job_with_code_2(tmp_path):
    (tmp_path / "broken.xml").write_text("<fix")
    (tmp_path / "day.log").write_bytes(ORDERS)
    told = fixfeed(
        "--input", "day.log", "--dictionary", "broken.xml", cwd=tmp_path, expected=2
    )  # fmt: skip
    assert told["error"].startswith("broken.xml, line 1: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.xml", "day.log"]
