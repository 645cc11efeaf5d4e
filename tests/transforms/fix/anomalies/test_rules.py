"""Rules of anomalies are read from YAML, and what cannot be understood is told."""

import dataclasses
import pickle
import re

import pytest

from fixfeed.transforms.fix.anomalies.rules import (
    KINDS,
    RuleFileError,
    default_rules,
    default_text,
    read_rules,
    rules_of_text,
    text_of_rules,
    yaml_of_rules,
)
from fixfeed.transforms.fix.latencies.schema import CLOCKS
from fixfeed.transforms.fix.latencies.schema import KINDS as MEASURED
from fixfeed.transforms.fix.protocol import FIX


def names(rules):
    return [rule.name for rule in rules]


def test_there_is_a_rule_of_each_kind_by_default():
    assert {rule.kind for rule in default_rules()} == set(KINDS)
    assert all(rule.severity in ("info", "warning", "critical") for rule in default_rules())


def test_a_file_replaces_settings_takes_rules_away_and_adds_others():
    text = """
    reject_burst: {at_least: 3}
    cancel_storm: off
    overfilled: {severity: info, session: "BROKER->*"}
    more_off: {kind: price_off, percent: 0.5}
    price_off: {kind: sequence_gap, at_least: 9}
    """
    before, after = default_rules(), read_rules(text)
    assert names(after) == [*(n for n in names(before) if n != "cancel_storm"), "more_off"]
    found = {rule.name: rule for rule in after}
    assert found["reject_burst"].settings == {"at_least": "3", "within": "10"}
    assert found["overfilled"].severity == "info"
    assert found["more_off"].settings == {"percent": "0.5"}
    assert found["price_off"].kind == "sequence_gap"
    changed = set(text.replace(":", " ").split())
    assert [one for one in after if one.name not in changed] == [
        one for one in before if one.name not in changed
    ]


@pytest.mark.parametrize("text", ["", "# nothing\n", "overfilled: {}"])
def test_a_file_that_says_nothing_changes_nothing(text):
    assert read_rules(text) == default_rules()


def test_rules_are_the_same_when_they_are_written_and_read():
    rules = read_rules(
        'odd: {kind: price_off, percent: 0.25, session: "A->?"}\nlate: '
        "{kind: latency, measured: filled, clock: captured by sender, seconds: 3}"
        "\n'a: \"b': {kind: overfilled, session: 'x\"\\y'}\n12: {kind: overfilled}"
    )
    assert rules_of_text(text_of_rules(rules)) == rules
    assert read_rules(yaml_of_rules(rules), over=()) == rules
    assert read_rules(default_text(), over=()) == default_rules()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "no YAML: "),
        ("{" * 3000, "no rules: brackets in brackets, too deep to read"),
        ("price_off: {percent: .nan}", "price_off: percent is nan, expected a number from 0 to "),
        ("new: {kind: [price_off]}", "new: kind is ['price_off'], expected one of reject_burst, "),
        ("new: {kind: {a: b}}", "new: kind is {'a': 'b'}, expected one of reject_burst, "),
        ("price_off: 0", "price_off: found 0, expected its settings, or off"),
        ("[a]", "expected rules by name, as in `price_off: {percent: 5}`"),
        ("new: {percent: 5}", "new: has no kind, expected one of reject_burst, cancel_storm, "),
        ("sequence_gp: {least: 5}", "price_off, latency; did you mean sequence_gap?"),
        ("new: {kind: price}", "new: kind is 'price', expected one of .*; did you mean price_off?"),
        ("price_of: off", "price_of: there is no such rule to take away; did you mean price_off?"),
        ("price_off: 5", "price_off: found 5, expected its settings, or off"),
        ("price_off: {percnt: 5}", "price_off: unknown setting 'percnt'; did you mean percent?"),
        ("overfilled: {at: 1}", "overfilled: unknown setting 'at'; overfilled has kind, severity"),
        ("price_off: {percent: ten}", "price_off: percent is 'ten', expected a number from 0 to"),
        ("reject_burst: {within: 90}", "within is 90, expected a whole number from 1 to 60"),
        ("reject_burst: {at_least: 2.5}", "at_least is 2.5, expected a whole number from 1"),
        ("reject_burst: {at_least: yes}", "at_least is True, expected a whole number"),
        ("overfilled: {severity: bad}", "severity is 'bad', expected one of info, warning, crit"),
        ("new: {kind: price_off}", "new: percent is missing; a rule of kind price_off needs it"),
        ("a: off\na: off", "'a' is given twice, where only one would count"),
    ],
)
def test_what_cannot_be_understood_is_told(text, said):
    with pytest.raises(RuleFileError, match=re.escape(said).replace(re.escape(".*"), ".*")):
        read_rules(text)


def test_a_rule_may_be_for_some_sessions_alone():
    (rule,) = read_rules('overfilled: {session: "BROKER->*"}', over=default_rules()[4:5])
    sessions = ("FIX.4.4:BROKER->ANN", "FIX.4.4:ANN->BROKER", None)
    assert [rule.holds_for(one) for one in sessions] == [True, False, False]
    assert default_rules()[4].holds_for(None)


def test_what_may_be_measured_is_what_the_table_of_latencies_has():
    settings = KINDS["latency"]
    assert set(settings["measured"].words) == set(MEASURED)
    assert set(settings["clock"].words) == set(CLOCKS)


def test_a_protocol_with_rules_goes_to_worker_processes():
    own = dataclasses.replace(FIX, anomalies=default_rules())
    assert own.table.derived
    sent = pickle.loads(pickle.dumps(own))
    assert sent == own
    assert hash(sent) == hash(own)
