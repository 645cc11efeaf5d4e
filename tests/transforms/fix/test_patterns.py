"""`*` and `?` mean the same wherever sessions are named, and all else means itself."""

from fixfeed.transforms.fix.anomalies.rules import Rule
from fixfeed.transforms.fix.dictionary.choose import OwnDictionary
from fixfeed.transforms.fix.dictionary.version import definition
from fixfeed.transforms.fix.orders.drop_copies import read_drop_copies


def test_a_bracket_in_a_pattern_of_sessions_is_a_bracket_everywhere():
    own = OwnDictionary("[B]R?KER->*", definition("FIX.4.4"))
    rule = Rule("name", "overfilled", "info", "[B]R?KER->*", {})
    copies = read_drop_copies(["[B]R?KER->*"])
    for sender, meant in (("[B]ROKER", True), ("BROKER", False), ("[B]RKER", False)):
        assert own.suits(f"{sender}->ANN") is own.suits(f"ANN->{sender}") is meant
        assert rule.holds_for(f"FIX.4.4:{sender}->ANN") is meant
        assert bool(copies.copied(sender, "ANN")) is copies.is_copied(sender) is meant
