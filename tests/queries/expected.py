"""What the recipes say of the day in asked_day.txt, worked out by hand."""

__all__ = ["EXPECTED"]

_FUND, _BROKER = "FIX.4.4:FUND->BROKER", "FIX.4.4:BROKER->FUND"
_COPY = "FIX.4.4:BROKER->DROPCOPY"
_HEDGE, _HEDGED = "FIX.4.2:HEDGE->BROKER", "FIX.4.2:BROKER->HEDGE"
_PENSION, _PAID = "FIX.4.0:PENSION->BROKER", "FIX.4.0:BROKER->PENSION"


def _at(time: str) -> str:
    """Return a time of the day, given with or without milliseconds."""
    whole, _, milliseconds = time.partition(".")
    return f"2026-03-02 {whole}.{milliseconds or '000'}000"


def _order(time: str, session: str, kind: str, cl_ord_id: str, before: str | None, *report: object):
    return (_at(time), session, kind, cl_ord_id, before, *(report or [None] * 6))


EXPECTED = {
    # 40 at 10.20 of O1, 10 at 11.50 of O7, 300 at 30 in FIX 4.0; 200 at 20.50 in FIX 4.2.
    "Fills by symbol": [("AAPL", 3, 350, 9523, 27.2086), ("VOD.L", 1, 200, 4100, 20.5)],
    "Busted and corrected fills": [
        (_at("09:10:00"), _BROKER, "O1", "X4", "X3", "correction", 40, 10.1, 40, 10.2),
        (_at("09:10:00.002"), _COPY, "O1", "X4", "X3", "correction", 40, 10.1, 40, 10.2),
        (_at("09:11:00"), _BROKER, "O1", "X5", "X2", "bust", 60, 10, 60, 10),
        (_at("09:11:00.002"), _COPY, "O1", "X5", "X2", "bust", 60, 10, 60, 10),
        (_at("11:02:00"), _HEDGED, "1", "3", "1", "correction", 200, 20, 200, 20.5),
        (_at("12:20:00"), _PAID, "3", "4", "3", "bust", 50, 20, 50, 20),
    ],
    "Largest notional": [
        ("GBP", 1, "2026-03-02", _HEDGED, "1", "VOD.L", "Buy", 200, 4100),
        ("USD", 1, "2026-03-02", _PAID, "2", "AAPL", "Buy", 300, 9000),
        ("USD", 2, "2026-03-02", _BROKER, "O1", "AAPL", "Buy", 40, 408),
        ("USD", 3, "2026-03-02", _BROKER, "O7", "AAPL", "Sell", 10, 115),
    ],
    # The fill of the other order of DTANAKA was busted.
    "Traders by PartyRole": [
        ("ASMITH", "USD", 1, 1, 40, 408),
        ("BKHAN", "USD", 1, 1, 10, 115),
        ("CMEYER", "GBP", 1, 1, 200, 4100),
        ("DTANAKA", "USD", 1, 1, 300, 9000),
    ],
    "After hours": [
        (_at("17:30:00"), _FUND, "NewOrderSingle", "CALG-000060", "ACC2", "AAPL", "Sell", 20),
        (
            _at("17:31:00"),
            _FUND,
            "OrderCancelReplaceRequest",
            "CALG-000066",
            "ACC2",
            "AAPL",
            "Sell",
            30,
        ),
    ],
    "Orders without an answer": [(_at("10:00:00"), _FUND, "NewOrderSingle", "C2", "MSFT")],
    "Rejects": [
        (
            _at("10:01:00.001"), _BROKER, "Reject", "Required tag missing", "no quantity",
            "NewOrderSingle", "C3", "MSFT",
        ),
        (
            _at("10:02:00.001"), _BROKER, "BusinessMessageReject", "Application not available",
            "closed", "NewOrderSingle", "C4", "MSFT",
        ),
        (
            _at("10:03:00.050"), _BROKER, "ExecutionReport", "Unknown symbol", "unknown symbol",
            "NewOrderSingle", "C5", "NONE",
        ),
        (
            _at("10:04:00.002"), _BROKER, "OrderCancelReject", "Too late to cancel", "too late",
            "OrderCancelRequest", "C6", "AAPL",
        ),
    ],
    "Sequence gaps": [(_BROKER, 10, 11, 2, _at("10:03:00.050"))],
    "Resends": [(_at("09:00:04"), _FUND, "3", "0", 1, 1)],
    "Latency to the first answer": [
        (_PENSION, 2, 0, 1_000_000, 1_000_000, 1_000_000),
        (_HEDGE, 1, 30_000, 30_000, 30_000, 30_000),
        (_FUND, 3, 50_000, 100_000, 100_000, 100_000),
    ],
    "One order by any of its ids": [
        _order("17:30:00", _FUND, "NewOrderSingle", "CALG-000060", None),
        _order(
            "17:30:00.100", _BROKER, "ExecutionReport", "CALG-000060", None,
            "O7", "X7", "New", "New", 0, 20,
        ),
        _order("17:31:00", _FUND, "OrderCancelReplaceRequest", "CALG-000066", "CALG-000060"),
        _order(
            "17:31:00.100", _BROKER, "ExecutionReport", "CALG-000066", "CALG-000060",
            "O7", "X8", "Replaced", "New", 0, 30,
        ),
        _order(
            "17:32:00", _BROKER, "ExecutionReport", "CALG-000066", None,
            "O7", "X9", "Trade", "Partially filled", 10, 20,
        ),
    ],
    "Custom tags": [(_at("09:00:00"), _FUND, "C1", "algo=3")],
    "Messages a minute by type": [
        (f"2026-03-02 {minute}", kind, count)
        for minute, kind, count in (
            ("08:00", "Logon", 2),
            ("09:00", "ExecutionReport", 6),
            ("09:00", "NewOrderSingle", 1),
            ("09:00", "ResendRequest", 1),
            ("09:00", "SequenceReset", 1),
            ("09:10", "ExecutionReport", 2),
            ("09:11", "ExecutionReport", 2),
            ("09:12", "TradeCaptureReport", 1),
            ("09:13", "AllocationInstruction", 1),
            ("09:30", "MarketDataRequest", 1),
            ("09:30", "MarketDataSnapshotFullRefresh", 1),
            ("09:31", "MarketDataIncrementalRefresh", 1),
            ("09:31", "MarketDataSnapshotFullRefresh", 1),
            ("10:00", "NewOrderSingle", 1),
            ("10:01", "NewOrderSingle", 1),
            ("10:01", "Reject", 1),
            ("10:02", "BusinessMessageReject", 1),
            ("10:02", "NewOrderSingle", 1),
            ("10:02", "SequenceReset", 1),
            ("10:03", "ExecutionReport", 1),
            ("10:03", "NewOrderSingle", 1),
            ("10:04", "OrderCancelReject", 1),
            ("10:04", "OrderCancelRequest", 1),
            ("11:00", "ExecutionReport", 1),
            ("11:00", "NewOrderSingle", 1),
            ("11:01", "ExecutionReport", 1),
            ("11:02", "ExecutionReport", 1),
            ("12:00", "ExecutionReport", 2),
            ("12:00", "NewOrderSingle", 1),
            ("12:10", "ExecutionReport", 1),
            ("12:10", "NewOrderSingle", 1),
            ("12:20", "ExecutionReport", 1),
            ("17:30", "ExecutionReport", 1),
            ("17:30", "NewOrderSingle", 1),
            ("17:31", "ExecutionReport", 1),
            ("17:31", "OrderCancelReplaceRequest", 1),
            ("17:32", "ExecutionReport", 1),
        )
    ],
    "Market data of one symbol": [
        (_at("09:30:00.001"), "W", None, "Bid", 10.01, 300),
        (_at("09:30:00.001"), "W", None, "Offer", 10.03, 200),
        (_at("09:30:00.001"), "W", None, "Bid", 10.02, 100),
        (_at("09:30:00.001"), "W", None, "Offer", 10.04, 500),
        (_at("09:31:00"), "W", None, "Bid", 10.05, 100),
        (_at("09:31:00"), "W", None, "Offer", 10.06, 400),
        (_at("09:31:30"), "X", "New", "Bid", 10.05, 700),
        (_at("09:31:30"), "X", "Change", "Offer", 10.07, 900),
    ],
    "Top of book": [
        (_at("09:30:00.001"), 100, 10.02, 10.03, 200, 0.01),
        (_at("09:31:00"), 100, 10.05, 10.06, 400, 0.01),
    ],
}  # fmt: skip
