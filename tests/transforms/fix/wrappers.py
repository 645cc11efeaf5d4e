"""Lines with a message inside: JSON of container logs and loggers, CSV, syslog, Python."""

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


def html_safe(message):
    """As Gson writes it by default."""
    text = json.dumps({"msg": message, "level": "INFO"})
    for character in "=<>&'":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def html_safe_in_docker(message):
    return docker(html_safe(message))


def all_escaped(message):
    return '{"msg":"' + "".join(f"\\u{ord(one):04X}" for one in _units(message)) + '"}'


def _units(message):
    """Return the characters of a text, each one above U+FFFF as two."""
    octets = message.encode("utf-16-be")
    return [chr(int.from_bytes(octets[at : at + 2])) for at in range(0, len(octets), 2)]


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


def json_in_a_cell(message):
    return cell(docker(message))


def serilog_in_docker_in_a_cell(message):
    return cell(serilog_in_docker(message))


def cell_in_docker(message):
    return docker(cell(message))


def printed_in_docker(message):
    return docker(printed(message))


def printed_in_a_cell(message):
    return cell(printed(message))


def thrice_in_docker(message):
    return docker(docker(docker(message)))


NESTED = (
    *(json_in_a_cell, serilog_in_docker_in_a_cell, cell_in_docker, printed_in_docker),
    *(printed_in_a_cell, thrice_in_docker),
)
WRAPPERS = (
    *(docker, serilog, serilog_in_docker, elastic, compact, cell, later_cell, syslog, printed),
    *(html_safe, html_safe_in_docker, all_escaped, *NESTED),
)


def wrapped_log(rng: random.Random, log: bytes) -> bytes:
    """Return a log, most of whose lines are wrapped in one of these ways."""
    wrap = rng.choice(WRAPPERS)
    lines = [
        wrap(line.decode("latin-1")).encode() if rng.random() < 0.9 else line
        for line in log.split(b"\n")
    ]
    return b"\n".join(lines)
