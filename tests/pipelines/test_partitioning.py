"""A run that would make very many files warns before it makes them, and goes on."""

import itertools

import orjson
import pytest

from fixfeed.io.files.find import cut_ranges, find_files
from fixfeed.pipelines.partitioning import MANY, expected_files
from fixfeed.pipelines.plan import Plan
from fixfeed.pipelines.recipe import Rules
from fixfeed.pipelines.settings import Settings
from tests.pipelines.jobs import printed
from tests.transforms.fix.messages import encode


def log(messages, *, symbols=7, day=2, copies=1):
    """Return orders, with one ClOrdID for every `copies` of them."""
    return b"".join(
        encode(
            [
                (35, b"D8"[n % 2 : n % 2 + 1]),
                (34, b"%d" % n),
                (49, b"A"),
                (56, b"B"),
                (52, b"202501%02d-09:30:00" % day),
                (11, b"C%d-%d" % (day, n // copies)),
                (55, b"S%d" % (n * 7919 % symbols)),
            ]
        )
        + b"\n"
        for n in range(messages)
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("logs")
    (folder / "one.log").write_bytes(log(30_000))
    (folder / "fills.log").write_bytes(log(30_000, copies=3))
    for day in range(2, 6):
        (folder / f"day{day}.log").write_bytes(log(1_000, day=day))
    return folder


@pytest.mark.parametrize(
    ("logs", "names", "options", "files"),
    [
        ("one.log", ("date", "msg_type"), {}, 2),
        ("one.log", ("date", "msg_type_name"), {}, 2),
        ("one.log", ("symbol",), {}, 7),
        ("one.log", ("hour",), {"include": ("ClOrdID = C2-5",)}, 1),
        ("one.log", ("cl_ord_id",), {}, 30_000),
        ("one.log", ("cl_ord_id",), {"include": ("MsgType = D",)}, 15_000),
        ("fills.log", ("date", "cl_ord_id"), {}, 10_000),
        ("day*.log", ("date", "symbol"), {}, 28),
        ("day*.log", ("cl_ord_id",), {}, 4_000),
    ],
)
def test_the_number_of_files_is_estimated_within_a_fifth(folder, logs, names, options, files):
    found, _ = find_files([str(folder / logs)])
    rules = Rules(Settings(**options))
    plan = Plan(found, [part for file in found for part in cut_ranges(file, ())])
    found = expected_files(plan, names, rules.read, rules.protocol.table)
    assert found == pytest.approx(files, rel=0.2, abs=1)


def job(*arguments, cwd):
    code, out, err = printed("--json", *arguments, cwd=cwd)
    assert code == 0, err.decode()
    return orjson.loads(out), err.decode()


def test_very_many_files_are_noted_on_standard_error_and_in_the_summary(tmp_path):
    (tmp_path / "day.log").write_bytes(log(MANY + 100))
    lake = tmp_path / "lake"
    arguments = "--input", tmp_path / "day.log", "--output", f"parquet:{lake}"
    summary, told = job(*arguments, "--partition-by", "cl_ord_id", cwd=None)
    text = f"parquet:{lake} will get about {MANY + 100:,} files, partitioned by cl_ord_id; readers"
    assert text in told
    assert text in summary["warnings"][0]
    assert summary["exit_code"] == 0
    assert len(list(lake.rglob("messages/*/*.parquet"))) == MANY + 100

    again, told = job(*arguments, "--partition-by", "cl_ord_id", cwd=None)
    assert (again["warnings"], "will get" in told) == ([], False)


def test_the_usual_partitioning_gives_no_warning(tmp_path, folder):
    for number, name in itertools.product(range(3), ("one.log", "fills.log")):
        (tmp_path / f"{number}{name}").write_bytes((folder / name).read_bytes() * (number + 1))
    summary, told = job(
        "--input", tmp_path / "*.log", "--output", f"parquet:{tmp_path}/lake", cwd=None
    )
    assert summary["warnings"] == []
    assert "note" not in told
