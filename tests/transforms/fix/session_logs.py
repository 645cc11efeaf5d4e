"""Logs of FIXT.1.1 sessions with Logons of several versions, and the version of each message."""

from fixfeed.transforms.fix.framing.messages import spans
from fixfeed.transforms.fix.framing.original import single_byte
from fixfeed.transforms.fix.scalar.fields import split_fields
from tests.transforms.fix.messages import encode, mutate, random_fields

IDS = (b"A", b"BROKER1", b"EXCH", b"caf\xe9", b"caf\xc3\xa9")


def logon(sender=b"A", target=b"B", version=b"9", *more, begin="FIXT.1.1", delimiter=b"\x01"):
    fields = [(35, b"A"), (34, b"1"), (49, sender), (56, target), (98, b"0"), *more]
    return encode([*fields, (1137, version)], begin, delimiter)


def order(sender=b"A", target=b"B", *more, delimiter=b"\x01"):
    return encode([(35, b"D"), (49, sender), (56, target), *more], "FIXT.1.1", delimiter)


def random_session_log(rng, messages, delimiter, mutated=0.05):
    end = rng.choice([b"\n", b"\r\n", b"", b"\r"])
    prefix = rng.choice([b"", b"2025-01-02 09:30:00 IN "])
    parts = []
    for number in range(messages):
        sender, target = rng.sample(IDS, 2)
        version = rng.choice([b"6", b"7", b"9", b"9", b"77"])
        if rng.random() < 0.3:
            message = logon(sender, target, version, delimiter=delimiter)
        elif rng.random() < 0.1:
            inner = rng.choice([b"", b"\n"]) + logon(sender, target, version, delimiter=delimiter)
            more = (95, b"%d" % len(inner)), (96, inner)
            message = order(sender, target, *more, delimiter=delimiter)
        else:
            fields = random_fields(rng, number)
            message = encode(fields, rng.choice(["FIX.4.4", "FIXT.1.1"]), delimiter)
        if rng.random() < mutated:
            message = mutate(rng, message)
        parts.append(prefix + message + end)
    return b"".join(parts)


def heard(data, delimiter):
    """The version of each message's session, by position, read from the beginning."""
    holds = {}
    result = {}
    for start, fields, by_tag in read(data, delimiter):
        sender, target, version = (by_tag.get(tag, b"") for tag in (b"49", b"56", b"1137"))
        names = [f"{text(sender)}->{text(target)}", f"{text(target)}->{text(sender)}"]
        is_logon = fields[0][:2] == (b"8", b"FIXT.1.1") and by_tag.get(b"35") == b"A"
        is_logon = is_logon and len(fields) > 1 and fields[1].tag in (b"9", b"35")
        if is_logon and sender and target and version in (b"3", b"6", b"7", b"9"):
            holds |= dict.fromkeys(names, version.decode())
        result[start] = holds.get(names[0])
    return result


def text(value):
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def heard_in(blocks):
    """The version of each message's session, from the blocks."""
    result = {}
    for block in blocks:
        for start, _, by_tag in read(block.data, block.layout):
            name = f"{text(by_tag.get(b'49', b''))}->{text(by_tag.get(b'56', b''))}"
            result[block.start + start] = block.context.get(name)
    return result


def read(data, delimiter):
    for span in spans(data, delimiter):
        own = span.delimiter if len(span.delimiter) == 1 else b"\x01"
        fields, _ = split_fields(single_byte(data[span.start : span.end], span.delimiter), own)
        yield span.start, fields, {field.tag: field.value for field in reversed(fields)}
