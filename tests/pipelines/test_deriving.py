"""Runs bring the derived tables of their databases up to date, or leave that to another one."""

import random
import threading

import pytest

from fixfeed.io.sql import derived
from fixfeed.pipelines import derive as derive_command
from fixfeed.pipelines import left_to_derive
from fixfeed.pipelines.derive import main as derive
from fixfeed.pipelines.fixfeed import main
from fixfeed.transforms.fix.anomalies.rules import KINDS
from fixfeed.transforms.fix.protocol import FIX
from tests.transforms.fix.anomalies.test_anomalies import STRICT, random_day
from tests.transforms.fix.messages import encode
from tests.transforms.fix.orders.test_drop_copies import day

ORDER = encode([(35, b"D"), (49, b"A"), (56, b"B"), (11, b"C1"), (55, b"AAPL"), (54, b"1")])


def test_what_a_run_leaves_to_be_derived_the_next_run_derives(tmp_path, database, select):
    log = tmp_path / "day.log"
    log.write_bytes(ORDER + b"\n")
    words = ["--input", str(log), "--output", database, "--quiet"]
    assert main([*words, "--no-derive"]) == 0
    assert select(database, "select cl_ord_id from messages") == [("C1",)]
    assert select(database, "select count(*) from orders") == [(0,)]
    assert main(words) == 0
    assert select(database, "select id from order_ids") == [("C1",)]
    assert select(database, "select count(*) from derive_stretches") == [(0,)]


def test_what_is_left_to_derive_is_told_while_that_goes_on(tmp_path, database, monkeypatch, capsys):
    log = tmp_path / "day.log"
    log.write_bytes(ORDER + b"\n")
    assert main(["--input", str(log), "--output", database, "--quiet", "--no-derive"]) == 0
    monkeypatch.setattr(left_to_derive, "LINE_SECONDS", 0.01)
    told = threading.Event()

    def slow(store):
        assert told.wait(60)
        return derived.derive(store)

    monkeypatch.setattr(derive_command, "derive", slow)
    monkeypatch.setattr(derive_command, "_note", lambda text: (print(text), told.set()))
    assert derive([database]) == 0
    assert "1 messages are left to derive in " in capsys.readouterr().out


@pytest.mark.parametrize("time", [b"00010101-00:00:00", b"99991231-23:59:59.999"])
def test_the_first_and_the_last_time_that_there_is_are_derived(time, tmp_path, database, select):
    for number in (b"1", b"2"):
        log = tmp_path / f"{int(number)}.log"
        ask = [(35, b"D"), (34, number), (49, b"A"), (52, time), (56, b"B"), (11, b"C1")]
        told = [(35, b"8"), (34, number), (49, b"B"), (52, time), (56, b"A"), (11, b"C1")]
        told += [(150, b"0"), (39, b"0")]
        log.write_bytes(encode(ask) + b"\n" + encode(told) + b"\n")
        assert main(["--input", str(log), "--output", database, "--quiet"]) == 0
    times = "select count(*), min(sent_at), max(acknowledged_at) from orders"
    ((count, sent_at, acknowledged_at),) = select(database, times)
    assert (count, str(sent_at)) == (1, str(acknowledged_at))
    day = time[:4] + b"-" + time[4:6] + b"-" + time[6:8]
    assert str(sent_at).startswith(day.decode())
    assert select(database, "select messages from session_days") == [(2,), (2,)]
    kept = [select(database, f"select * from {name}") for name in ("latencies", "session_minutes")]
    assert derive([database, "--rebuild"]) == 0
    again = [select(database, f"select * from {name}") for name in ("latencies", "session_minutes")]
    assert sorted(map(str, kept)) == sorted(map(str, again))
    assert all(kept)


def test_reprocessing_with_a_filter_leaves_the_derived_tables_of_a_fresh_load_with_it(
    tmp_path, select
):
    rng = random.Random(8)
    inputs = []
    for number in range(2):
        log = tmp_path / f"{number}.log"
        log.write_bytes(b"".join(random_day(rng, 40)))
        inputs += ["--input", str(log)]
    (tmp_path / "rules.yaml").write_text(STRICT)
    replaced, fresh = (f"sqlite:///{tmp_path}/{name}.db" for name in ("replaced", "fresh"))
    words = [*inputs, "--quiet", "--anomalies", str(tmp_path / "rules.yaml")]
    some = [*words, "--exclude", "OrdStatus = 1 and LastPx > 10", "--exclude", "MsgType = F"]

    def content(uri):
        return {
            name: sorted(map(str, select(uri, f"select {', '.join(one.schema.names)} from {name}")))
            for of in FIX.table.derived
            for name, one in of.tables.items()
        }

    assert main([*words, "--output", replaced]) == 0
    kinds = {kind for (kind,) in select(replaced, "select kind from anomalies")}
    assert kinds == set(KINDS)
    before = content(replaced)
    assert main([*some, "--output", replaced, "--reprocess"]) == 0
    assert main([*some, "--output", fresh]) == 0
    after = content(replaced)
    assert after == content(fresh)
    assert [name for name in after if after[name] == before[name]] == []
    assert all(after.values())


def test_drop_copies_are_of_the_orders_that_they_report_on_from_when_their_session_is_named(
    tmp_path, database, select, capsys
):
    log = tmp_path / "day.log"
    log.write_bytes(b"".join(day().sent))
    words = ["--input", str(log), "--output", database, "--quiet"]
    count = "select count(*), sum(fills), sum(copies) from orders"
    executions = "select count(*), sum(copies), max(session_pair) from executions"
    sessions = ["--drop-copy", "BRK->RISK", "--drop-copy", "DC->AUDIT=BRK"]
    assert main(words) == 0
    assert select(database, count) == [(4, 12, 0)]
    assert main([*words, *sessions]) == 0
    # They stay so for runs that name no session.
    assert main(words) == 0
    assert select(database, count) == [(2, 4, 12)]
    assert select(database, executions) == [(4, 8, "BOB<->BRK")]
    assert derive([database, "--rebuild"]) == 0
    assert select(database, count) == [(2, 4, 12)]
    assert derive([database, "--drop-copy", "none"]) == 0
    assert select(database, count) == [(4, 12, 0)]
    assert "drop-copy" not in capsys.readouterr().err
    assert main([*words, "--drop-copy", "BRK->RSK"]) == 0
    note = "note: drop-copy BRK->RSK is no session that was read; did you mean BRK->RISK?\n"
    assert capsys.readouterr().err == f"fixfeed: {note}"
    assert derive([database, "--drop-copy", "BRK->RSK"]) == 0
    assert capsys.readouterr().err == f"fixfeed derive: {note}"
    assert main([*words, "--drop-copy", "RISK"]) == 2
    assert "drop-copy 'RISK' is no session of drop copies, expected one such as" in (
        capsys.readouterr().err
    )
