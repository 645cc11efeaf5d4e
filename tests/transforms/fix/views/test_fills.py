"""The view `fills` has each fill that counts, once, in all versions of FIX."""

import random

import pytest

HEAD = "35=8|49=BROKER|56=ME|52={time}|34={seq}|"
QUERY = "select exec_id, last_qty, last_px, corrections, original_message_id is null from fills"
"""What is compared; the last column says that the first report is not in the data."""


def report(version, seq, fields, *, time="20250102-09:30:00"):
    return f"{version}|{HEAD.format(time=time, seq=seq)}{fields}|"


def fills(ask, *logs):
    return ask(f"{QUERY} order by exec_id, last_qty", *logs)


OLD = ["FIX.4.0", "FIX.4.1", "FIX.4.2"]
NEW = ["FIX.4.3", "FIX.4.4", "FIXT.1.1"]


def old(version, seq, exec_id, trans, kind, qty, px="10", *, ref="", more="37=O1", **options):
    """Return a report of FIX 4.0 to 4.2; FIX 4.0 has no ExecType."""
    fields = f"{more}|17={exec_id}|20={trans}|39={kind}|32={qty}|31={px}|"
    fields += "" if version == "FIX.4.0" else f"150={kind}|"
    fields += f"19={ref}|" if ref else ""
    return report(version, seq, fields.rstrip("|"), **options)


def new(version, seq, exec_id, kind, qty, px="10", *, ref="", more="37=O1", **options):
    """Return a report of FIX 4.3 or later; FIXT.1.1 is read as 5.0 SP2."""
    fields = f"{more}|17={exec_id}|150={kind}|39=1|32={qty}|31={px}|"
    fields += "1128=9|" if version == "FIXT.1.1" else ""
    fields += f"19={ref}|" if ref else ""
    return report(version, seq, fields.rstrip("|"), **options)


def trades(version):
    """Return functions that make a fill, a correction and a bust of a version."""

    def fill(seq, exec_id, qty, px="10", **options):
        if version in OLD:
            return old(version, seq, exec_id, "0", "1", qty, px, **options)
        return new(version, seq, exec_id, "F", qty, px, **options)

    def correction(seq, exec_id, ref, qty, px="10", **options):
        if version in OLD:
            return old(version, seq, exec_id, "2", "1", qty, px, ref=ref, **options)
        return new(version, seq, exec_id, "G", qty, px, ref=ref, **options)

    def bust(seq, exec_id, ref, **options):
        if version in OLD:
            return old(version, seq, exec_id, "1", "1", "0", "0", ref=ref, **options)
        return new(version, seq, exec_id, "H", "0", "0", ref=ref, **options)

    return fill, correction, bust


@pytest.mark.parametrize("version", OLD)
def test_a_report_before_fix_4_3_is_a_fill_if_it_is_new_and_says_so(ask, version):
    log = [
        old(version, 1, "E0", "0", "0", "0"),  # accepted
        old(version, 2, "E1", "0", "1", "100"),
        old(version, 3, "E2", "0", "2", "200"),
        old(version, 4, "0", "3", "2", "200"),  # status
        old(version, 5, "E4", "0", "4", "0"),  # cancelled
    ]
    assert fills(ask, log) == [("E1", 100, 10, 0, 0), ("E2", 200, 10, 0, 0)]


@pytest.mark.parametrize("version", NEW)
def test_a_report_from_fix_4_3_on_is_a_fill_if_exec_type_is_trade(ask, version):
    log = [
        new(version, 1, "E0", "0", "0"),
        new(version, 2, "E1", "F", "100"),
        new(version, 3, "0", "I", "100"),  # status
        new(version, 4, "E3", "4", "0"),
        f"{version}|35=AE|49=BROKER|56=ME|52=20250102-09:30:00|34=5|571=T|570=N|17=E5|32=5|31=1|",
    ]
    assert fills(ask, log) == [("E1", 100, 10, 0, 0)]


def test_a_fill_while_a_cancel_is_pending_counts_in_fix_4_0(ask):
    assert fills(ask, [old("FIX.4.0", 1, "E1", "0", "6", "100")]) == [("E1", 100, 10, 0, 0)]


def test_what_a_report_says_counts_whatever_its_version(ask):
    log = [
        new("FIX.4.2", 1, "E1", "F", "100", more="37=O1|20=0"),
        report("FIX.4.4", 2, "37=O1|17=E2|150=2|39=2|32=200|31=10"),
        new("FIX.4.2", 3, "E3", "H", "0", ref="E1", more="37=O1|20=1"),
        report("FIX.4.2", 4, "37=O1|17=E4|150=1|39=1|32=300|31=10"),  # ExecTransType is missing
    ]
    assert fills(ask, log) == [("E2", 200, 10, 0, 0), ("E4", 300, 10, 0, 0)]


@pytest.mark.parametrize("version", OLD + NEW)
def test_busts_and_corrections_apply_in_any_order_of_the_file(ask, version):
    fill, correction, bust = trades(version)
    log = [
        fill(1, "A1", "100"),
        bust(2, "A2", "A1"),
        fill(3, "B1", "100"),
        correction(4, "B2", "B1", "90", "11"),
        fill(5, "C1", "100"),
        correction(6, "C2", "C1", "90", time="20250102-09:31:00"),
        correction(7, "C3", "C2", "80", time="20250102-09:32:00"),
        fill(8, "D1", "100"),
        correction(9, "D2", "D1", "90", time="20250102-09:31:00"),
        correction(10, "D3", "D1", "80", time="20250102-09:32:00"),  # the first each time
        fill(11, "E1", "100"),
        correction(12, "E2", "E1", "90"),
        bust(13, "E3", "E2"),
        fill(14, "F1", "100"),
        correction(15, "F2", "F1", "90"),
        bust(16, "F3", "F1"),
        fill(17, "G1", "100"),
    ]
    expected = [
        ("B2", 90, 11, 1, 0),
        ("C3", 80, 10, 2, 0),
        ("D3", 80, 10, 2, 0),
        ("G1", 100, 10, 0, 0),
    ]
    mixed = random.Random(version).sample(log, len(log))
    assert fills(ask, mixed[:8], mixed[8:]) == expected


@pytest.mark.parametrize("version", OLD + NEW)
def test_a_correction_of_a_fill_that_is_not_there_counts_and_is_marked(ask, version):
    _, correction, bust = trades(version)
    log = [
        correction(1, "B2", "B1", "90"),
        correction(2, "C2", "C1", "90", time="20250102-09:31:00"),
        correction(3, "C3", "C1", "80", time="20250102-09:32:00"),
        correction(4, "D2", "D1", "90"),
        bust(5, "D3", "D1"),
        bust(6, "E2", "E1"),
    ]
    assert fills(ask, log) == [("B2", 90, 10, 1, 1), ("C3", 80, 10, 2, 1)]


def test_a_correction_or_bust_of_what_is_no_fill_is_none(ask):
    log = [
        old("FIX.4.2", 1, "A1", "0", "0", "0"),
        old("FIX.4.2", 2, "A2", "2", "0", "0", ref="A1"),
        old("FIX.4.2", 3, "A3", "1", "0", "0", ref="A1"),
    ]
    assert fills(ask, log) == []


@pytest.mark.parametrize("version", ["FIX.4.0", "FIX.4.2", "FIX.4.4", "FIXT.1.1"])
def test_copies_of_a_report_count_once(ask, version):
    fill, correction, bust = trades(version)
    again = {"time": "20250103-00:00:10"}
    copy = "37=O1|43=Y|122=20250102-09:30:00"
    first = [
        fill(1, "A1", "100"),
        fill(2, "B1", "100"),
        correction(3, "B2", "B1", "90"),
        fill(4, "C1", "100"),
    ]
    second = [
        fill(1, "A1", "100", more=copy, **again),
        fill(2, "B1", "100", more=copy, **again),
        correction(3, "B2", "B1", "90", more=copy, **again),
        fill(7, "C1", "100", more="37=O1|97=Y"),
        fill(5, "D1", "100", more=copy, **again),  # the first one is not there
        bust(6, "D2", "D1", more=copy, **again),
        bust(6, "D2", "D1", more=copy, **again),
    ]
    expected = [("A1", 100, 10, 0, 0), ("B2", 90, 10, 1, 0), ("C1", 100, 10, 0, 0)]
    assert fills(ask, second, first, first) == expected


def test_the_same_exec_id_is_another_fill_on_another_day_order_or_session(ask):
    fill, _, bust = trades("FIX.4.4")
    log = [
        fill(1, "1", "100", more="37=O1|75=20250102"),
        fill(2, "1", "200", more="37=O1|75=20250103"),
        fill(3, "1", "300", more="37=O2|75=20250103"),
        fill(4, "1", "400", more="37=O1|75=20250102").replace("49=BROKER", "49=VENUE"),
        fill(5, "1", "500", more="37=O1|60=20250106-23:59:59.5"),
        fill(6, "1", "500", more="37=O1|60=20250107-00:00:00"),
        bust(7, "2", "1", more="37=O1|75=20250104"),
    ]
    assert [(qty, count) for _, qty, *_, count in fills(ask, log)] == [
        (100, 0),
        (300, 0),
        (400, 0),
        (500, 0),
        (500, 0),
    ]


def test_a_bust_may_come_with_another_order_id(ask):
    fill, _, bust = trades("FIX.4.4")
    assert fills(ask, [fill(1, "A1", "100"), bust(2, "A2", "A1", more="37=O9")]) == []


def test_a_bust_may_use_the_exec_id_of_its_fill(ask):
    fill, correction, bust = trades("FIX.4.2")
    log = [
        fill(1, "A1", "100"),
        bust(2, "A1", "A1"),
        fill(3, "B1", "100"),
        correction(4, "B1", "B1", "90"),
        correction(5, "B1", "B1", "80", time="20250102-09:31:00"),
        fill(6, "C1", "100"),
        bust(7, "C1", ""),
    ]
    assert fills(ask, log) == [("B1", 80, 10, 2, 0)]


def test_corrections_of_each_other_are_one_fill(ask):
    _, correction, _ = trades("FIX.4.4")
    log = [correction(1, "A", "B", "90"), correction(2, "B", "A", "80")]
    assert fills(ask, log) == [("B", 80, 10, 2, 1)]


def test_reports_without_exec_id_are_fills_each(ask):
    first = report("FIX.4.4", 1, "37=O1|150=F|32=100|31=10")
    log = [first, first.replace("34=1|", "34=2|"), first.replace("34=1|", "34=1|43=Y|")]
    assert fills(ask, log) == [(None, 100, 10, 0, 0), (None, 100, 10, 0, 0)]


@pytest.mark.parametrize("none", ["0", "none"])
def test_an_exec_id_that_is_none_is_no_id(ask, none):
    log = [
        new("FIX.4.4", 1, none, "F", "100"),
        new("FIX.4.4", 2, none, "F", "200"),
        new("FIX.4.4", 3, "E3", "H", "100", ref=none),
    ]
    assert fills(ask, [*log, log[0]]) == [(none, 100, 10, 0, 0), (none, 200, 10, 0, 0)]


def test_a_drop_copy_is_a_fill_of_its_session_and_marked(ask):
    fill, _, _ = trades("FIX.4.4")
    log = [
        fill(1, "A1", "100"),
        fill(1, "A1", "100", more="37=O1|797=Y").replace("56=ME", "56=BACKOFFICE"),
    ]
    query = "select target_comp_id, last_qty, drop_copy from fills order by 1"
    assert ask(query, log) == [("BACKOFFICE", 100, 1), ("ME", 100, 0)]


def test_a_fill_has_the_columns_and_names_of_its_report(ask):
    fill, correction, _ = trades("FIX.4.4")
    log = [
        fill(1, "A1", "100.5", "10.25", more="37=O1|55=IBM|54=1|60=20250102-09:29:59.000001"),
        correction(2, "A2", "A1", "90", "10.5", more="37=O1|55=IBM|54=1|851=1"),
    ]
    query = "select message_id, original_message_id, corrections, symbol, side_name, last_qty,"
    query += " last_px, sending_time_us, fields ->> 'LastLiquidityInd' from fills"
    ((message_id, original, *rest),) = ask(query, log)
    assert message_id > original == 1 << 40
    us = 1_735_810_200_000_000
    assert rest == [1, "IBM", "Buy", 90, 10.5, us, "1"]


@pytest.mark.parametrize("version", ["FIX.4.0", "FIX.4.2", "FIX.4.4"])
def test_the_correction_that_was_sent_last_counts_though_an_earlier_one_is_sent_again(ask, version):
    fill, correction, _ = trades(version)

    def again(seconds):
        return {"time": "20250102-09:40:00", "more": f"37=O1|43=Y|122=20250102-09:3{seconds}"}

    log = [
        fill(1, "A1", "100"),
        correction(3, "A3", "A1", "300", time="20250102-09:33:00.500"),
        correction(2, "A2", "A1", "200", **again("2:00")),
        correction(3, "A3", "A1", "300", **again("3:00.500")),
        fill(4, "B1", "100"),
        correction(6, "B3", "B1", "300", **again("3:00.25")),
        correction(5, "B2", "B1", "200", **again("3:00.125")),
        fill(7, "C1", "100"),
        correction(9, "C3", "C1", "300", time="20250102-09:33:00"),
        correction(8, "C2", "C1", "200", time="20250102-09:33:00"),
    ]
    assert [(row[0], row[1], row[3]) for row in fills(ask, log)] == [
        ("A3", 300, 2),
        ("B3", 300, 2),
        ("C3", 300, 2),
    ]


def test_a_fill_may_be_corrected_to_what_it_was_before(ask):
    fill, correction, _ = trades("FIX.4.4")
    day = "20250102-09:3"
    log = [
        fill(1, "A", "10", time=day + "0:00"),
        correction(2, "A", "A", "20", time=day + "1:00"),
        correction(3, "A", "A", "10", time=day + "2:00"),
        correction(4, "A", "A", "20", time=day + "3:00"),
        correction(5, "B", "B", "30", time=day + "3:00"),  # its fill is not there
        correction(6, "B", "B", "40", time=day + "4:00"),
        correction(7, "B", "B", "50", time=day + "5:00"),
    ]
    copies = [
        log[2],
        correction(3, "A", "A", "10", time=day + "6:00", more="37=O1|43=Y"),
        correction(9, "A", "A", "10", time=day + "7:00", more="37=O1|97=Y"),
        correction(10, "C", "C", "70", time=day + "8:00", more="37=O1|97=Y"),
        correction(11, "C", "C", "70", time=day + "9:00", more="37=O1|97=Y"),
    ]
    expected = [("A", 20, 10, 3, 0), ("B", 50, 10, 3, 1), ("C", 70, 10, 1, 1)]
    assert fills(ask, log[::-1], copies) == expected


def test_a_report_of_nothing_is_no_fill(ask):
    zero = trades("FIX.4.4")[1]
    log = [
        old("FIX.4.2", 1, "A1", "0", "2", "0", "0"),
        new("FIX.4.4", 2, "A2", "F", "0", "0"),
        new("FIX.4.4", 3, "B1", "F", "100"),
        zero(4, "B2", "B1", "0"),
        report("FIX.4.4", 5, "37=O1|17=C1|150=F|31=10"),  # how much is not said
    ]
    assert fills(ask, log) == [("C1", None, 10, 0, 0)]


@pytest.mark.parametrize("status", ["0", "3", "4", "5", "8", "A", "C"])
def test_what_repeats_a_fill_when_its_order_ends_is_none_in_fix_4_0(ask, status):
    log = [old("FIX.4.0", 1, "E1", "0", "1", "12"), old("FIX.4.0", 2, "E2", "0", status, "12")]
    assert fills(ask, log) == [("E1", 12, 10, 0, 0)]


def test_parties_behind_a_hub_have_fills_of_their_own(ask):
    fill, correction, bust = trades("FIX.4.4")

    def behind(*parties):
        return [{"more": f"{one}|37=1"} for one in parties]

    log = []
    for exec_id, one, other in (
        ("1", *behind("115=BRKA", "115=BRKB")),
        ("2", *behind("128=C1", "128=C2")),
        ("3", *behind("50=D1", "50=D2")),
        ("4", *behind("57=T1", "57=T2")),
    ):
        log += [fill(1, exec_id, "100", **one), fill(2, exec_id, "200", **other)]
        log += [fill(1, exec_id, "100", more=one["more"] + "|43=Y")]
    log += [
        correction(9, "1b", "1", "90", **behind("115=BRKA")[0]),
        bust(10, "2b", "2", **behind("128=C1")[0]),
        bust(11, "3b", "3", **behind("50=D1")[0]),
        bust(12, "4b", "4", **behind("57=T2|128=C9")[0]),  # a client without this fill
        fill(13, "5", "100", more="115=BRKA|50=D1|37=1"),
        bust(14, "5b", "5", more="50=OPS|37=1"),
    ]
    assert [row[:2] for row in fills(ask, log)] == [
        ("1", 200),
        ("1b", 90),
        ("2", 200),
        ("3", 200),
        ("4", 100),
        ("4", 200),
    ]


@pytest.mark.parametrize("version", ["FIX.4.0", "FIX.4.1", "FIX.4.2"])
def test_a_copy_after_midnight_is_one_though_it_has_sending_time_alone(ask, version):
    fill, correction, _ = trades(version)
    evening, night = {"time": "20250102-23:59:59"}, {"time": "20250103-00:00:05"}
    later = {"time": "20250106-09:00:00"}
    dup, resent = {"more": "37=O1|43=Y"}, {"more": "37=O1|97=Y"}
    log = [
        fill(1, "A", "100", **evening),
        fill(1, "A", "100", **night, **dup),
        fill(2, "B", "100", **evening),
        fill(9, "B", "100", **night, **resent),
        fill(3, "C", "100", **evening),
        fill(3, "C", "100", **night),  # no copy: ExecIDs begin anew
        fill(4, "D", "100", **evening),
        fill(4, "D", "200", **night, **dup),  # of another fill, which is not there
        fill(5, "E", "100", **evening, **dup),
        fill(5, "E", "100", **night, **dup),
        fill(6, "F", "100", **evening),
        fill(6, "F", "100", **later, **dup),
        fill(7, "G", "100", **evening),
        fill(7, "G", "100", **night, more="37=O1|43=Y|122=20250102-23:59:59"),
        correction(8, "H", "G", "90", **evening),
        correction(8, "H", "G", "90", **night, **dup),
    ]
    assert [(row[0], row[1], row[3]) for row in fills(ask, log)] == [
        ("A", 100, 0),
        ("B", 100, 0),
        ("C", 100, 0),
        ("C", 100, 0),
        ("D", 100, 0),
        ("D", 200, 0),
        ("E", 100, 0),
        ("F", 100, 0),
        ("F", 100, 0),
        ("H", 90, 1),
    ]


def test_an_original_time_that_is_none_changes_nothing(ask):
    fill, correction, _ = trades("FIX.4.2")
    log = [
        fill(1, "A1", "100"),
        correction(2, "A2", "A1", "90", time="20250102-09:32:00"),
        correction(3, "A3", "A1", "80", time="20250102-09:33:00", more="37=O1|43=Y|122=20251302-1"),
        fill(1, "A1", "100", more="37=O1|43=Y|122=yesterday"),
    ]
    assert [row[:2] for row in fills(ask, log)] == [("A3", 80)]


def test_legs_and_the_whole_of_them_are_told_apart(ask):
    fill, _, _ = trades("FIX.4.4")
    log = [
        fill(seq, f"E{seq}", "10", more=f"37=O1|{more}55=X")
        for seq, more in enumerate(["442=3|", "442=2|", "442=2|", "442=1|", ""], 1)
    ]
    query = "select exec_id from fills where coalesce(multi_leg_reporting_type, '1') <> '3'"
    assert ask(query + " order by exec_id", log) == [("E2",), ("E3",), ("E4",), ("E5",)]
