"""Objects of a stream that are in its graph and are used by the rest of the job as well.

Beam copies what is in a graph. A stream runs in the process that made it, so a copy of one of these
objects can be the object itself.
"""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["OfThisProcess", "Registered"]

_numbers = itertools.count()
_objects: dict[int, Any] = {}


def _object(number: int) -> Any:
    return _objects[number]


class OfThisProcess:
    """An object whose copies, by pickling, are the object itself."""

    def __init__(self) -> None:
        """Remember it for as long as the process runs."""
        self._number = next(_numbers)
        _objects[self._number] = self

    def __reduce__(self) -> tuple[Any, ...]:
        """Have a copy be this object."""
        return _object, (self._number,)


class Registered(OfThisProcess, Mapping[str, int]):
    """The source ids of a sink by key, as they are now."""

    def __init__(self, ids: Mapping[str, int]):
        """`ids` may grow."""
        super().__init__()
        self._ids = ids

    def __getitem__(self, key: str) -> int:
        """Return the id of a source."""
        return self._ids[key]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys there are now."""
        return iter(list(self._ids))

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._ids)
