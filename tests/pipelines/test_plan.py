import pytest

from fixfeed.io.files.find import cut_ranges, find_files
from fixfeed.pipelines.plan import range_size

MIB = 1 << 20


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
