"""Secrets are never shown; the defects of their messages are reported all the same."""

import hashlib
import hmac

import orjson
import pytest

from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.parser import parse_block
from fixfeed.transforms.fix.secrets.masking import (
    DEFAULT,
    UNMASKED,
    Masking,
    MaskingError,
    read_masking,
)
from tests.transforms.fix.messages import encode

HEAD = [(35, b"A"), (49, b"A"), (56, b"B"), (34, b"1"), (52, b"20250102-09:30:00")]
SECRET = b"hunter2"
RAW = b"hun\x01ter2"
LOGON = [
    *HEAD, (98, b"0"), (95, b"%d" % len(RAW)), (96, RAW), (108, b"30"), (553, b"joe"),
    (554, SECRET), (925, SECRET),
]  # fmt: skip
DELIMITERS = [b"\x01", b"|", b"^A"]


def rows(data, *, delimiter=b"\x01", masking=DEFAULT, **options):
    """The rows and failures of both parsers, which are equal."""
    block = Block("log", 0, data.replace(b"\x01", delimiter), delimiter)
    both = [
        parse_block(block, masking=masking, vectorised=way, fix_json=True, **options)
        for way in (False, True)
    ]
    assert both[0].messages.equals(both[1].messages)
    assert both[0].failures.equals(both[1].failures)
    return both[0].messages.to_pylist(), both[0].failures.to_pylist()


@pytest.mark.parametrize("delimiter", DELIMITERS)
def test_secrets_of_a_logon_become_asterisks_in_columns_json_and_bytes(delimiter):
    (row,), _ = rows(encode(LOGON), delimiter=delimiter)
    assert orjson.loads(row["fields"]) == {
        "EncryptMethod": "0", "RawDataLength": "8", "RawData": "********", "HeartBtInt": "30",
        "Username": "***", "Password": "*******", "NewPassword": "*******",
    }  # fmt: skip
    assert (row["masked"], row["defects"]) == ("96,553,554,925", None)
    shown = encode(LOGON).replace(RAW, b"*" * 8).replace(SECRET, b"*" * 7).replace(b"joe", b"***")
    assert row["raw"] == shown.replace(b"\x01", delimiter)
    assert orjson.loads(row["fix_json"])["Body"]["Password"] == "*******"


@pytest.mark.parametrize("delimiter", DELIMITERS)
@pytest.mark.parametrize(
    "data",
    [
        encode(LOGON)[:-30],
        encode(LOGON).replace(b"8=FIX.4.4\x01", b"8=FIX\x01"),
        encode(LOGON).replace(b"\x01554=", b"\x01x554="),
        encode(LOGON).replace(b"\x01554=", b"\x010554="),
        encode(LOGON).replace(b"\x01554=", b" 554="),
        encode(LOGON).replace(b"\x0135=A", b""),
        encode([*HEAD, (58, b"refused: 554=hunter2 is no password")]),
        encode([(35, b"n"), *HEAD[1:], (212, b"999"), (213, encode(LOGON))]),
        encode([(35, b"n"), *HEAD[1:], (212, b"%d" % len(encode(LOGON))), (213, encode(LOGON))]),
        b"some text 554=hunter2\x01 behind\n35=A\x0195=8\x0196=" + RAW + b"\x01\n",
        encode([*HEAD, (554, b"x;hunter2^^hunter2")])[9:],
        encode([*HEAD, (96, b"x;hunter2^^hunter2")])[9:],
        b"ERROR refused 554=x;hunter2 hunter2\n8=FIX\n",
        encode([*HEAD, (95, b"14"), (96, b"before\x01hunter2")])[:-9],
        encode([*HEAD, (95, b"14"), (96, b"before\x01hunter2")])[:-7],
        encode([*HEAD, (95, b"20"), (96, b"before\x01hunter2"), (108, b"30")]),
        encode([*HEAD, (95, b"18"), (96, b"before\x0112=hunter2")])[:-8] + b"\n",
        b"".join(encode(LOGON)[at : at + 1] for at in range(80)) + b"\x01554=hunter2",
    ],
)
def test_damage_never_reveals_a_secret(data, delimiter):
    found = str(rows(data, delimiter=delimiter, fields="all")).encode()
    assert b"hunter2" not in found
    assert b"ter2" not in found


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("begin", [b"8=FIX.4.4", b"8?FIX.4.4"])
def test_a_secret_that_continues_on_the_next_line_is_masked_there(begin, line_end):
    message = encode(LOGON, delimiter=b"|").replace(b"8=FIX.4.4", begin)
    message = message.replace(b"hunter2", b"s3cr3tpw").replace(RAW, b"*" * 8)
    first, last = message.index(b"|554="), message.index(b"|10=")
    for cut in range(first, last):
        line = message[cut:] + line_end
        found, failures = rows(message[:cut] + line_end + line + b"9=1|49=x|" + line_end)
        left = b" ".join(row["raw"] for row in (*found, *failures))
        parts = [b"s3cr3tpw"[at : at + 3] for at in range(6)]
        assert [part for part in parts if part in left] == []
        assert left.endswith(b"9=1|49=x|")


def test_defects_are_those_of_the_original_bytes():
    wrong = encode(LOGON)[:-4] + b"000\x01"
    (right,), _ = rows(encode(LOGON), validate="dictionary")
    (row,), _ = rows(wrong, validate="dictionary")
    assert {right["defects"], row["defects"]} == {
        "unexpected_tag",
        "check_sum,unexpected_tag",
    }  # fmt: skip  (925 came with FIX 5.0)


def test_raw_data_is_a_secret_only_in_a_logon():
    (row,), _ = rows(encode([(35, b"B"), *HEAD[1:], (148, b"x"), (95, b"3"), (96, b"abc")]))
    assert (orjson.loads(row["fields"])["RawData"], row["masked"]) == ("abc", None)


def test_a_hash_depends_on_value_and_key_and_stays_joinable():
    order = encode([(35, b"D"), *HEAD[1:], (1, b"ACC77"), (55, b"IBM")])
    masking = read_masking(["Account=hash"], key=b"key")
    (one, other), _ = rows(order * 2, masking=masking)
    expected = hmac.new(b"key", b"ACC77", hashlib.sha256).hexdigest()[:16]
    assert {one["account"], other["account"]} == {expected}
    assert one["raw"] == order.replace(b"ACC77", expected.encode())
    assert one["masked"] == "1"
    (third,), _ = rows(order, masking=read_masking(["1=hash"], key=b"other"))
    assert third["account"] != expected


def test_a_dropped_field_is_removed_with_its_length():
    masking = read_masking(["96=drop", "Password=drop"])
    (row,), _ = rows(encode(LOGON), masking=masking)
    assert orjson.loads(row["fields"]) == {
        "EncryptMethod": "0", "HeartBtInt": "30", "Username": "***", "NewPassword": "*******",
    }  # fmt: skip
    gone = b"95=8\x0196=" + RAW + b"\x01"
    shown = encode(LOGON).replace(gone, b"").replace(b"554=hunter2\x01", b"")
    assert row["raw"] == shown.replace(SECRET, b"*" * 7).replace(b"joe", b"***")
    assert row["defects"] is None


def test_a_hashed_data_field_has_the_length_of_its_hash():
    (row,), _ = rows(encode(LOGON), masking=read_masking(["96=hash"], key=b"k"))
    fields = orjson.loads(row["fields"])
    assert (fields["RawDataLength"], len(fields["RawData"])) == ("16", 16)


def test_a_masked_number_is_text_in_the_json_alone():
    order = encode([(35, b"D"), *HEAD[1:], (55, b"IBM"), (44, b"12.5")])
    (row,), _ = rows(order, masking=read_masking(["Price"]))
    assert (row["price"], row["defects"], row["masked"]) == (None, None, "44")
    assert orjson.loads(row["fields"]) == {"Price": "****"}


def test_fields_kept_by_name_are_not_masked():
    kept = read_masking(["553=keep", "Password=keep", "925=keep", "RawData=keep"])
    (row,), _ = rows(encode(LOGON), masking=kept)
    assert (row["masked"], row["raw"]) == (None, encode(LOGON))


def test_unmasked_masks_nothing():
    (row,), _ = rows(encode(LOGON), masking=UNMASKED)
    assert (row["masked"], row["raw"]) == (None, encode(LOGON))


def test_a_masking_adds_to_the_default_one():
    assert Masking({}) == DEFAULT
    order = encode([*LOGON, (1, b"ACC77")])
    (row,), _ = rows(order, masking=Masking({1: "drop"}))
    assert (row["masked"], row["account"]) == ("1,96,553,554,925", None)
    (row,), _ = rows(order, masking=Masking({554: "keep"}))
    assert (row["masked"], SECRET in row["raw"]) == ("96,553,925", True)


@pytest.mark.parametrize(
    ("how", "answer"),
    [
        ({1: "hide"}, "mask of 1 is 'hide', expected mask, hash, drop, keep"),
        ({35: "mask"}, "35 cannot be masked: without it no message can be read"),
        ({1: "hash"}, "hashes of 1 want a key"),
    ],
)
def test_an_invalid_masking_is_refused(how, answer):
    with pytest.raises(MaskingError) as raised:
        Masking(how)
    assert str(raised.value) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Passwort", "mask is 'Passwort': there is no field 'Passwort'; did you mean Password?"),
        ("554=hide", "mask is '554=hide': 'hide' is none of mask, hash, drop, keep"),
        ("MsgType", "mask is 'MsgType': without MsgType a message cannot be read"),
        ("453", "mask is '453': 453 counts a group; mask its members"),
        ("1=hash", "mask is '1=hash': hashes want a key, see --mask-key-file"),
    ],
)
def test_an_invalid_mask_option_is_answered(text, answer):
    with pytest.raises(MaskingError) as raised:
        read_masking([text])
    assert str(raised.value) == answer


def test_a_mask_may_name_fields_of_a_counterparty():
    masking = read_masking(["Desk=drop", "limitpx"], own_names={5001: "Desk", 44: "LimitPx"})
    assert (masking.how[5001], masking.how[44]) == ("drop", "mask")
    with pytest.raises(MaskingError, match="did you mean Desk"):
        read_masking(["Deskk"], own_names={5001: "Desk"})


def test_maskings_that_mask_alike_are_equal():
    assert read_masking(()) == DEFAULT
    assert read_masking(["1=hash"], key=b"a") != read_masking(["1=hash"], key=b"b")
    assert b"key" not in read_masking(["1=hash"], key=b"key").digest.encode()


@pytest.mark.parametrize("vectorised", [False, True])
def test_a_masked_message_keeps_its_delimiter(vectorised):
    logon = encode([(35, b"A"), (49, b"A"), (56, b"B"), (553, b"ann"), (554, b"secret")])
    hidden = logon.replace(b"ann", b"***").replace(b"secret", b"******")
    for came in ([logon] * 30, [logon, logon.replace(b"\x01", b"^A")] * 15):
        block = Block("file:x", 0, b"\n".join(came) + b"\n", layout=b"^A")
        batch = parse_block(block, vectorised=vectorised)
        expected = [hidden if b"\x01" in one else hidden.replace(b"\x01", b"^A") for one in came]
        assert batch.messages["raw"].to_pylist() == expected
