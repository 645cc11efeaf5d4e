"""A database that does not answer: one sentence on the page, and no error of ours."""

import sqlite3

import pytest

from fixfeed.dashboard.database import late
from tests.services.ports import free_port


def missing(folder):
    return f"sqlite:///{folder}/no.db", "there is no database at"


def empty(folder):
    (folder / "empty.db").touch()
    return f"sqlite:///{folder}/empty.db", "holds nothing of fixfeed's yet: store logs in it"


def older(folder):
    connection = sqlite3.connect(folder / "old.db")
    connection.executescript("create table schema_version (version); "
                             "insert into schema_version values (2)")  # fmt: skip
    connection.close()
    return f"sqlite:///{folder}/old.db", "migrate it with fixfeed migrate"


def no_database(folder):
    (folder / "text.db").write_bytes(b"8=FIX.4.4|" * 1000)
    return f"sqlite:///{folder}/text.db", "is no database that can be read"


def away(folder):
    return f"postgresql://fixfeed@127.0.0.1:{free_port()}/day", "check that the server runs there"


@pytest.mark.parametrize("trouble", [missing, empty, older, no_database, away])
def test_one_sentence_says_what_to_do(trouble, opened, tmp_path):
    uri, told = trouble(tmp_path)
    shown = opened(uri)
    (error,) = shown.error
    assert told in error.value.replace("\\", "")
    assert [button.label for button in shown.button] == ["Try again"]


def test_a_query_past_its_deadline_is_told_and_the_page_stays_up(
    opened, sample_sqlite, monkeypatch
):
    monkeypatch.setattr("fixfeed.dashboard.sqlite._STEPS", 1)
    shown = opened(sample_sqlite)
    assert not shown.error
    monkeypatch.setattr("fixfeed.dashboard.sqlite.time.monotonic", _ever_later())
    shown.run()
    (error,) = shown.error
    assert "took too long to answer: ask for less" in error.value.replace("\\", "")


def test_the_rest_of_data_quality_is_there_if_counting_all_messages_takes_too_long(
    opened, html, sample_sqlite, monkeypatch
):
    def too_long(database, *, seconds):
        raise late(database.place)

    monkeypatch.setattr("fixfeed.dashboard.queries.quality.accounts", too_long)
    shown = opened(sample_sqlite, "quality")
    assert not shown.error
    (warning,) = shown.warning
    assert "Counting all messages takes longer than 20 seconds here" in warning.value
    assert "not_text" in html(shown)


def _ever_later():
    """Return a clock on which every look is a minute later."""
    time = [0.0]

    def look():
        time[0] += 60
        return time[0]

    return look
