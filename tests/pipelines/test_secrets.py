"""No secret is found anywhere in what a run leaves, in any form and any field.

The search is for the bytes of the secret, and for those without the zeros of two-byte characters,
in every file, table, column, page of Parquet, stream and left-over of a run.
"""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg2
import pyarrow.parquet as pq
import pytest

from fixfeed.pipelines.fixfeed import main
from tests.transforms.fix.messages import encode

SECRET = "s3cr3tpw"
SIGNS = (b"s3cr", b"r3tp", b"3tpw")
"""Parts of it, since a part is a leak too."""

RAW = "s3cr|r3tpw"  # data that contains a delimiter


def fields(tag=lambda tag: f"{tag}", value=SECRET):
    """The fields of a Logon that hold secrets."""
    found = ["8=FIX.4.4", "9=99", "35=A", "49=A", "56=B", "34=1"]
    found += [f"95={len(value)}", f"96={value}"]
    found += [f"{tag(number)}={value}" for number in (553, 554, 925)]
    found += [f"1401={len(value)}", f"{tag(1402)}={value}"]
    found += [f"1403={len(value)}", f"{tag(1404)}={value}"]
    return [*found, "108=30", "10=000"]


SPELT = [
    "\x01", "|", "^A", "^", ";", "\t", ",", "~", " ", "\\u0001", "\\x01", "\\001", "\\\\u0001",
    "<SOH>", "[SOH]", "{SOH}", "#001", "%01", "&#1;", "␁", "=01", "\\1",
]  # fmt: skip
TAGS = [
    "{} ", " {}", "+{}", "0{}", "{}\xa0", "\xa0{}", "{}\x02", "\x02{}", "\u200b{}", "({})", "{}:",
    "x{}", "-{}", "{}.", '"{}"', "tag{}", "Password({})", "{}(Password)", "{}\t", "#{}",
]  # fmt: skip
NAMED = [
    '{"554":"%s","553":"%s"}', "{'925': '%s'}", '{"Password":"%s"}', '"Password": "%s"',
    '{"Username" : "%s"}', '{"RawData":"%s"}', '{"NewPassword":["%s"]}', "Password=%s",
    "password: %s", "EncryptedPassword=%s", "EncryptedNewPassword=%s", "user=%s pwd=%s",
    '{"tag":554,"value":"%s"}', '{"name":"Password","value":"%s"}', "<Password>%s</Password>",
    '<UserReq Username="%s" Password="%s"/>', "554: %s", " 554 = %s", "554:%s", "[554]Password=%s",
    "postgresql://u:%s@h/db", "--password %s", "the password is %s", "Authorization: Bearer %s",
    '{\\"Password\\":\\"%s\\"}', 'login="%s"', "passphrase=%s", "1402 = %s",
]  # fmt: skip
INSIDE = [
    "refused: 554=%s", "8=FIX.4.4\\u0001554=%s\\u000110=1", "<SOH>553=%s<SOH>", "x|925=%s|y",
    "0554=%s",
]  # fmt: skip


def filled(form):
    return form.replace("%s", SECRET)


def order(*more):
    return encode([(35, b"D"), (34, b"8"), (49, b"A"), (56, b"B"), *more]).decode("latin-1")


def lines():
    """Yield each form on its own line."""
    for delimiter in SPELT:
        yield delimiter.join(fields()) + delimiter
        yield "2025-01-02 09:30:00 OUT " + delimiter.join(fields()[2:]) + delimiter
        yield json.dumps({"log": delimiter.join(fields()) + delimiter})
    for form in TAGS:
        for delimiter in ("\x01", "|"):
            yield delimiter.join(fields(form.format)) + delimiter
    # A password may hold the delimiter; text without a tag after it is part of it.
    yield "|".join(fields(value="s3cr|r3tpw"))
    yield "|".join(fields(value=f"{SECRET}|{SECRET}|="))
    for form in NAMED:
        yield filled(form)
        yield f"\x02{filled(form)}"  # bytes that are not text are kept as a failure
        yield f"8=FIX {filled(form)}"
        yield f"2025-01-02 09:30:00,123 INFO {filled(form)} sending " + order()
    for form in INSIDE:
        yield order((58, filled(form).encode()))
        yield order((354, b"%d" % len(filled(form))), (355, filled(form).encode()))
        yield order((49, filled(form).encode()), (1, filled(form).encode()))
        yield order((95, b"3"), (96, b"abc"), (5001, filled(form).encode()))
    for cut in range(60, 140, 7):
        yield "|".join(fields())[:cut].partition("|" + SECRET)[0]


def logs(folder):
    """Write the logs: all lines in one, in each two-byte encoding, and one log per delimiter."""
    folder.mkdir()
    text = "\n".join(lines())
    without = ["554", SECRET, f"925:{SECRET}", f"553 {SECRET}", f"554{SECRET}=x"]
    damaged = "|".join(["8=FIX.4.4", "35=A", *without, "10=0"])
    (folder / "day.log").write_bytes(f"{text}\n{damaged}\n".encode())
    for encoding in ("utf-16-le", "utf-16-be", "utf-16"):
        (folder / f"{encoding}.log").write_bytes(text.encode(encoding))
    for number, delimiter in enumerate(SPELT):
        name = folder / f"spelt-{number}.log"
        name.write_bytes("\n".join([delimiter.join(fields()) + delimiter] * 30).encode())
    (folder / "cut.log").write_text("\x01".join(fields())[:-20])


def holds(content):
    plain = content.replace(b"\0", b"")
    return any(sign in content or sign in plain for sign in SIGNS)


def files(folder):
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            try:
                yield path, path.read_bytes()
            except FileNotFoundError:
                continue


def leaks(folder):
    """Return what holds a secret below a folder, compressed pages of Parquet included."""
    found = set()
    for path, content in files(folder):
        if holds(content) or holds(path.name.encode()):
            found.add(path.name)
        if path.suffix == ".parquet" and not path.name.startswith("."):
            for row in pq.ParquetFile(path).read().to_pylist():
                if holds(b" ".join(_octets(value) for value in row.values())):
                    found.add((path.name, str(row)))
    return found


def _octets(value):
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")


def run(folder, *arguments):
    """Run the job; return it, and the leaks in its temporary folder meanwhile."""
    out, temporary = folder / "out", folder / "run"
    out.mkdir(exist_ok=True)
    temporary.mkdir(exist_ok=True)
    # In files: nobody reads a pipe during the search.
    said = folder / "stdout", folder / "stderr"
    with open(said[0], "wb") as stdout, open(said[1], "wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "fixfeed", *arguments],
            cwd=out,
            stdout=stdout,
            stderr=stderr,
            env=os.environ | {"TMPDIR": str(temporary), "COLUMNS": "200"},
        )
        leaked = set()
        while process.poll() is None:
            leaked |= leaks(temporary)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.1)
    process.stdout_text, process.stderr_text = (path.read_bytes() for path in said)
    return process, leaked | leaks(temporary)


def tables(uri):
    """Yield each value of each table and view of a PostgreSQL database, as bytes."""
    cursor = psycopg2.connect(uri).cursor()
    cursor.execute(
        "select table_name from information_schema.tables where table_schema = current_schema()"
    )
    for (name,) in cursor.fetchall():
        cursor.execute(f"select * from {name}")
        for row in cursor:
            for value in row:
                octets = bytes(value) if isinstance(value, memoryview) else _octets(value)
                yield name, octets


@pytest.fixture
def with_password(postgresql):
    """The URI of a database, with passwords that the server ignores."""
    uri = postgresql.replace("fixfeed@", f"fixfeed:{SECRET}@")
    return f"{uri}?sslpassword={SECRET}&password={SECRET}"


def test_no_secret_is_found_in_anything_a_run_leaves(
    tmp_path, select, postgresql, with_password, capfd
):
    logs(tmp_path / "logs")
    (tmp_path / "symbols.csv").write_text("symbol,desk\nIBM,one\n")
    common = ["--input", str(tmp_path / "logs" / "*.log"), "--names"]
    common += ["--input", f"gs://u:{SECRET}@host/day.log", "--input", f"s3:/u:{SECRET}@b/x.log"]
    common += ["--lookup", f"{tmp_path / 'symbols.csv'}:symbol"]
    process, leaked = run(
        tmp_path, *common, "--workers", "2", "--validate", "dictionary", "--json", "--output",
        "sqlite:///day.db", "--output", with_password, "--output", "parquet:lake", "--output",
        "jsonl:day.jsonl",
    )  # fmt: skip
    assert process.returncode == 3, process.stderr_text.decode()
    assert not holds(process.stdout_text + process.stderr_text)
    # SQLite's pages hold texts and bytes unchanged.
    assert leaked | leaks(tmp_path / "out") == set()
    found = list(tables(postgresql))
    assert {"messages", "failures", "sources", "progress", "runs"} <= {name for name, _ in found}
    assert [one for one in found if holds(one[1])] == []
    sqlite = f"sqlite:///{tmp_path}/out/day.db"
    (said,) = select(sqlite, "select configuration from runs")
    assert "fixfeed:***@" in said[0]
    # There are many of both, so both were searched.
    count = "select (select count(*) from messages), (select count(*) from failures)"
    assert min(select(sqlite, count)[0]) > 100

    for printed in ((), ("--json",), ("--raw",)):
        for uri in (sqlite, with_password):
            assert main(["failures", uri, *printed]) == 0
            shown = "".join(capfd.readouterr()).encode()
            assert len(shown) > 10_000
            assert not holds(shown)

    process, leaked = run(tmp_path, *common, "--output", "jsonl:-")
    assert process.returncode == 3
    assert process.stdout_text.count(b"\n") > 200
    assert not holds(process.stdout_text + process.stderr_text)
    assert leaked == set()
    assert main([*common, "--dry-run", "--output", with_password]) == 3
    assert not holds("".join(capfd.readouterr()).encode())


@pytest.mark.parametrize(
    "uri",
    [
        f"postgresql:/user:{SECRET}@host",
        f"postgres//u:{SECRET}@h",
        f"postgresql:u:{SECRET}@h/db",
        f"u:{SECRET}@h/db",
        "postgresql://u:s3cr@r3tpw@127.0.0.1:1/db",
        "postgresql://u:s3cr/r3tpw@127.0.0.1:1/db",
        "postgresql://u:s3cr#r3tpw@127.0.0.1:1/db",
        "postgresql://u:s3cr?r3tpw@127.0.0.1:1/db",
        "postgresql://u:s3cr%r3tpw@127.0.0.1:1/db",
        f"postgresql://u:{SECRET}@[::1]:1/db",
        f"postgresql://127.0.0.1:1/db?password={SECRET}&x",
        f"postgresql://127.0.0.1:1/db?sslpassword={SECRET}",
        f"host=127.0.0.1 port=1 password={SECRET}",
        "host=127.0.0.1 port=1 password='s3cr r3tpw'",
        f"sqlite://u:{SECRET}@/x.db",
        f"sqlite:////nowhere/x.db?password={SECRET}",
        f"jsonl:https://u:{SECRET}@h/x",
        f"jsonl:nowhere/u:{SECRET}@h/x",
        f"parquet:s3://u:{SECRET}@b/x",
        f"parquet://u:{SECRET}@b/x",
    ],
)
def test_a_refused_place_is_named_without_its_password(uri, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    Path("day.log").write_text(order())
    runs = [["--input", "day.log", "--output", uri], [uri], ["--input", uri, "--dry-run"]]
    runs += [["--input", "day.log", uri]]
    for command in ("failures", "migrate"):
        runs += [[command, uri], [command, uri, uri]]
    for arguments in runs:
        try:
            code = main(arguments)
        except SystemExit as ended:
            code = ended.code
        said = "".join(capfd.readouterr())
        assert code in (2, 3), said
        assert not holds(said.encode()), (arguments, said)
        assert "***" in said, (arguments, said)
