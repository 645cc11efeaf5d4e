"""No secret of a log gets into anything that the job leaves, unless requested."""

import hmac
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq

from tests.pipelines.jobs import printed
from tests.transforms.fix.messages import encode

SECRET = b"s3cr3t"


def secret(number):
    return SECRET + b"%d" % number


def logon(number, *more, version="FIX.4.4"):
    raw = b"before\x01" + secret(number)
    fields = [(35, b"A"), (34, b"%d" % number), (49, b"A"), (56, b"B"), (98, b"0"), (108, b"30")]
    fields += [(95, b"%d" % len(raw)), (96, raw)]
    return encode([*fields, (553, secret(number)), (554, secret(number)), *more], version)


USER_REQUEST = encode(
    [(35, b"BE"), (34, b"9"), (49, b"A"), (56, b"B"), (923, b"R1"), (924, b"3")]
    + [(553, b"ann"), (554, secret(9)), (925, secret(10))]
)
ORDER = encode([(35, b"D"), (34, b"8"), (49, b"A"), (56, b"B"), (58, b"use 554=" + secret(8))])
NEW_PASSWORD = logon(
    2, (925, secret(3)), (1401, b"7"), (1402, secret(4)), (1137, b"9"), version="FIXT.1.1"
)
CUT = logon(7).partition(b"\x01554=")[0] + b"\x01554=" + SECRET[:4]
LINES = [
    b"2025-01-02 09:30:00 OUT " + logon(1),
    NEW_PASSWORD,
    USER_REQUEST,
    ORDER,
    b"garbage \x00\xff " + logon(4) + b" more garbage",
    b"8=FIX|35=A|553=" + secret(5) + b"|554=" + secret(6) + b"|",
    logon(5).replace(b"\x0135=A\x01", b"\x01"),
    logon(6).replace(b"\x01554=", b"\x01554=x\x01554="),
    b"no FIX but 554=" + secret(7),
    CUT,
    CUT,
]
LOG = b"\n".join(LINES)
MASKED = [
    ("A", "96,553,554"),
    ("A", "96,553,554,925,1402"),
    ("BE", "553,554,925"),
    ("D", "554"),
    ("A", "96,553,554"),
    ("A", "96,553,554"),
    ("A", "96,553,554"),
]
"""Type and masked tags of the messages; other lines are failures or have no FIX."""


def files(folder):
    """Yield the files below a folder and their content; a run may remove some meanwhile."""
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                continue
            yield path, content


def leaks(folder):
    """Return the files below `folder` that hold a secret, compressed pages of Parquet included."""
    found = set()
    for path, content in files(folder):
        if SECRET[:4] in content:
            found.add(path)
        if path.suffix == ".parquet" and not path.name.startswith("."):
            rows = pq.ParquetFile(path).read().to_pylist()
            if any(SECRET[:4] in str(row).encode() for row in rows):
                found.add(path)
    return found


def run(folder, *arguments):
    """Run the job into all kinds of sinks; return its output and the files that leaked."""
    for name in ("out", "run"):
        (folder / name).mkdir(parents=True)
    log = folder / "day.log"
    log.write_bytes(LOG)
    command = [sys.executable, "-m", "fixfeed", "--input", str(log), "--names"]
    command += ["--workers", "2", "--validate", "dictionary", "--output", "sqlite:///day.db"]
    command += ["--output", "parquet:lake", "--output", "jsonl:day.jsonl", *arguments]
    process = subprocess.Popen(
        command,
        cwd=folder / "out",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"TMPDIR": str(folder / "run"), "COLUMNS": "200"},
    )
    leaked, watched = set(), set()
    while process.poll() is None:
        leaked |= leaks(folder / "run")
        watched |= {path.name for path, _ in files(folder / "run")}
        time.sleep(0.02)
    output, errors = process.communicate()
    assert process.returncode == 0, errors.decode()
    assert any(name.endswith(".db") for name in watched), "the counters were not there to be read"
    return output, errors, leaked | leaks(folder / "out")


def masked_everywhere(folder, select):
    """The type and masked tags of each message in the sinks."""
    table = select(f"sqlite:///{folder}/out/day.db", "select msg_type, masked from messages")
    rows = pq.ParquetDataset(folder / "out" / "lake" / "messages").read().sort_by("message_id")
    lines = (folder / "out" / "day.jsonl").read_bytes().splitlines()
    found = [json.loads(line) for line in lines]
    return (
        table,
        list(zip(rows["msg_type"].to_pylist(), rows["masked"].to_pylist(), strict=True)),
        [
            (one["message"]["Header"]["MsgType"], ",".join(map(str, one["masked"])))
            for one in sorted(found, key=lambda one: one["position"])
        ],
    )


def test_no_secret_is_in_any_file_that_a_run_makes(tmp_path, select):
    output, errors, leaked = run(tmp_path)
    assert leaked == set()
    assert SECRET[:4] not in output + errors
    assert masked_everywhere(tmp_path, select) == (MASKED,) * 3
    uri = f"sqlite:///{tmp_path}/out/day.db"
    assert select(uri, "select reason from failures order by failure_id") == [
        ("no_begin_string",),
        ("no_msg_type",),
        ("truncated",),
    ]
    # Only secrets are gone, and defects are those of the original bytes.
    (raw,) = select(uri, "select raw from messages where msg_type = 'BE'")
    expected = USER_REQUEST.replace(b"553=ann", b"553=***")
    for number in (9, 10):
        expected = expected.replace(secret(number), b"*" * len(secret(number)))
    assert raw == (expected,)
    assert select(uri, "select count(*) from messages where defects like '%sum%'") == [(1,)]

    _, out, _ = printed("failures", uri)
    assert b"|553=*******|554=*******|" in out
    assert SECRET[:4] not in out


def hashes(folder, key, select):
    folder.mkdir()
    (folder / "key").write_bytes(key)
    masks = ("--mask", "Username=hash", "--mask", "MsgSeqNum=drop")
    _, _, leaked = run(folder, *masks, "--mask-key-file", str(folder / "key"))
    assert leaked == set()
    for path, content in files(folder / "out"):
        assert b"the key" not in content, path
    return select(
        f"sqlite:///{folder}/out/day.db",
        "select fields ->> 'Username', masked, msg_seq_num from messages where msg_type = 'BE'",
    )


def test_equal_keys_give_equal_hashes_and_other_keys_give_others(tmp_path, select):
    one = hashes(tmp_path / "one", b"the key\n", select)
    again = hashes(tmp_path / "again", b"the key", select)
    other = hashes(tmp_path / "other", b"the key of others", select)
    digest = hmac.digest(b"the key", b"ann", "sha256").hex()[:16]
    assert one == again == [(digest, "34,553,554,925", None)]
    assert other[0][0] != digest


def test_a_secret_is_stored_on_request(tmp_path, select):
    _, _, leaked = run(tmp_path, "--mask", "Password=keep")
    assert {path.suffix for path in leaked} >= {".db", ".parquet", ".jsonl"}
    found = select(
        f"sqlite:///{tmp_path}/out/day.db",
        "select fields ->> 'Username', fields ->> 'Password', masked from messages"
        " where msg_type = 'BE'",
    )
    assert found == [("***", secret(9).decode(), "553,925")]
