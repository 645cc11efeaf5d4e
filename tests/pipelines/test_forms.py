"""Logs in every common form are stored as the same messages by every sink."""

import codecs
import io
import json
import zipfile

import pandas
import pytest

from fixfeed.pipelines.run import main
from tests.transforms.fix.messages import encode

ORDERS = [
    encode([(35, b"D"), (49, b"A"), (56, b"B"), (34, b"%d" % n), (11, b"C%d" % n), (58, b'a "b"')])
    for n in range(60)
]


def docker():
    lines = [json.dumps({"log": f"IN {one.decode()}\n", "stream": "stdout"}) for one in ORDERS]
    return "\n".join(lines).encode() + b"\n"


def cells():
    texts = [one.replace(b"\x01", b"|").decode().replace('"', '""') for one in ORDERS]
    return "".join(f'"{text}",2025-01-02,{n}\r\n' for n, text in enumerate(texts)).encode()


def utf_16():
    return codecs.BOM_UTF16_LE + b"\r\n".join(ORDERS).decode().encode("utf-16-le")


def zipped():
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("a.log", b"\n".join(ORDERS[:20]))
        archive.writestr("b.log", b"\n".join(ORDERS[20:]))
    return target.getvalue()


FORMS = {
    "docker": docker,
    "cells": cells,
    "utf_16": utf_16,
    "zip": zipped,
    "cr": lambda: b"\r".join([*ORDERS, b""]),
    "cr_lf_cut": lambda: b"\r\n".join(ORDERS) + b"\r",
    "spelled": lambda: b"\n".join(ORDERS).replace(b"\x01", b"\\x01"),
    "words": lambda: b"\n".join(ORDERS).replace(b"\x01", b"<SOH>"),
    "tabs": lambda: b"\n".join(ORDERS).replace(b"\x01", b"\t"),
    "closed": lambda: b"".join(b"IN (" + one[:-1] + b")\n" for one in ORDERS),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_log_in_any_form_is_the_same_in_every_sink(tmp_path, form, select, capfd):
    (tmp_path / form).write_bytes(FORMS[form]())
    uri = f"sqlite:///{tmp_path / 'x.db'}"
    outputs = [uri, f"parquet:{tmp_path / 'lake'}", f"jsonl:{tmp_path / 'x.jsonl'}"]
    given = [part for output in outputs for part in ("--output", output)]
    assert main(["--input", str(tmp_path / form), *given, "--json", "--quiet"]) == 0
    summary = json.loads(capfd.readouterr().out)
    for counts in summary["sinks"].values():
        assert (counts["stored"], counts["failed"], counts["defects"]) == (60, {}, {})
        assert counts["skipped"] == 0
    names = "cl_ord_id, msg_seq_num, defects"
    expected = [(f"C{n}", n, None) for n in range(60)]
    assert select(uri, f"select {names} from messages order by message_id") == expected
    lake = pandas.read_parquet(tmp_path / "lake" / "messages").sort_values("message_id")
    assert list(zip(lake["cl_ord_id"], lake["msg_seq_num"], strict=True)) == [
        row[:2] for row in expected
    ]
    lines = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert [line["message"]["Body"] for line in lines] == [
        {"ClOrdID": f"C{n}", "Text": 'a "b"'} for n in range(60)
    ]
    positions = [number & (1 << 40) - 1 for number in lake["message_id"]]
    assert [line["position"] for line in lines] == positions
