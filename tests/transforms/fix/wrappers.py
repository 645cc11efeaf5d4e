"""Lines that hold a message inside: JSON of container logs and loggers, CSV, syslog, Python."""

import csv
import io
import json
import random


def docker(message):
    return json.dumps(
        {"log": f"IN {message}\n", "stream": "stdout", "time": "2025-03-04T10:11:12Z"}
    )


def serilog(message):
    rendered = {"@t": "2025-03-04T10:11:12Z", "@mt": "{Direction} {Raw}", "Raw": message, "n": 1}
    return json.dumps(rendered, ensure_ascii=False)


def elastic(message):
    return json.dumps({"@timestamp": "2025-03-04", "message": message, "tags": ["fix"]})


def compact(message):
    return json.dumps(["x", message], separators=(",", ":"))


def serilog_in_docker(message):
    return docker(serilog(message))


def cell(message):
    target = io.StringIO()
    csv.writer(target, quoting=csv.QUOTE_ALL, lineterminator="").writerow([message, "after", 1])
    return target.getvalue()


def later_cell(message):
    target = io.StringIO()
    csv.writer(target, lineterminator="", delimiter=";").writerow([7, f"{message}", "a b"])
    return target.getvalue()


def syslog(message):
    return f"<134>Mar  4 10:11:12 host fix[7]: {message}"


def printed(message):
    return f"received {message.encode()!r} from peer"


WRAPPERS = (docker, serilog, serilog_in_docker, elastic, compact, cell, later_cell, syslog, printed)


def wrapped_log(rng: random.Random, log: bytes) -> bytes:
    """Return a log whose lines, but for some, are wrapped in one of these ways."""
    wrap = rng.choice(WRAPPERS)
    lines = [
        wrap(line.decode("latin-1")).encode() if rng.random() < 0.9 else line
        for line in log.split(b"\n")
    ]
    return b"\n".join(lines)
