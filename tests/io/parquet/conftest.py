"""What tests of lakes share."""

import os
from contextlib import contextmanager

import pytest


@pytest.fixture
def full_disk():
    """Give a context in which no file comes to its place in a lake, for want of room."""
    replace = os.replace

    def without_room(source, target):
        if str(target).endswith(".parquet"):
            raise OSError(28, "No space left on device")
        replace(source, target)

    @contextmanager
    def full():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "replace", without_room)
            yield

    return full
