"""What is sent about the fills of a sample order after it: trade capture reports, allocations."""

from typing import NamedTuple

from fixfeed.pipelines.sample.event import Fields
from fixfeed.pipelines.sample.executions import Execution, Tick
from fixfeed.pipelines.sample.layouts import decimal

__all__ = ["Trade"]


class Trade(NamedTuple):
    """An order with its fills, as both sides book it."""

    version: str
    tick: Tick
    side: bytes
    account: bytes
    cl_ord_id: bytes
    order_id: bytes
    fills: tuple[Execution, ...]

    def capture_report(self, report_id: bytes, at: bytes) -> Fields:
        """Return the trade capture report (AE) of the last fill, in FIX 4.4 or later."""
        fill = self.fills[-1]
        body: Fields = [(571, report_id), (487, b"0"), (150, b"F"), (17, fill.exec_id)]
        body += [(570, b"N"), (55, self.tick.symbol), (32, b"%d" % fill.quantity)]
        body += [(31, decimal(fill.price)), (75, at[:8]), (60, at), (552, b"1")]
        return [*body, (54, self.side), (37, self.order_id), (11, self.cl_ord_id)]

    def allocation(self, allocation_id: bytes, at: bytes) -> Fields:
        """Return the allocation (J) of all fills, half of them to another account."""
        quantity = sum(fill.quantity for fill in self.fills)
        value = sum(fill.quantity * fill.price for fill in self.fills)
        body: Fields = [(70, allocation_id), (71, b"0")]
        if self.version not in ("FIX.4.0", "FIX.4.2"):
            body += [(626, b"1"), (857, b"1")]
        body += [(73, b"1"), (11, self.cl_ord_id), (37, self.order_id)]
        if self.version != "FIX.4.0":
            body.append((124, b"%d" % len(self.fills)))
            for fill in self.fills:
                body += [(32, b"%d" % fill.quantity), (17, fill.exec_id), (31, decimal(fill.price))]
        body += [(54, self.side), (55, self.tick.symbol), (53, b"%d" % quantity)]
        body += [(6, b"%.4f" % (value / quantity / 100)), (75, at[:8])]
        body += [] if self.version == "FIX.4.0" else [(60, at)]
        half = quantity // 2
        body += [(78, b"2"), (79, self.account), (80, b"%d" % (quantity - half))]
        return [*body, (79, b"POOL1"), (80, b"%d" % half)]

    def allocation_answer(self, allocation_id: bytes, at: bytes) -> Fields:
        """Return the answer (P): the broker takes the allocation as it is."""
        body: Fields = [(70, allocation_id), (75, at[:8])]
        body += [] if self.version == "FIX.4.0" else [(60, at)]
        return [*body, (87, b"0")]
