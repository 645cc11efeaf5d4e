"""Executions of a sample, and the fills that stand of them after busts and corrections."""

from typing import NamedTuple

__all__ = ["Execution", "Filled", "Fills", "Tick"]


class Tick(NamedTuple):
    """A price in hundredths of `currency`, of a symbol traded at `market`."""

    symbol: bytes
    price: int
    currency: bytes
    market: bytes


class Execution(NamedTuple):
    """What an execution report says of a fill: `quantity` of `symbol` at `price`, in hundredths.

    `replaces` is the ExecID of the report that it busts or corrects, empty for a new fill; a bust
    has the quantity 0.
    """

    exec_id: bytes
    symbol: str
    quantity: int
    price: int
    replaces: bytes = b""


class Filled(NamedTuple):
    """Fills of a symbol: number, quantity, and notional (quantity times price) in hundredths."""

    fills: int = 0
    quantity: int = 0
    hundredths: int = 0

    def plus(self, other: "Filled") -> "Filled":
        """Return both together."""
        return Filled(*(one + another for one, another in zip(self, other, strict=True)))


class Fills:
    """The fills of one session that stand: each ExecID once, busts and corrections applied."""

    def __init__(self) -> None:
        """Begin without any."""
        self._seen: set[bytes] = set()
        self._standing: dict[bytes, Execution] = {}

    def report(self, execution: Execution) -> None:
        """Take in a report; one with an ExecID that was seen is a report sent again."""
        if execution.exec_id in self._seen:
            return
        self._seen.add(execution.exec_id)
        self._standing.pop(execution.replaces, None)
        if execution.quantity:
            self._standing[execution.exec_id] = execution

    def by_symbol(self) -> dict[str, Filled]:
        """Return the sums of what stands."""
        sums: dict[str, Filled] = {}
        for _, symbol, quantity, price, _ in self._standing.values():
            one = Filled(1, quantity, quantity * price)
            sums[symbol] = sums.get(symbol, Filled()).plus(one)
        return sums
