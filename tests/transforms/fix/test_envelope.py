"""Envelopes equal those that orjson makes, message by message."""

import base64
import dataclasses
import datetime
import random

import orjson
import pyarrow as pa
import pytest

from fixfeed.transforms.batch import Batch, Block
from fixfeed.transforms.enrich import enrich_batch
from fixfeed.transforms.failures import failure_envelopes
from fixfeed.transforms.fix.envelope import envelopes
from fixfeed.transforms.fix.parser import parse_block
from fixfeed.transforms.fix.schema import MESSAGES, NAMED
from fixfeed.transforms.lookup import Lookup
from tests.transforms.fix.messages import DELIMITERS, encode, random_log

NOW = datetime.datetime(2025, 7, 1, 12, 0, 0, 5, datetime.UTC)

NOTHING = Batch("file:key", 0, 0, pa.RecordBatch.from_pylist([], MESSAGES))


def parsed(data, **options):
    return parse_block(Block("file:key", 1000, data, **options), fix_json=True)


def moment(time):
    return time and time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def split(text):
    return text.split(",") if text else []


def one_by_one(batch, source):
    """Return the envelopes as the module's documentation describes them."""
    texts = []
    for row in batch.messages.to_pylist():
        envelope = {"source": source, "position": row["position"]}
        envelope |= {key: moment(row[key]) for key in ("captured_at", "ingested_at")}
        envelope |= {key: row[key] for key in ("session", "direction")}
        envelope["defects"] = split(row["defects"])
        envelope["masked"] = split(row["masked"])
        if row["appl_ver_id"] is not None:
            envelope["appl_ver_id"] = row["appl_ver_id"]
        if "side_name" in row:
            names = {name: row[f"{name}_name"] for name in NAMED}
            envelope["names"] = {name: text for name, text in names.items() if text is not None}
        if row["enriched"] is not None:
            envelope["enriched"] = orjson.Fragment(row["enriched"])
        envelope["message"] = orjson.Fragment(row["fix_json"])
        texts.append(orjson.dumps(envelope).decode())
    return texts


def lookup(tmp_path):
    path = tmp_path / "symbols.csv"
    path.write_text('symbol,sector\nAAPL,"say ""tech"" \\ é"\nMSFT,software\n')
    return Lookup.read(str(path), on="symbol")


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("enriched", [False, True])
def test_envelopes_equal_those_made_one_by_one(seed, enriched, tmp_path):
    rng = random.Random(seed)
    delimiter = rng.choice(DELIMITERS)
    batch = parsed(random_log(rng, 60, mutated=0.3, delimiter=delimiter), layout=delimiter)
    if enriched:
        batch = enrich_batch(batch, ingested_at=NOW, names=True, lookups=[lookup(tmp_path)])
    texts = envelopes(batch, 'odd "name" \\ \n é.log')
    assert texts.type == pa.string()
    assert texts.to_pylist() == one_by_one(batch, 'odd "name" \\ \n é.log')
    assert len(texts) > 30


def test_the_keys_of_a_whole_envelope_are_in_order(tmp_path):
    line = b"<20250102-09:30:00.000001, FIX.4.4:A->B, incoming> (%s)\n" % encode(
        [(35, b"D"), (49, b'A"\\'), (56, b"B"), (54, b"1"), (55, b"MSFT"), (554, b"x")],
        delimiter=b"|",
    ).replace(b"10=", b"10=9")
    batch = parsed(line, layout=b"|")
    batch = enrich_batch(batch, ingested_at=NOW, names=True, lookups=[lookup(tmp_path)])
    position = 1000 + line.index(b"8=FIX.4.4|")
    assert envelopes(batch, "day.log").to_pylist() == [
        f'{{"source":"day.log","position":{position},'
        '"captured_at":"2025-01-02T09:30:00.000001Z",'
        '"ingested_at":"2025-07-01T12:00:00.000005Z",'
        '"session":"FIX.4.4:A\\"\\\\->B","direction":"in","defects":["check_sum"],'
        '"masked":["554"],'
        '"names":{"msg_type":"NewOrderSingle","side":"Buy"},"enriched":{"sector":"software"},'
        '"message":{"Header":{"BeginString":"FIX.4.4","MsgType":"D","SenderCompID":"A\\"\\\\",'
        '"TargetCompID":"B"},"Body":{"Side":"1","Symbol":"MSFT","Password":"*"},'
        '"Trailer":{"CheckSum":"9078"}}}'
    ]


def test_names_of_a_dictionary_type_can_be_read():
    batch = enrich_batch(parsed(encode([(35, b"D"), (54, b"9")])), ingested_at=NOW, names=True)
    columns = [
        column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
        for column in batch.messages.columns
    ]
    plain = pa.RecordBatch.from_arrays(columns, batch.messages.schema.names)
    assert plain.schema != batch.messages.schema
    assert envelopes(dataclasses.replace(batch, messages=plain), "x") == envelopes(batch, "x")


def test_without_fix_json_the_error_says_how_to_get_it():
    batch = parse_block(Block("file:key", 0, encode([(35, b"0")])))
    with pytest.raises(ValueError, match=r"ParseFix\(fix_json=True\)"):
        envelopes(batch, "day.log")


def test_a_batch_without_messages_has_no_envelopes():
    assert envelopes(NOTHING, "day.log").to_pylist() == []
    assert failure_envelopes(NOTHING, "day.log").to_pylist() == []


def test_failures_keep_their_bytes_as_text_or_in_base64():
    text = 'junk "35=D"|é\x01\x02|55=X|'.encode()
    octets = b"8=FIX.4.4|\xff\x00=junk|"
    batch = parsed(text + b"\n" + octets + b"\n", layout=b"|")
    expected = [
        {
            "source": "day.log",
            "position": row["position"],
            "reason": row["reason"],
            "detail": row["detail"],
            "raw": raw,
        }
        for row, raw in zip(
            batch.failures.to_pylist(),
            (text.decode(), {"base64": base64.b64encode(octets).decode()}),
            strict=True,
        )
    ]
    assert failure_envelopes(batch, "day.log").to_pylist() == [
        orjson.dumps(one).decode() for one in expected
    ]
