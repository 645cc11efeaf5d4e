"""What the values of a message's fields mean."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from fixfeed.transforms.codes import Code

__all__ = ["Meanings"]

_MOST_SESSIONS = 1_000  # a damaged log may have ever new ones


class Named(Protocol):
    """Codes: those of all sessions, and those that a session has otherwise."""

    def __iter__(self) -> Iterator[Code]:
        """Yield the codes of all sessions."""

    def of(self, session: str) -> Iterable[Code]:
        """Yield what a session calls otherwise."""


class Meanings:
    """The names of values, by the name of their field."""

    def __init__(self, codes: Named):
        """`codes` are FIX's names, and those of the dictionaries of a run: `dictionary.codes`."""
        self._codes = codes
        self._usual = {(code.field, code.value): code for code in codes}
        self._of_sessions: dict[str, Mapping[tuple[str, str], Code]] = {}

    def of(self, field: str, value: str, keys: Sequence[str | None], *, several: bool) -> str:
        """Return what a value is called, `` if it has no name.

        `keys` are the message's values of `codes.NAMED_BY`, its session first. With `several` the
        value may be many of them with spaces between: those that have names are named.

        >>> from fixfeed.transforms.fix.dictionary.codes import Codes
        >>> Meanings(Codes()).of("Side", "1", (None, None, "FIX.4.4"), several=False)
        'Buy'
        >>> Meanings(Codes()).of("ExecInst", "G 6", (None, None, "FIX.4.4"), several=True)
        'All or none, Participate do not initiate'
        """
        own = self._of(keys[0] or "")
        names = []
        for one in value.split(" ") if several else [value]:
            code = own.get((field, one)) or self._usual.get((field, one))
            name = code.name_in(keys) if code else None
            if name:
                names.append(name)
        return ", ".join(names)

    def _of(self, session: str) -> Mapping[tuple[str, str], Code]:
        if session not in self._of_sessions:
            if len(self._of_sessions) >= _MOST_SESSIONS:
                self._of_sessions.clear()
            own = {(code.field, code.value): code for code in self._codes.of(session)}
            self._of_sessions[session] = own
        return self._of_sessions[session]
