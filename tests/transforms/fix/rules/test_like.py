"""A pattern means the same in a column and in the JSON, however its text looks."""

import re
from fnmatch import fnmatchcase

from hypothesis import example, given
from hypothesis import strategies as st

from fixfeed.transforms.fix.rules.conditions import Term
from fixfeed.transforms.fix.rules.operands import operands, pattern_expression

WILD = st.lists(st.sampled_from(["*", "?", "a", "b", ".", "\\*", "\\?", "\\\\", "\n"])).map("".join)


def found(pattern, text):
    return Term(operands()["account"], "like", (pattern_expression(pattern),))._in_text(text)


@given(WILD, st.text("ab.*?\\\n"))
@example("*a*ab", "aab")
@example("?*.", "a.")
def test_a_text_matches_as_it_does_where_every_way_is_tried(pattern, text):
    expected = re.fullmatch(pattern_expression(pattern), text, re.DOTALL) is not None
    assert found(pattern, text) == expected
    if "\\" not in pattern:
        assert expected == fnmatchcase(text, pattern)


def test_a_long_text_that_nearly_fits_is_answered():
    assert not found("*X*X*X*X*X*b", "X" * 100_000)
    assert found("*X*X*X*X*X*b", "X" * 100_000 + "b")
