"""CheckSum is the byte sum modulo 256."""

import pytest

from fixfeed.transforms.fix.framing.checksum import checksum


@pytest.mark.parametrize(("data", "expected"), [(b"", 0), (b"\x01", 1), (b"\xff\x02", 1)])
def test_the_sum_is_modulo_256(data, expected):
    assert checksum(data) == expected


def test_the_sum_of_a_heartbeat_is_the_one_its_sender_wrote():
    before = b"8=FIX.4.2\x019=49\x0135=0\x0134=2\x0149=TW\x0152=20261124-14:15:00\x0156=ISLD\x01"
    assert checksum(before) == sum(before[i] for i in range(len(before))) & 255
