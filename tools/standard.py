"""Facts of the FIX standard that are not in the files that dictionaries are built from.

They are from the specification of each version; for FIX 5.0 and later from the fields' union data
types in the FIX Repository (2010 edition, 2020-04-02).
"""

from typing import NamedTuple

__all__ = ["ALLOWED", "CALLED", "FIELDS", "GROUPS", "MEMBERS", "Group", "Member"]

_4X = ("FIX40", "FIX41", "FIX42", "FIX43", "FIX44")
_5X = ("FIX50", "FIX50SP1", "FIX50SP2")

ALLOWED: list[tuple[tuple[str, ...], str, str]] = [
    # "Number of shares in numeric or relative size."
    ((*_4X, *_5X), "QTY", "27"),
    # "100+ are reserved for private security identifications."
    ((*_4X, *_5X), "RESERVED100PLUS", "22"),
    # A Reject names the MsgType of the message it rejects, whatever that was.
    (("FIX42", "FIX44"), "STRING", "372"),
    # "Values above 1000 are available for use by private agreement among counterparties."
    (("FIX43", "FIX44"), "RESERVED1000PLUS", "492 495"),
    (("FIX44",), "RESERVED1000PLUS", "477 847"),
    # "Values above 4000 are reserved for agreement between parties."
    (("FIX43", "FIX44", "FIX50", "FIX50SP1"), "RESERVED4000PLUS", "577"),
    # "Additional (other) values may be used by mutual agreement of the counterparties."
    (("FIX43", "FIX44", *_5X), "STRING", "167 233"),
    (_5X, "STRING", "997"),
    (("FIX50",), "STRING", "996"),
    (("FIX50SP1", "FIX50SP2"), "STRING", "1193"),
    (("FIX50SP2",), "STRING", "1941 40922"),
    # "Other values from OrdType (40) may be used if appropriate and bilaterally agreed upon."
    (_5X, "CHAR", "1111"),
    # "Bilaterally agreed values of data type String that start with a character can be used."
    (("FIX50SP1", "FIX50SP2"), "STRING", "336 625"),
    # The union data types of the fields.
    (_5X, "TENOR", "63"),
    (
        _5X,
        "RESERVED100PLUS",
        "102 103 300 373 378 507 532 567 658 660 723 728 749 751 774 792 796 865 871 875 906 946",
    ),
    (("FIX50", "FIX50SP1"), "RESERVED100PLUS", "477"),
    (
        ("FIX50SP1", "FIX50SP2"),
        "RESERVED100PLUS",
        "326 340 1174 1178 1368 1376 1385 1386 1409",
    ),
    (
        ("FIX50SP2",),
        "RESERVED100PLUS",
        "88 298 327 585 1194 1374 1429 1431 1439 1470 1471 1473 1477 1478 1502 1530 1583 1607 1631 "
        "1641 1644 1761 1775 1796 1798 1803 1813 1877 1881 1897 1934 1937 1950 2109 2115 2426 2431 "
        "2443 2456 2457 2458 2459 2473 2487 2530 2544 2547 2579 2675 2677 2773 2774 2791 2844 2846 "
        "40213",
    ),
    (("FIXT11",), "RESERVED100PLUS", "373 1409"),
    (_5X, "RESERVED1000PLUS", "492 495 847"),
    (("FIX50SP1", "FIX50SP2"), "RESERVED1000PLUS", "828 829"),
    (("FIX50SP2",), "RESERVED1000PLUS", "477 1585 2402 2594"),
    (_5X, "RESERVED4000PLUS", "803"),
    (("FIX50SP2",), "RESERVED4000PLUS", "577 1511 1515 1939"),
]
"""Versions, the type of values that are allowed besides the listed ones, and the tags."""

FIELDS: list[tuple[str, int, str, str]] = [
    ("FIX43", 318, "UnderlyingCurrency", "CURRENCY"),
    ("FIX43", 502, "CashDistribAgentAcctName", "STRING"),
]
"""Fields of a version: their tags, names and types."""


class Group(NamedTuple):
    """A field that counts the entries of a group; the fields after it are the group's.

    `path` are the tags of the groups around it.
    """

    version: str
    msg_types: tuple[str, ...]
    path: tuple[int, ...]
    counted_by: int
    inside: tuple[int, ...]


GROUPS = [
    # "Repeating field, number of instances defined in LinesOfText", as in FIX 4.1.
    Group("FIX40", ("B", "C"), (), 33, (58,)),
    # "Number of delivery instruction fields to follow."
    Group("FIX40", ("J",), (78,), 85, (92, 86)),
]


class Member(NamedTuple):
    """Fields of a group, message or component that come after the member `after`.

    `place` is a MsgType or the name of a component, `path` the tags of the groups inside it.
    """

    version: str
    place: str
    path: tuple[int, ...]
    after: int
    tags: tuple[int, ...]


MEMBERS = [
    # FIX 4.2 requires TransactTime in orders; engines have sent it in those of 4.0 and 4.1 too.
    *(
        Member(version, place, (), 54, (60,))
        for version in ("FIX40", "FIX41")
        for place in ("D", "F", "G")
    ),
    # The rest of OrderQtyData.
    Member("FIX43", "R", (146,), 152, (516, 468, 469)),
    Member("FIX43", "AG", (146,), 152, (516, 468, 469)),
    # NoQuoteSets (296) of b and i holds an UnderlyingInstrument.
    Member("FIX43", "UnderlyingInstrument", (), 365, (318,)),
    Member("FIX43", "o", (510,), 501, (502,)),
    # As in FIX 4.3 and in 5.0 SP1.
    Member("FIX44", "t", (552,), 54, (41,)),
    Member("FIX50", "t", (552,), 54, (41,)),
    # As in FIX 5.0 SP1. A later extension pack of SP2 has AffectedOrigClOrdID in its place.
    Member("FIX50SP2", "AffectedOrdGrp", (534,), 1824, (41,)),
    # As in FIX 4.4 and in 5.0 SP2.
    *(
        member
        for version in ("FIX50", "FIX50SP1")
        for member in (
            Member(version, "t", (552,), 583, (586,)),
            Member(version, "AE", (552,), 576, (635,)),
        )
    ),
]

_BEFORE_42 = ("FIX40", "FIX41")
_BEFORE_44 = ("FIX40", "FIX41", "FIX42", "FIX43")

CALLED: list[tuple[tuple[str, ...], int, str, str]] = [
    # "Pending Cancel/Replace"; FIX 4.2 made two statuses of it.
    (_BEFORE_42, 39, "6", "Pending cancel/replace"),
    (_BEFORE_42, 150, "6", "Pending cancel/replace"),
    # FIX 4.4 split what an allocation and its acknowledgement were for.
    (_BEFORE_44, 35, "J", "Allocation"),
    (_BEFORE_44, 35, "P", "AllocationAck"),
    (("FIX42",), 35, "b", "QuoteAcknowledgement"),
    # "1 = rejected, 2 = partial accept"
    (_BEFORE_44, 87, "1", "Rejected"),
    (_BEFORE_44, 87, "2", "Partial accept"),
    (("FIX50SP1",), 277, "AV", "Outside spread"),
]
"""Versions that call a value of a field otherwise than all others do: their name for it."""
