"""Batches become dicts, one per message and one per failure."""

import datetime
from decimal import Decimal

import apache_beam as beam
from apache_beam.testing import test_pipeline
from apache_beam.testing.util import assert_that, equal_to

from fixfeed.transforms.batch import Block
from fixfeed.transforms.enrich import enrich_batch
from fixfeed.transforms.fix.parser import parse_block
from fixfeed.transforms.lookup import Lookup
from fixfeed.transforms.messages import ToFailures, ToMessages
from tests.transforms.fix.messages import encode

ORDER = encode(
    [(35, b"D"), (34, b"5"), (49, b"A"), (52, b"20250102-09:30:00.123"), (56, b"B"), (43, b"N")]
    + [(55, b"AAPL"), (44, b"10.50"), (453, b"2"), (448, b"P1"), (448, b"P2")]
)
HEARTBEAT = encode([(35, b"0"), (49, b"A")])
NO_TYPE = encode([(49, b"A")])
NOW = datetime.datetime(2025, 1, 2, 9, 31, tzinfo=datetime.UTC)
BATCH = enrich_batch(
    parse_block(Block("file:1:00", 100, ORDER + b"\n" + NO_TYPE + b"\n" + HEARTBEAT)),
    ingested_at=NOW,
    lookups=[
        Lookup("symbols.csv", "symbol", {"AAPL": '{"issuer":"Apple"}'}, frozenset({"issuer"}), "00")
    ],
)


def test_a_message_is_a_dict_of_its_values():
    expected = [
        {
            "source": "file:1:00",
            "position": 100,
            "session": "FIX.4.4:A->B",
            "ingested_at": NOW,
            "begin_string": "FIX.4.4",
            "msg_type": "D",
            "sender_comp_id": "A",
            "target_comp_id": "B",
            "msg_seq_num": 5,
            "poss_dup_flag": False,
            "sending_time": datetime.datetime(2025, 1, 2, 9, 30, 0, 123000, tzinfo=datetime.UTC),
            "symbol": "AAPL",
            "price": Decimal("10.5"),
            "fields": {"NoPartyIDs": [{"PartyID": "P1"}, {"PartyID": "P2"}]},
            "enriched": {"issuer": "Apple"},
            "raw": ORDER,
        },
        {
            "source": "file:1:00",
            "position": 100 + len(ORDER) + 1 + len(NO_TYPE) + 1,
            "ingested_at": NOW,
            "begin_string": "FIX.4.4",
            "msg_type": "0",
            "sender_comp_id": "A",
            "fields": {},
            "raw": HEARTBEAT,
        },
    ]
    with test_pipeline.TestPipeline() as pipeline:
        assert_that(pipeline | beam.Create([BATCH]) | ToMessages(), equal_to(expected))


def test_a_failure_is_a_dict_with_its_bytes():
    expected = [
        {
            "source": "file:1:00",
            "position": 100 + len(ORDER) + 1,
            "reason": "no_msg_type",
            "detail": BATCH.failures.column("detail")[0].as_py(),
            "raw": NO_TYPE,
        }
    ]
    with test_pipeline.TestPipeline() as pipeline:
        assert_that(pipeline | beam.Create([BATCH]) | ToFailures(), equal_to(expected))
