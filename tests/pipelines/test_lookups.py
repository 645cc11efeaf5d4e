"""Lookups of a run: joins are counted, and rules may use the columns."""

import io

import pytest
from rich.console import Console

from fixfeed.io.ledger.counts import Counts
from fixfeed.pipelines.summary import Summary, print_summary
from fixfeed.transforms.protocol import default_protocol
from tests.pipelines.jobs import fixfeed
from tests.transforms.fix.messages import encode

JOINED = ["--lookup", "symbols.csv:symbol"]


@pytest.fixture
def log(tmp_path):
    symbols = [b"AAPL", b"MSFT", b"IBM", b"AAPL"] * 50
    data = [encode([(35, b"D"), (49, b"A"), (56, b"B"), (55, symbol)]) for symbol in symbols]
    (tmp_path / "day.log").write_bytes(b"\n".join([*data, encode([(35, b"0"), (49, b"A")]), b""]))
    (tmp_path / "symbols.csv").write_text("symbol,issuer\nAAPL,Apple\nMSFT,Microsoft\n")
    (tmp_path / "accounts.csv").write_text("account,desk\n7,Bonds\n")
    return tmp_path


def run(log, *flags, **options):
    return fixfeed("--input", "day.log", *flags, cwd=log, **options)


def stored(select, log):
    return select(
        f"sqlite:///{log}/fixfeed.db",
        "select symbol, enriched, count(*) from messages group by 1, 2 order by 1",
    )


APPLE, MICROSOFT = ("AAPL", '{"issuer":"Apple"}', 100), ("MSFT", '{"issuer":"Microsoft"}', 50)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--exclude", "enriched missing"], [APPLE, MICROSOFT]),
        (["--include", "enriched exists"], [APPLE, MICROSOFT]),
        (["--include", "enriched like *Apple* and MsgType = D"], [APPLE]),
        (["--exclude", "enriched exists", "--no-admin"], [("IBM", None, 50)]),
    ],
)
def test_rules_may_use_columns_that_lookups_add(log, select, flags, expected):
    summary = run(log, *JOINED, *flags)
    assert stored(select, log) == expected
    (counts,) = summary["sinks"].values()
    assert counts["filtered"] == 201 - sum(count for *_, count in expected)


@pytest.mark.parametrize("flag", ["--include", "--exclude"])
@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        (
            "Symbol = A or enriched missing",
            "the rule 'Symbol = A or enriched missing' asks about enriched, which is what lookups "
            "add; name one with --lookup FILE:COLUMN",
        ),
        (
            "ingested_at > 2025-01-02",
            "the rule 'ingested_at > 2025-01-02' asks about ingested_at, which is the time of the "
            "run itself; expected another column, such as captured_at or SendingTime",
        ),
    ],
)
def test_rules_about_columns_no_message_has_are_refused(log, flag, rule, problem):
    assert problem in run(log, flag, rule, expected=2)["error"]
    assert not (log / "fixfeed.db").exists()


def test_the_summary_shows_how_many_messages_joined(log):
    summary = run(log, *JOINED, "--lookup", "accounts.csv:account")
    (counts,) = summary["sinks"].values()
    assert counts["joined"] == {"symbols.csv:symbol": 150, "accounts.csv:account": 0}
    assert summary["warnings"] == [
        "lookup accounts.csv:account joined no message: none has one of its keys, such as '7', "
        "as its account"
    ]
    out = io.StringIO()
    sinks = {name: Counts(**one) for name, one in summary.pop("sinks").items()}
    console = Console(file=out, width=120)
    print_summary(console, Summary(sinks, **summary), protocol=default_protocol())
    lines = [" ".join(line.replace("│", " ").split()) for line in out.getvalue().splitlines()]
    assert "joined with symbols.csv:symbol 150" in lines
    assert "joined with accounts.csv:account 0" in lines


def test_a_run_that_reads_nothing_has_no_note_about_lookups(log):
    run(log, *JOINED)
    assert run(log, *JOINED)["warnings"] == []


def test_each_worker_joins_a_large_lookup(log, select):
    more = "".join(f"K{n},issuer number {n}\n" for n in range(100_000))
    with open(log / "symbols.csv", "a") as file:
        file.write(more)
    assert (log / "symbols.csv").stat().st_size > 1 << 20
    uri = f"sqlite:///{log}/fixfeed.db"
    (log / "other.log").write_bytes((log / "day.log").read_bytes().replace(b"49=A", b"49=X"))
    run(log, "--input", "other.log", "--output", uri, "--workers", "2", *JOINED)
    symbols = "select enriched, count(*) from messages where symbol = 'AAPL' group by 1"
    assert select(uri, symbols) == [('{"issuer":"Apple"}', 200)]


def test_a_file_without_the_column_is_refused(log):
    (log / "symbols.csv").write_text("Symbol,issuer\nAAPL,Apple\n")
    problem = "found the columns Symbol, issuer, expected symbol among them"
    assert problem in run(log, *JOINED, expected=2)["error"]
