"""Values read eight bytes at a time equal those of the readers of single values."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fixfeed.transforms.fix.scalar.values import (
    read_boolean,
    read_date,
    read_decimal,
    read_int,
    read_time,
)
from fixfeed.transforms.fix.swar import view
from fixfeed.transforms.fix.vector.values import booleans, dates, decimals, integers, times

DIGITS = st.text("0123456789", max_size=18)
NUMBERS = st.one_of(
    DIGITS,
    st.builds("{}.{}".format, DIGITS, DIGITS),
    st.builds("-{}.{}".format, DIGITS, DIGITS),
    st.text("0123456789.-+/:e ", max_size=20),
)
TIMES = st.one_of(
    st.builds(
        "{}{:02d}{:02d}-{:02d}:{:02d}:{:02d}{}".format,
        st.sampled_from(["2025", "1969", "0000", "9999"]),
        st.integers(0, 13),
        st.integers(0, 32),
        st.integers(0, 25),
        st.integers(0, 61),
        st.integers(0, 61),
        st.sampled_from(
            ["", ".1", ".123", ".123456", ".123456789", ".123456000", ".123x", "/123", ".", "Z"]
        ),
    ),
    st.text("0123456789-:.; ", min_size=15, max_size=28),
)


def read(reader, texts):
    """Return what `reader` makes of `texts`: (value, exact), or None if it is not a value."""
    values = [text.encode() for text in texts]
    data = b"\x01".join([*values, b""])
    length = np.array([len(value) for value in values], np.int64)
    at = np.cumsum(length + 1) - length - 1
    words = view(bytes(8) + data + bytes(64), 8)
    found, valid, *exact = reader(words, at, length, lambda index: texts[index])
    width = found.itemsize * found[:1].size or 8
    octets = found.tobytes()
    return [
        (int.from_bytes(octets[n * width : (n + 1) * width], "little", signed=True), fits)
        if known
        else None
        for n, (known, fits) in enumerate(zip(valid, exact[0] if exact else valid, strict=True))
    ]


def expected(reader, texts):
    """Return the results of the reader of single values, in the form of `read`."""
    return [(value, fits) if value is not None else None for value, fits in map(reader, texts)]


@settings(max_examples=300, deadline=None)
@given(st.lists(NUMBERS, max_size=20))
@example(["", ".", "0", "00.10", "12345678", "123456789", "1234567.1", "1234567.12345678", "1."])
def test_numbers_are_read_alike(texts):
    assert read(decimals, texts) == expected(read_decimal, texts)
    assert read(integers, texts) == expected(read_int, texts)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.builds(
            "{}{}{}".format,
            st.sampled_from(["", "-", "--", "+"]),
            st.sampled_from(["", "0", "0" * 30]),
            st.one_of(st.integers(0, 2**65), st.integers(2**63 - 2, 2**63 + 2)),
        ),
        max_size=20,
    )
)
@example(["9223372036854775807", "-9223372036854775808", "9223372036854775808", "-1", "9" * 5000])
def test_ints_are_read_up_to_the_limits_of_64_bits(texts):
    assert read(integers, texts) == expected(read_int, texts)
    for text in texts:
        known = text.removeprefix("-").isdigit() and -(2**63) <= Decimal(text) < 2**63
        assert read_int(text) == ((int(text), True) if known else (None, False))


@settings(max_examples=300, deadline=None)
@given(st.lists(TIMES, max_size=20))
@example(["20250102-09:30:00"] * 3)
@example(["20250102-09:30:00.123", "20250229-09:30:00.123", "20250103-09:30:00.123"])
def test_times_are_read_alike(texts):
    assert read(times, texts) == expected(read_time, texts)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(TIMES.map(lambda text: text[:8]), TIMES, NUMBERS), max_size=20))
@example(["20260302", "20260302", "20240229", "20230229", "0" * 8, "+2026302", "2026-3-2", ""])
def test_days_are_read_alike(texts):
    assert read(dates, texts) == expected(read_date, texts)


@pytest.mark.parametrize("text", ["Y", "N", "", "y", "YY", "X"])
def test_booleans_are_read_alike(text):
    assert read(booleans, [text, "Y"]) == expected(read_boolean, [text, "Y"])
