"""The view `market_data` has each entry with its symbol, wherever FIX has it."""

import pytest

QUERY = "select entry, md_entry_type_name, symbol, symbol_from, md_entry_px from market_data"
ORDER = " order by message_id, entry, md_entry_type"


def message(kind, fields, seq=1, *, version="FIX.4.4", time="09:30:00"):
    head = f"{version}|35={kind}|49=VENUE|56=ME|34={seq}|52=20250102-{time}|"
    return f"{head}{'1128=9|' if version == 'FIXT.1.1' else ''}{fields}|"


VERSIONS = ["FIX.4.2", "FIX.4.3", "FIX.4.4", "FIXT.1.1"]


@pytest.mark.parametrize("version", VERSIONS)
def test_entries_of_a_snapshot_have_the_symbol_of_the_message(ask, version):
    fields = "55=IBM|262=R|268=2|269=0|270=10.5|271=100|269=1|270=11|271=200"
    log = [message("W", fields, version=version)]
    query = "select md_req_id, symbol, symbol_from, md_entry_type, md_entry_px, md_entry_size,"
    query += " fields ->> 'MDEntrySize' from market_data order by entry"
    assert ask(query, log) == [
        ("R", "IBM", "message", "0", 10.5, 100, "100"),
        ("R", "IBM", "message", "1", 11, 200, "200"),
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_an_entry_without_symbol_has_that_of_the_entry_before(ask, version):
    fields = "268=5|279=0|269=0|55=IBM|270=1|279=0|269=1|270=2|279=0|269=0|55=SAP|270=3|"
    fields += "279=0|269=1|270=4|279=1|269=0|270=5"
    log = [message("X", fields, version=version)]
    assert ask(QUERY + ORDER, log) == [
        (1, "Bid", "IBM", "entry", 1),
        (2, "Offer", "IBM", "entry before", 2),
        (3, "Bid", "SAP", "entry", 3),
        (4, "Offer", "SAP", "entry before", 4),
        (5, "Bid", "SAP", "entry before", 5),
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_change_has_the_symbol_of_the_entry_that_it_refers_to(ask, version):
    first = "268=3|279=0|269=0|278=a|55=IBM|270=1|279=0|269=1|278=b|270=2|279=0|269=0|278=c|55=SAP"
    second = "268=4|279=1|269=0|278=b|270=3|279=0|269=1|270=4|279=2|269=0|278=c|"
    second += "279=1|269=0|278=d|280=a|270=5"
    unknown = "268=2|279=0|269=0|55=VOD|270=6|279=1|269=0|278=z|270=7"
    log = [
        message("X", first, 1, version=version),
        message("X", second, 2, version=version, time="09:30:01"),
        message("X", unknown, 3, version=version, time="09:30:02"),
    ]
    assert ask(f"{QUERY} where msg_seq_num > 1 {ORDER}", log) == [
        (1, "Bid", "IBM", "MDEntryID", 3),
        (2, "Offer", "IBM", "entry before", 4),
        (3, "Bid", "SAP", "MDEntryID", None),
        (4, "Bid", "IBM", "MDEntryID", 5),
        (1, "Bid", "VOD", "entry", 6),
        (2, "Bid", "VOD", "entry before", 7),
    ]


def test_the_last_entry_before_with_an_identifier_counts_in_its_session(ask):
    log = [
        message("X", "268=1|279=0|269=0|278=a|55=OLD", 1),
        message("X", "268=1|279=0|269=0|278=a|55=NEW", 2, time="09:31:00"),
        message("X", "268=1|279=0|269=0|278=a|55=OTHER", 2, time="09:31:30").replace("=ME", "=YOU"),
        message("X", "268=1|279=2|269=0|278=a", 3, time="09:32:00"),
        message("X", "268=1|279=0|269=0|278=a|55=LATER", 4, time="09:33:00"),
    ]
    assert ask(f"{QUERY} where msg_seq_num = 3", log) == [(1, "Bid", "NEW", "MDEntryID", None)]


def test_what_is_not_known_is_null(ask):
    log = [message("X", "268=3|279=2|269=0|278=q|270=x1|279=0|269=1|270=-.5|279=0|269=1|270=1.")]
    assert ask(QUERY + ORDER, log) == [
        (1, "Bid", None, None, None),
        (2, "Offer", None, None, -0.5),
        (3, "Offer", None, None, 1),
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_request_has_each_symbol_and_type_that_it_asks_for(ask, version):
    fields = "262=R|263=1|264=0|267=2|269=0|269=1|146=2|55=IBM|55=SAP"
    log = [message("V", fields, version=version)]
    assert ask(QUERY + ORDER, log) == [
        (1, "Bid", "IBM", "entry", None),
        (1, "Offer", "IBM", "entry", None),
        (2, "Bid", "SAP", "entry", None),
        (2, "Offer", "SAP", "entry", None),
    ]


def test_a_group_that_is_no_group_has_no_entries(ask):
    assert ask(QUERY, [message("W", "55=IBM|268=2"), message("X", "268=0", 2)]) == []
