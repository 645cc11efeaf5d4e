"""The shipped dictionaries are built from the files, and contain the standard."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GIVEN = ROOT.parent / "shared" / "dictionaries"
SHIPPED = ROOT / "transforms" / "fix" / "dictionary" / "data"

pytestmark = pytest.mark.skipif(
    not GIVEN.is_dir(), reason="the XML files are not beside this checkout"
)


@pytest.fixture
def tools(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))


def test_the_shipped_dictionaries_are_built_from_the_files(tools):
    from build_dictionaries import build

    built = build(GIVEN, GIVEN / "orchestra")
    assert len(built) == 10
    for name, content in built.items():
        assert (SHIPPED / name).read_bytes() == content, name


@pytest.mark.parametrize("version", ["FIX42", "FIX44"])
def test_our_dictionaries_have_all_that_the_standard_has(tools, version):
    from orchestra import read_orchestra

    from fixfeed.transforms.fix.dictionary.choose import BUILT_IN

    standard = read_orchestra(GIVEN / "orchestra" / f"Orchestra{version}.xml")
    ours = BUILT_IN.choose(f"FIX.4.{version[-1]}", "", "->", {})
    for tag, field in standard.fields.items():
        assert field.values.keys() <= ours.fields[tag].values.keys(), field.name
    assert standard.messages.keys() == ours.message_types.keys()
    missing = [
        (msg_type, *place)
        for msg_type, members in standard.messages.items()
        for place in _missing(members, ours.scope(msg_type), ())
    ]
    assert missing == []


def _missing(members, scope, path):
    for tag, inside in members.items():
        if tag not in scope.members or (inside is None) != (scope.members[tag] is None):
            yield path, tag
        elif inside:
            yield from _missing(inside, scope.members[tag], (*path, tag))
