from contextlib import closing

import pytest

from fixfeed.io.files.find import cut_ranges, find_files
from fixfeed.io.sql.open import open_store
from fixfeed.pipelines.fixfeed import main
from fixfeed.pipelines.plan import make_plan, range_size
from tests.transforms.fix.messages import encode

MIB = 1 << 20
MESSAGE = encode([(35, b"0"), (49, b"A"), (56, b"B")])


@pytest.mark.parametrize("mib", [0.5, 23.9, 24, 191, 192, 193, 250, 1000, 100_000])
def test_ranges_of_two_to_sixteen_mib_come_in_twelves(mib):
    total = int(mib * MIB)
    size = range_size(total)
    assert 2 * MIB <= size <= 16 * MIB
    if total >= 24 * MIB:
        assert -(-total // size) % 12 == 0


def test_a_file_is_cut_into_equal_ranges(tmp_path):
    path = tmp_path / "day.log"
    path.write_bytes(b"8=FIX.4.4|35=0|10=000|\n" * 1_200_000)
    (file,), _ = find_files([str(path)])
    ranges = cut_ranges(file, (), size=range_size(file.size))
    ends = [*(one.start for one in ranges[1:]), file.size]
    sizes = [end - one.start for one, end in zip(ranges, ends, strict=True)]
    assert len(sizes) == 12
    assert max(sizes) - min(sizes) <= 12


def test_a_file_that_ends_inside_a_message_is_left_as_it_is_where_reading_it_takes_a_job(tmp_path):
    path, database = tmp_path / "day.log", f"sqlite:///{tmp_path}/a.db"
    path.write_bytes(MESSAGE + MESSAGE[:20])
    words = ["--input", str(path), "--output", database, "--quiet", "--json"]
    assert main(words) == 0

    def left(rules=None, *, unfinished_again=False):
        files, _ = find_files([str(path)])
        with closing(open_store(database)) as store:
            used = store.query("select rules from progress")[0][0]
            plan = make_plan(
                files,
                {"a": store},
                rules=rules or used,
                reprocess=False,
                unfinished_again=unfinished_again,
            )
            return [(one.start, one.stop) for one in plan.ranges], len(plan.finished)

    end = ([(len(MESSAGE), None)], 0)
    assert left() == ([], 1)
    assert left(unfinished_again=True) == end
    assert left("others") == end
    path.write_bytes(MESSAGE + MESSAGE[:30])
    assert left() == end
