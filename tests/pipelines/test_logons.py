"""The job reads FIXT.1.1 by its Logons, after any earlier run and with any workers."""

import gzip

import pytest

from tests.pipelines.jobs import fixfeed
from tests.transforms.fix.session_logs import logon, order

# OrderOrigination is newer than FIX.4.4.
PART = b"".join(order(b"A", b"B", (11, b"C%06d" % n), (1724, b"5")) + b"\n" for n in range(25_000))
OTHER = order(b"X", b"Y", (1724, b"5")) + b"\n"
LOGONS = [logon(version=version) + b"\n" for version in (b"6", b"9")]
LOG = OTHER + LOGONS[0] + PART + LOGONS[1] + PART + OTHER + order(b"B", b"A", (1724, b"5")) + b"\n"


@pytest.mark.parametrize("kind", ["plain", "gz", "grown"])
def test_each_message_is_read_by_the_version_in_its_logon(kind, select, tmp_path):
    path = tmp_path / "day.log"
    words = ["--input", path, "--validate", "dictionary"]
    if kind == "grown":
        path.write_bytes(LOG[: len(LOG) * 2 // 3])
        fixfeed(*words, "--workers", 1, cwd=tmp_path)
    path.write_bytes(gzip.compress(LOG, 1) if kind == "gz" else LOG)
    fixfeed(*words, "--workers", 2, cwd=tmp_path)
    found = select(
        f"sqlite:///{tmp_path}/fixfeed.db",
        "select session, defects like '%unknown_tag%', fields, count(*) from messages"
        " where msg_type = 'D' group by 1, 2, 3 order by 1, 2",
    )
    known = '{"OrderOrigination":"5"}'
    assert found == [
        ("FIXT.1.1:A->B", 0, known, 25_000),
        ("FIXT.1.1:A->B", 1, known, 25_000),
        ("FIXT.1.1:B->A", 0, known, 1),
        ("FIXT.1.1:X->Y", 0, known, 2),
    ]
    last = (
        "select max(message_id), min(message_id) from messages where defects like '%unknown_tag%'"
    )
    ((last_old, first_old),) = select(f"sqlite:///{tmp_path}/fixfeed.db", last)
    start = len(OTHER) + len(LOGONS[0])
    assert first_old & (1 << 40) - 1 == start
    assert last_old & (1 << 40) - 1 < start + len(PART)
