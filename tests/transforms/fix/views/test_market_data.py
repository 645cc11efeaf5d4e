"""The view `market_data` has each entry with its symbol, wherever FIX has it."""

import pytest

QUERY = "select entry, md_entry_type_name, symbol, symbol_from, md_entry_px from market_data"
ORDER = " order by message_id, entry, md_entry_type"


def message(kind, fields, seq=1, *, version="FIX.4.4", time="09:30:00", original=None):
    head = f"{version}|35={kind}|49=VENUE|56=ME|34={seq}|52=20250102-{time}|"
    head += f"43=Y|{original}|" if original is not None else ""
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


def test_identifiers_are_those_of_a_subscription(ask):
    log = [
        message("W", "262=R1|55=IBM|268=2|269=0|278=1|270=10|269=1|278=2|270=11", 1),
        message("W", "262=R2|55=SAP|268=2|269=0|278=1|270=100|269=1|278=2|270=110", 2),
        message("X", "262=R1|268=1|279=1|269=0|278=1|270=10.5", 3),
        message("X", "262=R2|268=1|279=1|269=0|278=1|270=100.5", 4),
        message("X", "262=R3|268=1|279=1|269=0|278=1|270=7", 5),
        message("X", "268=1|279=1|269=0|278=1|270=101", 6),  # of no subscription: the last
        message("X", "268=1|279=0|269=0|278=9|55=VOD|270=1", 7),
        message("X", "262=R1|268=1|279=1|269=0|278=9|270=2", 8),
    ]
    assert ask(f"{QUERY} where msg_type = 'X' {ORDER}", log) == [
        (1, "Bid", "IBM", "MDEntryID", 10.5),
        (1, "Bid", "SAP", "MDEntryID", 100.5),
        (1, "Bid", None, None, 7),
        (1, "Bid", "SAP", "MDEntryID", 101),
        (1, "Bid", "VOD", "entry", 1),
        (1, "Bid", "VOD", "MDEntryID", 2),
    ]


@pytest.mark.parametrize("original", ["", "122=20250102-09:30:01", "122=20250102-09:30:01.000"])
def test_a_copy_is_no_later_entry_than_it_was(ask, original):
    first = "268=1|279=0|269=0|278=5|55=OLD|270=1"
    log = [
        message("X", first, 2, time="09:30:01"),
        message("X", "268=1|279=2|269=0|278=5", 3, time="09:30:01"),
        message("X", "268=1|279=0|269=0|278=5|55=NEW|270=50", 4, time="09:30:01"),
        message("X", first, 2, time="09:30:04", original=original),
        message("X", "268=1|279=1|269=0|278=5|270=51", 5, time="09:30:05"),
        message(
            "X", "268=1|279=2|269=0|278=5", 3, time="09:30:06", original="122=20250102-09:30:01"
        ),
    ]
    assert [
        (row[2], row[4]) for row in ask(f"{QUERY} where msg_seq_num in (3, 5) {ORDER}", log)
    ] == [
        ("OLD", None),
        ("NEW", 51),
        ("OLD", None),
    ]


def test_a_copy_of_what_is_not_there_is_an_entry_of_its_time(ask):
    log = [
        message("X", "268=1|279=0|269=0|278=5|55=NEW|270=1", 4, time="09:30:03"),
        message("X", "268=1|279=0|269=0|278=5|55=OLD|270=1", 2, time="09:30:04",
                original="122=20250102-09:30:01"),
        message("X", "268=1|279=1|269=0|278=5|270=2", 3, time="09:30:02"),
        message("X", "268=1|279=1|269=0|278=5|270=3", 5, time="09:30:05"),
    ]  # fmt: skip
    assert [row[2] for row in ask(f"{QUERY} where msg_seq_num in (3, 5) {ORDER}", log)] == [
        "OLD",
        "NEW",
    ]


def test_security_id_names_an_instrument_as_symbol_does(ask):
    fields = "268=6|279=0|269=0|278=a|55=IBM|48=111|22=8|270=1|279=0|269=1|270=2|"
    fields += "279=0|269=0|278=b|48=222|22=8|270=3|279=0|269=1|270=4|279=0|269=0|55=SAP|270=5|"
    fields += "279=1|269=0|278=b|270=6"
    log = [
        message("X", fields, 1),
        message("X", "268=2|279=1|269=0|278=a|270=7|279=1|269=0|278=b|270=8", 2, time="09:31:00"),
        message("W", "48=333|22=8|268=1|269=0|278=c|270=9", 3, time="09:31:00"),
        message("X", "268=1|279=1|269=0|278=c|270=10", 4, time="09:32:00"),
        message("V", "262=R|263=1|264=0|267=1|269=0|146=2|55=VOD|48=444|22=8|48=555|22=8", 5),
    ]
    query = "select symbol, security_id, symbol_from, md_entry_px from market_data" + ORDER
    assert ask(query, log) == [
        ("IBM", "111", "entry", 1),
        ("IBM", "111", "entry before", 2),
        (None, "222", "entry", 3),
        (None, "222", "entry before", 4),
        ("SAP", None, "entry", 5),
        (None, "222", "MDEntryID", 6),
        ("IBM", "111", "MDEntryID", 7),
        (None, "222", "MDEntryID", 8),
        (None, "333", "message", 9),
        (None, "333", "MDEntryID", 10),
        ("VOD", "444", "entry", None),
        (None, "555", "entry", None),
    ]
