"""A lake has the names of codes in one file, whole at any time."""

import pyarrow.parquet as pq
import pytest

from fixfeed.io.ledger.ledger import SinkError
from fixfeed.io.parquet.codes import CODES, keep_codes
from fixfeed.io.parquet.local_folder import LocalFolder
from fixfeed.io.parquet.writer import ParquetWriter
from fixfeed.transforms.codes import Code

BUY, DARK = Code("Side", "1", "Buy"), Code("Side", "Z", "Dark", {"FIX.4.4:A->B": "Dark"})


@pytest.fixture
def keep(tmp_path):
    storage = LocalFolder("lake", str(tmp_path))
    storage.prepare()

    def keep(*codes):
        keep_codes(storage, codes)
        assert list((tmp_path / "_fixfeed" / "inprogress").iterdir()) == []
        return pq.read_table(tmp_path / CODES).to_pylist()

    return keep


def row(field, value, name, other_names=None):
    return {"field": field, "value": value, "name": name, "other_names": other_names}


def test_codes_are_in_order_of_field_and_value(keep):
    later = Code("OrdType", "2", "Limit")
    assert keep(DARK, BUY, later) == [
        row("OrdType", "2", "Limit"),
        row("Side", "1", "Buy"),
        row("Side", "Z", "Dark", '{"FIX.4.4:A->B":"Dark"}'),
    ]


def test_names_of_other_runs_stay_and_the_newest_name_counts(keep):
    keep(BUY, DARK)
    both = '{"FIX.4.4:A->B":"Dark","FIX.4.4:C->D":"House"}'
    assert keep(
        Code("Side", "1", "Bid"),
        Code("Side", "Z", "House", {"FIX.4.4:C->D": "House"}),
        Code("Side", "2", "Sell"),
    ) == [row("Side", "1", "Bid"), row("Side", "2", "Sell"), row("Side", "Z", "House", both)]


def test_codes_of_several_sessions_come_together(keep):
    keep(BUY)
    more = Code("Side", "1", "Buy", {"other": "Buy", "FIX.4.4:A->B": "Bid"})
    again = Code("Side", "1", "Buy", {"other": "Buy", "FIX.4.4:C->D": "Bid"})
    names = '{"other":"Buy","FIX.4.4:A->B":"Bid","FIX.4.4:C->D":"Bid"}'
    assert keep(more, again) == [row("Side", "1", "Buy", names)]


def test_a_file_that_says_the_same_is_left_alone(keep, tmp_path):
    keep(BUY, DARK)
    before = (tmp_path / CODES).stat().st_ino
    keep(BUY, DARK)
    keep(BUY)
    assert (tmp_path / CODES).stat().st_ino == before


def test_a_file_that_holds_no_codes_is_named(tmp_path):
    (tmp_path / "codes").mkdir()
    (tmp_path / CODES).write_bytes(b"no parquet")
    with pytest.raises(SinkError, match=r"codes/codes.parquet holds no codes \(.*; remove it, and"):
        ParquetWriter(str(tmp_path)).prepare()


def test_what_a_killed_writer_left_is_removed(tmp_path):
    ParquetWriter(str(tmp_path)).prepare()
    left = tmp_path / "_fixfeed" / "inprogress" / "codes-1.inprogress"
    left.write_bytes(b"half")
    ParquetWriter(str(tmp_path)).prepare()
    assert not left.exists()
    assert {path.name for path in tmp_path.iterdir()} == {"_fixfeed", "codes"}
