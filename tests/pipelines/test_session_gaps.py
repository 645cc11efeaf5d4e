"""Gaps of sessions are told as each database has them."""

import datetime
from contextlib import closing

from fixfeed.io.sql.open import open_store
from fixfeed.pipelines.fixfeed import main
from fixfeed.pipelines.session_gaps import Gaps, _gaps_in
from tests.transforms.fix.messages import encode


def test_only_open_gaps_of_these_days_are_told_and_those_of_many_sessions_by_the_most_missing(
    database, tmp_path, monkeypatch
):
    def line(session, number, days):
        sent = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=days)
        fields = [(35, b"0"), (34, b"%d" % number), (49, session), (56, b"US")]
        return encode([*fields, (52, f"{sent:%Y%m%d-%H:%M:%S}".encode())]) + b"\n"

    sent = [(b"A", number, 0) for number in (1, 2, 5, 6, 9)]
    sent += [(b"B", number, 0) for number in (1, 3, 2)]
    sent += [(b"C", number, 3) for number in (1, 7)]
    sent += [(b"D", number, 0) for number in (1, 9)]
    (tmp_path / "a.log").write_bytes(b"".join(line(*one) for one in sent))
    assert main(["--input", f"{tmp_path}/a.log", "--output", database, "--quiet"]) == 0
    with closing(open_store(database, read_only=True)) as store:
        found = _gaps_in(store)
        monkeypatch.setattr("fixfeed.pipelines.session_gaps._SESSIONS", 1)
        many = _gaps_in(store)
    d = Gaps(1, 7)
    assert found == {"FIX.4.4:A->US": Gaps(2, 4), "FIX.4.4:B->US": Gaps(0, 0), "FIX.4.4:D->US": d}
    assert many == {"FIX.4.4:D->US": d, "others": Gaps(2, 4)}
