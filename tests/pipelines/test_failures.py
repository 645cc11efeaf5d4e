"""`fixfeed failures` and `fixfeed migrate` read existing sinks of any kind and make nothing."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from fixfeed.pipelines import fixfeed as command
from tests.pipelines.jobs import FIXFEED, fixfeed, printed
from tests.transforms.fix.messages import encode

ROOT = Path(__file__).parents[2]
ORDER = encode([(35, b"D"), (34, b"1"), (49, b"A"), (56, b"B"), (11, b"C1")])
BAD = [b"8=FIX.4.4|junk=%d|2=\xff|" % n for n in range(3)]
LOG = b"".join(ORDER + b"\n" + bad + b"\n" for bad in BAD) + ORDER[:30]


def environment():
    return os.environ | {"PYTHONPATH": str(ROOT)}


@pytest.fixture(params=["sqlite", "postgresql", "parquet", "jsonl", "stdout"])
def uri(request):
    kinds = {
        "sqlite": "sqlite:///day.db",
        "parquet": "parquet:lake/",
        "jsonl": "jsonl:out.jsonl",
        "stdout": "jsonl:-",
    }
    return kinds.get(request.param) or request.getfixturevalue("postgresql")


def test_failures_in_every_kind_of_sink_are_printed_with_their_original_bytes(uri, tmp_path):
    (tmp_path / "a.log").write_bytes(LOG)
    (tmp_path / "b.log").write_bytes(b"8=FIX.4.2|x=1|\n" + LOG)
    words = ["--input", "*.log", "--output", uri, "--quiet"]
    subprocess.run([*FIXFEED, *words], check=True, cwd=tmp_path, stdout=subprocess.DEVNULL)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    code, out, err = printed("failures", uri, "--json", "--source", "a.log", cwd=tmp_path)
    assert (code, err) == (0, b"")
    found = [json.loads(line) for line in out.splitlines()]
    expected = [
        *(("a.log", LOG.index(bad), "no_msg_type", bad) for bad in BAD),
        ("a.log", LOG.rindex(b"8="), "truncated", ORDER[:30]),
    ]
    assert [
        (row["source"], row["position"], row["reason"], row["raw"].encode("latin-1"))
        for row in found
    ] == expected
    assert all(row["detail"] for row in found)
    _, raw, _ = printed("failures", uri, "--raw", cwd=tmp_path)
    assert sorted(raw.splitlines()) == sorted(
        [*[b for _, _, _, b in expected] * 2, b"8=FIX.4.2|x=1|"]
    )
    _, out, _ = printed("failures", uri, "--source", "b.log", cwd=tmp_path)
    shown = out.decode().splitlines()
    assert shown[0] == "b.log at 0: no_msg_type"
    assert len(shown) == 15
    assert printed("failures", uri, "--source", "b.lgo", cwd=tmp_path) == (
        0,
        b"",
        b"fixfeed failures: no failure is of a source with 'b.lgo' in its name; "
        b"did you mean b.log?; 2 sources have failures\n",
    )
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert after == before


@pytest.mark.parametrize("verb", ["failures", "migrate"])
@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("sqlite:///none.db", "there is no database at sqlite:///none.db"),
        ("sqlite:///dya.db", "there is no database at sqlite:///dya.db; there is 'day.db'"),
        ("sqlite:///none/day.db", "there is no folder"),
        ("sqlite:///folder", "is a folder"),
        ("sqlite:///empty.db", "holds no"),
        ("sqlite:///text.db", "cannot open sqlite:///text.db: file is not a database\n"),
        ("day.db", "did you mean sqlite:///day.db?"),
        ("sqlite:day.db", "did you mean sqlite:///day.db?"),
        ("parquet:none", None),
        ("jsonl:none.jsonl", None),
        ("jsonl:-", None),
    ],
)
def test_a_missing_sink_is_refused_and_not_made(verb, uri, text, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, content in (("day.db", b""), ("empty.db", b""), ("text.db", b"text" * 4096)):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder").mkdir()
    before = sorted(tmp_path.rglob("*"))
    assert command.main([verb, uri]) == 2
    told = capsys.readouterr().err
    if text is None:
        texts = {
            "migrate": "has no schema to migrate",
            "migrate parquet:none": "none holds no lake of fixfeed's to migrate",
            "parquet:none": "there is no lake of fixfeed's at none",
            "jsonl:none.jsonl": "fixfeed has written nothing to jsonl:none.jsonl",
            "jsonl:-": "there is no fixfeed.failures.jsonl in this folder",
        }
        text = texts.get(f"{verb} {uri}") or texts["migrate" if verb == "migrate" else uri]
    if text == "holds no" and verb == "failures":
        text = "holds nothing of fixfeed's"
    assert text in told
    assert told.startswith(f"fixfeed {verb}: ")
    assert len(told.splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_missing_postgresql_database_is_refused_and_not_made(postgresql, capsys):
    for verb in ("failures", "migrate"):
        for _ in range(2):
            assert command.main([verb, f"{postgresql}_none"]) == 2
            assert '_none" does not exist' in capsys.readouterr().err


def test_failures_in_a_read_only_database_can_be_read(tmp_path):
    (tmp_path / "a.log").write_bytes(LOG)
    folder = tmp_path / "only"
    folder.mkdir()
    fixfeed("--input", "a.log", "--output", "sqlite:///only/day.db", cwd=tmp_path)
    (folder / "day.db").chmod(stat.S_IRUSR)
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        _, out, _ = printed("failures", "sqlite:///only/day.db", "--json", cwd=tmp_path)
    finally:
        folder.chmod(stat.S_IRWXU)
    assert len(out.splitlines()) == 4


MANY = """
import sys
import fixfeed.pipelines.failures, fixfeed.io.{module}
seen = [0]
def rows(*_):
    for number in range(10_000_000):
        seen[0] += 1
        yield {row}
{patch}
try:
    code = fixfeed.pipelines.failures.main([sys.argv[1], "--json"])
finally:
    print(seen[0], file=sys.stderr)
sys.exit(code)
"""


def test_failures_are_streamed_and_end_quietly_when_the_reader_leaves(tmp_path):
    code = MANY.format(
        module="parquet.failures",
        row="dict(failure_id=number, source='a', position=number, reason='r', detail='', raw=b'x')",
        patch="fixfeed.io.parquet.failures.read_failures = rows",
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, "parquet:lake"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert json.loads(process.stdout.readline())["failure_id"] == 0
        process.stdout.close()
        (told,) = process.stderr.read().splitlines()  # no traceback, no complaint
        assert int(told) < 100_000
        assert process.wait() == 0


LARGE = """
import resource, sys
import fixfeed.pipelines.failures
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert fixfeed.pipelines.failures.main([sys.argv[1], "--raw"]) == 0
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(grown, file=sys.stderr)
"""


def test_a_hundred_megabytes_of_failures_are_not_held_in_memory(database, tmp_path):
    lines = b"".join(b"8=FIX.4.4|%s=%d|\n" % (b"x" * 2000, n) for n in range(60_000))
    (tmp_path / "a.log").write_bytes(lines)
    fixfeed("--input", "a.log", "--output", database, "--workers", "1", cwd=tmp_path, expected=7)
    done = subprocess.run(
        [sys.executable, "-c", LARGE, database],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
    )
    assert done.stdout == lines
    assert int(done.stderr) < 60 << 10  # KiB; all of them take 120 MB
