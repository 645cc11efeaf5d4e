"""Stored messages, decoded again from their bytes."""

import pytest

from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.decode.block import decode_block
from fixfeed.transforms.fix.decode.meanings import Meanings
from fixfeed.transforms.fix.decode.sentence import sentence_of
from fixfeed.transforms.fix.decode.stored import decode_stored
from fixfeed.transforms.fix.dictionary.codes import Codes
from fixfeed.transforms.fix.protocol import FIX

MEANINGS = Meanings(Codes())
ORDER = (
    b"8=FIX.4.4|9=112|35=D|34=5|49=FUND|56=BROKER|52=20250102-09:30:00|11=C1|55=VOD.L|54=1|38=500|"
    b"40=2|44=72.5|453=1|448=DESK|447=D|452=1|10=000|\n"
)
LOGON = b"8=FIX.4.4|9=60|35=A|34=1|49=A|56=B|108=30|553=me|554=secret|141=Y|10=000|\n"


def stored(data):
    batch = FIX.parse(Block("day.log", 0, data, b"|"))
    return batch, batch.messages.to_pylist()


@pytest.mark.parametrize("delimiter", [b"\x01", b"|", b"^A", b"^", b";", b"\t", b"<SOH>"])
def test_a_stored_message_is_decoded_as_it_was_when_it_came(delimiter):
    data = ORDER.replace(b"|", delimiter)
    batch = FIX.parse(block := Block("day.log", 0, data, delimiter))
    (row,) = batch.messages.to_pylist()
    (came,) = decode_block(block, batch, FIX.reading, MEANINGS)
    found = decode_stored(row, MEANINGS)
    assert found.fields == came.fields
    assert (found.type_name, found.problems) == (came.type_name, came.problems)
    assert {problem.kind for field in found.fields for problem in field.problems} == {
        "body_length",
        "check_sum",
    }


def test_what_was_masked_stays_masked_and_is_told_no_more_of():
    _, (row,) = stored(LOGON)
    found = decode_stored(row, MEANINGS)
    shown = {field.tag: field.text for field in found.fields}
    assert (set(shown["554"]), set(shown["553"])) == ({"*"}, {"*"})
    assert [problem.text for field in found.fields for problem in field.problems] == [
        "BodyLength (9) is not the number of bytes between it and CheckSum (10)",
        "CheckSum (10) is not the sum of the bytes before it, or has no three digits",
    ]


def test_bytes_that_are_no_fix_are_not_decoded():
    row = {"raw": b"a spread of another protocol", "defects": None, "masked": None}
    assert decode_stored(row, MEANINGS) is None


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"msg_type": "A", "fields": {"HeartBtInt": "30", "ResetSeqNumFlag": "Y"}},
         "A logs on to B, heartbeat every 30 s, numbers begin anew"),
        ({"msg_type": "0"}, "A is there"),
        ({"msg_type": "2", "fields": '{"BeginSeqNo":"5","EndSeqNo":"0"}'},
         "A asks B to send 5 and all after it again"),
        ({"msg_type": "4", "fields": {"GapFillFlag": "Y", "NewSeqNo": "9"}, "poss_dup_flag": True},
         "A fills a gap: its next number is 9 (sent again)"),
        ({"msg_type": "3", "ref_seq_num": 7, "text": "no"}, "A refuses message 7 of B: no"),
        ({"msg_type": "D", "side": "1", "order_qty": 2100, "symbol": "X", "ord_type": "1"},
         "A orders B to buy 2,100 X at the market"),
        ({"msg_type": "8", "exec_type": "F", "order_qty": 100, "last_qty": 40, "last_px": 1.5,
          "leaves_qty": 60, "symbol": "X"}, "A filled 40 of 100 X at 1.5, 60 left"),
        ({"msg_type": "8", "exec_type": "8", "cl_ord_id": "C1", "text": "Unknown symbol",
          "symbol": "X"}, "A rejects order C1: X (Unknown symbol)"),
        ({"msg_type": "8", "exec_type": "H", "exec_ref_id": "E1", "symbol": "X"},
         "A takes back a fill of X (execution E1)"),
        ({"msg_type": "9", "cl_ord_id": "C2", "orig_cl_ord_id": "C1", "text": "Too late",
          "fields": {"CxlRejResponseTo": "1"}}, "A refuses to cancel order C1: Too late"),
        ({"msg_type": "W", "symbol": "X", "fields": {"NoMDEntries": [{}, {}]}},
         "A sends B a market data snapshot of X: 2 entries"),
        ({"msg_type": "J", "symbol": "X"}, "A sends AllocationInstruction to B about X"),
        ({"msg_type": "ZZ"}, "A sends a message of type ZZ to B"),
    ],
)  # fmt: skip
def test_one_plain_sentence_says_what_a_message_says(row, told):
    def name(field, value):
        return MEANINGS.of(field, value, (None, None, "FIX.4.4"), several=False)

    assert sentence_of({"sender_comp_id": "A", "target_comp_id": "B", **row}, name) == told
