"""What is printed for people: text that commands no terminal, and ends when nobody reads."""

import os
import sys

from rich.console import Console

__all__ = ["Terminal", "visible"]


def visible(text: str) -> str:
    r"""Return a text whose characters all print: a terminal takes none of it for a command.

    >>> print(visible("caf\u00e9 \x1b[2J"))
    café \x1b[2J
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class Terminal(Console):
    """Standard output, where texts are what they are: no markup, no names of emoji.

    It ends the program with 0 when the reader (`less`, `head`) has gone: all that was asked for is
    there.
    """

    def __init__(self, *, width: int):
        """`width` is that of what is not printed on a terminal, so that rows stay whole."""
        super().__init__(markup=False, emoji=False, highlight=False)
        if not self.is_terminal:
            self.width = width

    def on_broken_pipe(self) -> None:
        """See `Console`, which ends with 1."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0)
