"""CheckSum (10) of a FIX message."""

__all__ = ["checksum"]


def checksum(data: bytes | memoryview) -> int:
    """Return the sum of all bytes of `data` modulo 256.

    `data` is everything before the CheckSum field, the delimiter in front of
    `10=` included (FIX 4.4 specification, volume 1, "Checksum calculation").
    """
    return sum(data) % 256
