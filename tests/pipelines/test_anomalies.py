"""`fixfeed anomalies` lists what is out of the ordinary by the rules that a database has."""

import json

import pytest

from fixfeed.pipelines import run
from fixfeed.pipelines.anomalies import main
from fixfeed.pipelines.derive import main as derive
from fixfeed.transforms.fix.anomalies.rules import KINDS, default_rules, default_text, read_rules
from tests.transforms.fix.anomalies.test_anomalies import Log, at


def day():
    log = Log()
    log.send(0, b"D", (11, b"C1"), (38, b"100"), (55, b"X"))
    log.fill(1, b"C1", b"10", quantity=b"60")
    log.fill(2, b"C1", b"10.5", quantity=b"60")
    log.send(3, b"D", (11, b"C2"), (38, b"100"), (55, b"X"), number=5)
    return log


@pytest.fixture
def stored(tmp_path, database):
    (tmp_path / "day.log").write_bytes(b"".join(day().lines))
    return load(tmp_path, database)


def load(folder, database, *words):
    words = ["--input", str(folder / "day.log"), "--output", database, "--quiet", *words]
    assert run.main(words) == 0
    return database


def listed(capsys, *words):
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def kinds(capsys, *words):
    return [one["kind"] for one in listed(capsys, *words)]


def test_anomalies_are_listed_by_time_and_chosen_by_kind_severity_and_session(stored, capsys):
    overfilled, gap = listed(capsys, stored)
    assert gap["happened_at"].startswith(f"{at(3):%Y-%m-%d %H:%M:%S}")
    del overfilled["order_key"], overfilled["happened_at"], overfilled["scope"]
    assert overfilled == {
        "kind": "overfilled",
        "severity": "critical",
        "session": "FIX.4.4:A->B",
        "first_cl_ord_id": "C1",
        "symbol": "X",
        "seen": "120 filled",
        "expected": "at most 100",
        "rule": "overfilled",
    }
    assert kinds(capsys, stored, "--kind", "sequence_gap") == ["sequence_gap"]
    assert kinds(capsys, stored, "--severity", "critical") == ["overfilled", "sequence_gap"]
    assert kinds(capsys, stored, "--session", "B->") == []
    assert main([stored, "--session", "C->"]) == 1
    assert capsys.readouterr() == (
        "",
        "fixfeed anomalies: no session has 'C->' in its name; there are 2\n",
    )
    assert main([stored]) == 0
    out = capsys.readouterr().out
    assert "3 missing: 2 to 4" in out
    assert "2 anomalies" in out


def test_rules_that_are_chosen_hold_for_all_messages_until_others_are(
    tmp_path, stored, capsys, select
):
    rules = tmp_path / "rules.yaml"
    rules.write_text("overfilled: off\nprice_off: {percent: 4}\nsequence_gap: {severity: info}")
    orders = select(stored, "select * from orders order by order_key")
    load(tmp_path, stored, "--anomalies", str(rules))
    assert kinds(capsys, stored) == ["price_off", "sequence_gap"]
    assert kinds(capsys, stored, "--severity", "warning") == ["price_off"]
    # They hold where none are named.
    load(tmp_path, stored)
    assert derive([stored, "--rebuild"]) == 0
    assert kinds(capsys, stored) == ["price_off", "sequence_gap"]
    assert main([stored, "--rules"]) == 0
    assert read_rules(capsys.readouterr().out, over=()) == read_rules(rules.read_text())
    assert derive([stored, "--anomalies", "default"]) == 0
    assert kinds(capsys, stored) == ["overfilled", "sequence_gap"]
    assert select(stored, "select * from orders order by order_key") == orders
    assert select(stored, "select count(*) from derive_stretches") == [(0,)]


def test_rules_without_a_database_are_those_of_fixfeed_as_a_file(capsys):
    assert main(["--rules"]) == 0
    out = capsys.readouterr().out
    assert out == default_text()
    assert read_rules(out, over=()) == default_rules()
    assert all(kind in out for kind in KINDS)


def test_what_cannot_be_understood_is_told(tmp_path, capsys, database):
    rules = tmp_path / "rules.yaml"
    rules.write_text("price_of: {percent: 4}")
    (tmp_path / "day.log").write_bytes(b"".join(day().lines))
    words = ["--input", str(tmp_path / "day.log"), "--output", database, "--quiet"]
    assert run.main([*words, "--anomalies", str(rules)]) == 2
    assert "price_of: has no kind, expected one of reject_burst" in capsys.readouterr().err
    assert run.main([*words, "--anomalies", "none.yaml"]) == 2
    assert "anomalies none.yaml: No such file" in capsys.readouterr().err
    assert derive([database, "--anomalies", str(rules)]) == 2
    assert "price_of: has no kind" in capsys.readouterr().err
    assert main(["parquet:lake/"]) == 2
    assert "only databases have" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main([])
    assert "name a database, such as sqlite:///fixfeed.db, or add --rules" in (
        capsys.readouterr().err
    )
