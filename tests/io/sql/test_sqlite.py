"""A number in SQLite is the double nearest to its text in the message."""

import itertools
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fixfeed.io.ledger.source import Source
from fixfeed.io.sql.doubles import with_doubles
from fixfeed.io.sql.open import open_store
from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.parser import parse_block
from fixfeed.transforms.fix.protocol import FIX
from fixfeed.transforms.fix.reading import FIELDS
from fixfeed.transforms.fix.schema import DECIMAL
from tests.transforms.fix.messages import encode

LARGEST = 10**28 - 1
UNITS = st.one_of(
    st.integers(-(10**38) + 1, 10**38 - 1),
    st.integers(-(2**64), 2**64),
    st.integers(2**53 - 3, 2**53 + 3),
    st.integers(-LARGEST, LARGEST).map(lambda whole: whole * 10**10),
)

FINER = FIX.table.finer


def text_of(units):
    sign = "-" if units < 0 else ""
    return f"{sign}{abs(units) // 10**10}.{abs(units) % 10**10:010}"


def doubles(texts):
    values = pa.array([None if text is None else Decimal(text) for text in texts], DECIMAL)
    rows = pa.RecordBatch.from_arrays([values], ["price"])
    # A slice of a batch starts inside its buffers.
    assert with_doubles(rows[1:], FINER).equals(with_doubles(rows, FINER)[1:])
    return with_doubles(rows, FINER)["price"].to_pylist()


@given(st.lists(st.one_of(st.none(), UNITS)))
@example([-(10**38) + 1, 1, None, 2**53 + 1, 1_000_000 * 10**10])
def test_a_decimal_becomes_the_nearest_double(units):
    texts = [None if one is None else text_of(one) for one in units]
    assert doubles(texts) == [None if text is None else float(text) for text in texts]


@pytest.mark.parametrize("fields", FIELDS)
@given(
    st.lists(st.from_regex(r"-?[0-9]{0,9}\.[0-9]{1,25}|-?[0-9]{1,15}", fullmatch=True), min_size=2)
)
@example(["0.9655164080872", "0.0000759329574455", "-0.00000000001", "0.10000000004", "0.1"])
def test_a_number_with_any_number_of_places_becomes_the_double_nearest_to_its_text(fields, texts):
    pairs = list(itertools.pairwise(texts))
    data = b"\n".join(
        # Price, AvgPx twice, and an entry of NoHops with other numbers.
        encode([(35, b"8"), *(((tag, text.encode())) for tag, text in numbers(*pair))])
        for pair in pairs
    )
    rows = parse_block(Block("log", 0, data), fields=fields).messages
    found = with_doubles(rows, FINER)
    for name, place in (("price", 0), ("avg_px", 0), ("last_px", 1)):
        assert found[name].to_pylist() == [float(pair[place]) for pair in pairs]
    assert found["fields"].equals(rows["fields"])


def numbers(one, other):
    entry = [(73, "1"), (11, "C1"), (38, other), (44, other)]
    return [(44, one), (6, one), (31, other), (5001, f'"Price":"{other}"'), (6, other), *entry]


def test_text_from_another_field_of_the_same_name_is_not_used():
    fields = ['{"Price":"7.123456789012"}', '{"Price":{"a":"0.123456789012"}}', '{"Price":[]}']
    prices = pa.array([Decimal("0.1234567890")] * 3, DECIMAL)
    rows = pa.RecordBatch.from_arrays([prices, pa.array(fields)], ["price", "fields"])
    assert with_doubles(rows, FINER)["price"].to_pylist() == [0.123456789] * 3


# Blocks above 6 KiB are read with arrays.
@pytest.mark.parametrize("vectorised", [False, True])
def test_sqlite_finds_every_price_by_its_text(tmp_path, select, vectorised):
    texts = [f"{cents // 100}.{cents % 100:02}" for cents in range(1, 100_000)]
    texts += ["0.9655164080872", "0.0000759329574455", "-0.00000000001"]
    texts += ["-0.01", "-100.85", "0.0000000001", "1234567890123.4567890123", "5000000000"]
    data = b"".join(
        encode([(35, b"8"), (44, text.encode()), (31, text.encode())]) + b"\n" for text in texts
    )
    uri = f"sqlite:///{tmp_path / 'prices.db'}"
    store = open_store(uri)
    store.prepare()
    source = Source("file:key", "file", "prices.log")
    number = store.register([source], rules="r")["file:key"].source_id
    batch = parse_block(Block("file:key", 0, data), vectorised=vectorised)
    store.write([(number, batch)], rules="r", replace=False)
    store.close()
    found = select(uri, "select price, last_px from messages order by message_id")
    assert found == [(float(text), float(text)) for text in texts]
    assert select(uri, "select count(*) from messages where price = 1.13") == [(1,)]


@pytest.fixture
def times(tmp_path):
    store = open_store(f"sqlite:///{tmp_path / 'times.db'}")
    store.prepare()
    number = store.register([Source("file:key", "file", "day.log")], rules="r")[
        "file:key"
    ].source_id
    texts = [b"20260302-09:00:00", b"20260302-12:30:00.5", b"20260303-00:00:00.000001"]
    log = b"".join(encode([(35, b"0"), (52, text)]) for text in texts)
    store.write([(number, parse_block(Block("file:key", 0, log)))], rules="r", replace=False)
    yield store
    store.close()


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("sending_time >= '2026-03-02 12:00'", 2),
        ("sending_time < '2026-03-03'", 2),
        ("sending_time >= date('2026-03-03')", 1),
        ("sending_time >= datetime('2026-03-02 09:00:00')", 3),
        ("sending_time < datetime('2026-03-02 09:00:00', '+1 day')", 3),
        ("sending_time like '2026-03-02 09:%'", 1),
        ("sending_time = '2026-03-02 12:30:00.500000'", 1),
        ("strftime('%H', sending_time) = '12'", 1),
    ],
)
def test_times_compare_with_days_prefixes_and_datetime(times, condition, found):
    assert times.query(f"select count(*) from messages where {condition}") == [(found,)]


def test_pages_by_time_and_defects_are_found_by_an_index(database):
    store = open_store(database)
    store.prepare()
    time = "coalesce(sending_time, captured_at)"
    order = f"order by {time} desc, message_id desc limit 100"
    explain = "explain query plan" if store.dialect == "sqlite" else "explain"
    for where, index in (("", "messages_time"), ("where defects is not null", "messages_defects")):
        if store.dialect == "postgresql":
            store.query("set enable_seqscan = off")
            store.query("set enable_sort = off")
        plan = store.query(f"{explain} select * from messages {where} {order}")
        assert index in str(plan), plan
        assert "TEMP B-TREE" not in str(plan)
    store.close()
