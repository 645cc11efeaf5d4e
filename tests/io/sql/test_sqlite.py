"""A number in SQLite is the double nearest to the text of the message."""

from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fixfeed.io.ledger.source import Source
from fixfeed.io.sql.open import open_store
from fixfeed.io.sql.sqlite import with_floats
from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.parser import parse_block
from fixfeed.transforms.fix.schema import DECIMAL
from tests.transforms.fix.messages import encode

LARGEST = 10**28 - 1
UNITS = st.one_of(
    st.integers(-(10**38) + 1, 10**38 - 1),
    st.integers(-(2**64), 2**64),
    st.integers(2**53 - 3, 2**53 + 3),
    st.integers(-LARGEST, LARGEST).map(lambda whole: whole * 10**10),
)


def text_of(units):
    sign = "-" if units < 0 else ""
    return f"{sign}{abs(units) // 10**10}.{abs(units) % 10**10:010}"


def doubles(texts):
    values = pa.array([None if text is None else Decimal(text) for text in texts], DECIMAL)
    rows = pa.RecordBatch.from_arrays([values], ["price"])
    # A part of a batch looks into the middle of its buffers.
    assert with_floats(rows[1:]).equals(with_floats(rows)[1:])
    return with_floats(rows)["price"].to_pylist()


@given(st.lists(st.one_of(st.none(), UNITS)))
@example([-(10**38) + 1, 1, None, 2**53 + 1, 1_000_000 * 10**10])
def test_a_decimal_becomes_the_nearest_double(units):
    texts = [None if one is None else text_of(one) for one in units]
    assert doubles(texts) == [None if text is None else float(text) for text in texts]


# Above 6 KiB blocks are read with arrays.
@pytest.mark.parametrize("vectorised", [False, True])
def test_every_price_is_found_in_sqlite_by_its_text(tmp_path, select, vectorised):
    texts = [f"{cents // 100}.{cents % 100:02}" for cents in range(1, 100_000)]
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
