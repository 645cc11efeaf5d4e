"""A missing flag or scheme is answered with the intended command or URI."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fixfeed.pipelines import fixfeed as command
from fixfeed.pipelines.sinks import sink_of
from fixfeed.pipelines.uris import UnknownPlace

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["day.log"], "fixfeed --input day.log"),
        (["logs/*.log.gz", "--no-admin"], "fixfeed --input 'logs/*.log.gz' --no-admin"),
        (
            ["a.log", "b.fix", "--output", "sqlite:///x.db"],
            "fixfeed --input a.log --input b.fix --output sqlite:///x.db",
        ),
        (["logs/a.log", "logs/b.log", "logs/c.log"], "fixfeed --input 'logs/*.log'"),
        (["there"], "fixfeed --input there"),
        (["s3://bucket/day.log"], "fixfeed --input s3://bucket/day.log"),
    ],
)
def test_logs_without_input_are_answered_with_the_command(
    words, meant, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").write_bytes(b"")
    assert command.main(words) == 2
    told = capsys.readouterr().err
    assert told == (
        f"fixfeed: {words[0]!r} is no command; logs are named with --input, did you mean: {meant}\n"
    )


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("failure", "unknown command 'failure'; did you mean failures?"),
        ("help", "unknown command 'help'; did you mean: fixfeed --help"),
        ("logs", f"there are {', '.join(f'fixfeed {one}' for one in command.COMMANDS)}, and"),
    ],
)
def test_an_unknown_command_is_answered_with_the_known_ones(word, text, capsys):
    assert command.main([word]) == 2
    assert text in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("fixfeed.db", "sqlite:///fixfeed.db"),
        ("/data/day.sqlite3", "sqlite:////data/day.sqlite3"),
        ("sqlite:day.db", "sqlite:///day.db"),
        ("sqlite://day.db", "sqlite:///day.db"),
        ("sqllite:///day.db", "sqlite:///day.db"),
        ("out.jsonl", "jsonl:out.jsonl"),
        ("day.json", "jsonl:day.json"),
        ("jsonl://out.jsonl", "jsonl:out.jsonl"),
        ("-", "jsonl:-"),
        ("lake/", "parquet:lake/"),
        ("folder", "parquet:folder"),
        ("parquet://lake/", "parquet:lake/"),
        ("parquet:///data/lake", "parquet:/data/lake"),
        ("postgres://user@host/db", "postgresql://user@host/db"),
        ("Postgres://user:secret@host/db", "postgresql://user:***@host/db"),
    ],
)
def test_a_place_without_its_scheme_is_answered_with_the_uri(given, meant, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(UnknownPlace) as error:
        sink_of(given)
    assert str(error.value).endswith(f"; did you mean {meant}?")
    assert "secret" not in str(error.value)
    if "***" not in meant:
        assert sink_of(meant).name == meant
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def run(*arguments, cwd, **options):
    words = [sys.executable, "-m", "fixfeed", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(words, cwd=cwd, capture_output=True, env=environment, **options)


def test_a_run_without_input_is_answered_with_the_command(tmp_path):
    done = run("--output", "parquet:lake/", cwd=tmp_path, stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert done.stderr == (
        b"fixfeed: nothing to read: name logs with --input, as in: fixfeed --input LOGS --output "
        b"parquet:lake/, where LOGS is a file or a pattern such as 'logs/*.log'\n"
    )
    piped = run(cwd=tmp_path, input=b"8=FIX.4.4|")
    assert piped.stderr == (
        b"fixfeed: nothing to read: name logs with --input, as in: fixfeed --input - --output "
        b"sqlite:///fixfeed.db\n"
    )
    wrong = run("--output", "lake/", cwd=tmp_path, stdin=subprocess.DEVNULL)
    assert wrong.stderr.endswith(b"; did you mean parquet:lake/?\n")
    assert list(tmp_path.iterdir()) == []
