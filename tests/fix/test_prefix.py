"""Prefixes tell when a message was captured and in which direction."""

import datetime

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from transforms.fix.prefix import read_prefix, read_prefixes
from transforms.fix.schema import TIME

UTC = datetime.UTC


def micros(*parts):
    moment = datetime.datetime(*parts, tzinfo=UTC)
    return (moment - datetime.datetime(1970, 1, 1, tzinfo=UTC)) // datetime.timedelta(
        microseconds=1
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20250102-09:30:00.123456789 : ", (micros(2025, 1, 2, 9, 30, 0, 123456), None)),
        ("20250102-09:30:00 : ", (micros(2025, 1, 2, 9, 30), None)),
        ("2025-01-02 09:30:00,123 INFO [a] IN  ", (micros(2025, 1, 2, 9, 30, 0, 123000), "in")),
        ("[2025-01-02T09:30:00.5Z] outgoing: ", (micros(2025, 1, 2, 9, 30, 0, 500000), "out")),
        ("2025-01-02T09:30:00+01:00 >> ", (micros(2025, 1, 2, 8, 30), "out")),
        ("2025-01-02T09:30:00-0530 ", (micros(2025, 1, 2, 15, 0), None)),
        ("<20250102-09:30:00, FIX.4.2:IN->OUT, incoming> (", (micros(2025, 1, 2, 9, 30), "in")),
        ("2015-08-31 17:48:20,890 FIX.4.2:A->B: ", (micros(2015, 8, 31, 17, 48, 20, 890000), None)),
        ("20251302-09:30:00 rcvd ", (None, "in")),
        ("20250102-09:30:60 ", (None, None)),
        ("INFO main-in ", (None, None)),
        ("", (None, None)),
    ],
)
def test_a_prefix_is_read_for_its_time_and_direction(text, expected):
    assert read_prefix(text) == expected


PIECES = st.sampled_from(
    [
        "2025",
        "01",
        "02",
        "-",
        ":",
        "09",
        "30",
        " ",
        ".",
        ",",
        "T",
        "Z",
        "+01:00",
        "123",
        "IN",
        "out",
        "->",
        "<-",
    ]
    + [
        "20250102-09:30:00",
        "2025-01-02 09:30:00,123",
        "[x]",
        " : ",
        "é",
        "A->B",
        "20250229-09:30:00.1",
    ]
)
TEXTS = st.lists(PIECES, max_size=8).map("".join)


@settings(max_examples=500, deadline=None)
@given(
    texts=st.lists(
        st.one_of(
            st.none(),
            TEXTS,
            st.datetimes(min_value=datetime.datetime(1, 1, 1)).map(  # noqa: DTZ001
                lambda t: f"{t:%Y-%m-%d %H:%M:%S},{t.microsecond // 1000:03} INFO [a] IN  "
            ),
        ),
        max_size=12,
    )
)
@example(texts=["2025-01-02 09:30:00 IN ", "2025-01-02 09:30:00Z IN ", "2025-01-02 09:30:001 IN "])
@example(texts=["2025-01-02 09:30:00, IN ", "2025-01-02 09:30:00,5 IN ", "2025-01-02 09:30:00."])
@example(texts=["20250102-09:30:00.1 : ", "20250102-09:30:00.12 : ", "20250131-09:30:00.2 x"])
def test_many_prefixes_at_once_give_what_one_at_a_time_gives(texts):
    expected = [(None, None) if text is None else read_prefix(text) for text in texts]
    times, directions = read_prefixes(pa.array(texts, pa.string()))
    assert times.type == TIME
    assert times.view(pa.int64()).to_pylist() == [value for value, _ in expected]
    assert directions.to_pylist() == [direction for _, direction in expected]
