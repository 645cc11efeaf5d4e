"""What is accounted for, what failed, what was wrong."""

from collections import Counter

import pytest

from fixfeed.dashboard.queries import quality
from fixfeed.dashboard.queries.quality import Account
from fixfeed.dashboard.view import View
from tests.dashboard.queries.plans import plans_of


def test_the_accounts_of_a_day_add_up(day):
    accounts = quality.accounts(day)
    assert [account.what for account in accounts] == ["messages stored", "run 1"]
    assert all(account.agrees for account in accounts)
    (rows,) = day.rows("select count(*) as messages from messages")
    assert set(accounts[0].numbers.values()) == {rows["messages"]}


def test_an_account_whose_numbers_differ_does_not_agree():
    assert not Account("messages", {"here": 1, "there": 2}).agrees


def test_sources_are_all_there_and_read_to_their_end(day):
    rows = quality.sources(day)
    assert {row["source_id"] for row in rows} == {
        row["source_id"] for row in day.rows("select source_id from source_identities")
    }
    assert {(row["stretches"], row["open"]) for row in rows} == {(1, 0)}
    assert all(row["end"] == row["bytes"] for row in rows)


@pytest.mark.parametrize("limit", [3, 1_000])
def test_failures_by_reason_are_on_the_pages_of_the_reason(day, limit):
    by_reason = quality.failures_by_reason(day)
    counted = {row["reason"]: row["failures"] for row in by_reason}
    every = day.rows("select * from failures order by failure_id")
    assert counted == Counter(row["reason"] for row in every)
    assert quality.failed(day) == len(every)
    for row in by_reason:
        details = Counter(one["detail"] for one in every if one["reason"] == row["reason"])
        assert details[row["detail"]] == row["with_detail"] == max(details.values())
    reason = max(counted, key=counted.get)
    found, cursor = [], None
    while True:
        page = quality.failures(day, reason=reason, cursor=cursor, limit=limit)
        found += page.rows
        cursor = page.older
        if cursor is None:
            break
    wanted = [row for row in every if row["reason"] == reason]
    assert [(row["failure_id"], row["raw"]) for row in found] == [
        (row["failure_id"], row["raw"]) for row in wanted
    ]
    assert all(row["source_id"] * 2**40 + row["position"] == row["failure_id"] for row in found)


def test_failures_of_a_source_are_its_own(day):
    every = day.rows("select failure_id, source_id from failures order by failure_id")
    source = every[0]["source_id"]
    page = quality.failures(day, source_id=source, limit=1_000)
    assert [row["failure_id"] for row in page.rows] == [
        row["failure_id"] for row in every if row["source_id"] == source
    ]


def test_defects_by_kind_and_source(day):
    counted = Counter()
    for row in day.rows("select source_id, defects from messages where defects is not null"):
        for kind in row["defects"].split(","):
            counted[kind, row["source_id"]] += 1
    rows = quality.defects(day, View())
    assert {(row["kind"], row["source_id"]): row["messages"] for row in rows} == counted


def test_messages_with_defects_are_read_from_their_index(day):
    with plans_of(day) as plans:
        quality.defects(day, View())
    assert "messages_defects" in plans[0]


def test_runs_and_what_is_still_to_be_derived(day):
    (run,) = quality.runs(day)
    assert run["counts"]["stored"] == quality.accounts(day)[0].numbers["rows of messages"]
    assert quality.not_derived(day) == 0
