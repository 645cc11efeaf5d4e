"""What a URI of Kafka names: brokers, topics, our own parameters and librdkafka's properties.

    kafka://host:9092,other:9092/fix.raw?group=fixfeed&security.protocol=SASL_SSL

A parameter with a dot in its name is a property of librdkafka (its CONFIGURATION.md lists them).
`properties=FILE` names a file with more of them, one `name=value` a line, as kcat's `-F` takes.
Properties of several URIs may be given beside them; what a URI says itself counts more.
In a value `${env:NAME}` is a variable of the environment and `${file:PATH}` the content of a file
without its line end, so that no password has to be in a URI, a configuration or a list of
processes.
"""

import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from fixfeed.io.redaction import is_secret_property, redact
from fixfeed.transforms.nearest import did_you_mean

__all__ = ["Address", "about_property", "check_topic", "read_uri"]

_URI = re.compile(
    r"kafka://(?P<servers>[^/?]*)(?:/(?P<topics>.*?))?(?:\?(?P<query>(?:[\w.-]+=|[\w.-]+$).*))?",
    re.DOTALL,
)
_SERVER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(:[0-9]{1,5})?")
_LONGEST = 249  # characters of the name of a topic
_TOPIC = re.compile(rf"[a-zA-Z0-9._-]{{1,{_LONGEST}}}")
_IN_PATTERNS = re.compile(r"[*+|\[($]")
_NAME = re.compile(r"[\w.-]+")
_REFERENCE = re.compile(r"\$\{(env|file):([^}]*)\}")
_FILE = "properties"
_SERVERS = {"bootstrap.servers", "metadata.broker.list"}
_KNOWN = (
    "client.id",
    "enable.ssl.certificate.verification",
    "sasl.mechanism",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.endpoint.identification.algorithm",
    "ssl.key.location",
    "ssl.key.password",
)
"""The properties that most people need, to tell which of them is meant by another word."""
_PROTOCOL = "security.protocol"
_MECHANISM = re.compile(r"Unsupported SASL mechanism: (\S+)")
_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")
_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")


@dataclass(frozen=True)
class Address:
    """What a URI names.

    `servers` are the brokers to ask first, as librdkafka wants them, and `topics` the topics in
    their order. `own` are the values of our own parameters, by word, and `properties` those of
    librdkafka, with passwords in them, which no `repr` shows. `shown` is for people: the URI
    without parameters. `doubtful` are names of properties that may be the rest of a password.
    """

    shown: str
    servers: str
    topics: tuple[str, ...]
    own: Mapping[str, str]
    properties: Mapping[str, str] = field(repr=False)
    doubtful: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def client(self) -> dict[str, str]:
        """The properties of any client at these brokers."""
        return {"client.id": "fixfeed", **self.properties, "bootstrap.servers": self.servers}


def read_uri(
    uri: str,
    *,
    own: Collection[str],
    ours: Mapping[str, str],
    properties: Sequence[str] = (),
    others: Collection[str] = (),
) -> Address:
    """Return what a URI names; nothing is connected.

    `own` are the words of our own parameters. `ours` are the properties that fixfeed sets itself,
    each with a text that says what to do instead. `properties` are `NAME=VALUE`, and hold unless
    the URI, or the file that it names, says otherwise. `others` are the words of outputs, if the
    URI is of an input.

    Raises `ValueError`, without any password, for a URI, file or reference that cannot be read.

    >>> address = read_uri("kafka://a:9092/fix.raw,fix.drop?group=g", own=["group"], ours={})
    >>> address.servers, address.topics, address.own
    ('a:9092', ('fix.raw', 'fix.drop'), {'group': 'g'})
    """
    shown = redact(uri)
    found = _URI.fullmatch(uri)
    servers = found["servers"] if found else ""
    if found is None or not all(map(_is_server, servers.split(","))):
        users = " and the user with sasl.username=USER" if "@" in servers else ""
        raise ValueError(
            f"{shown!r} names no brokers: write them as in kafka://host:9092/topic, several with "
            f"commas between{users}"
        )
    topics = tuple(unquote(one) for one in (found["topics"] or "").split(","))
    if not all(topics):
        raise ValueError(f"{shown!r} names no topic: write kafka://{servers}/TOPIC")
    try:
        for topic in topics:
            if not topic.startswith("^"):
                if "?" in topic:
                    raise _no_parameter(1)
                _check_named(topic, topics)
        given = _parameters(found["query"] or "", own, others)
        merged = _pairs(properties)
        if _FILE in given:
            merged |= _from_file(given[_FILE])
        merged |= {name: value for name, value in given.items() if name not in (*own, _FILE)}
        for name in _SERVERS & merged.keys():
            if _resolved(name, merged.pop(name)) != servers:
                raise ValueError(
                    f"{name} names other brokers than the URI: name them in the URI alone, before "
                    "the topic"
                )
        for name in merged:
            if name in ours:
                raise ValueError(f"fixfeed sets {name} itself; {ours[name]}")
        resolved = {name: _resolved(name, value) for name, value in merged.items()}
        for name, value in resolved.items():
            if name.startswith("ssl.") and name.endswith(".location") and value != "probe":
                _check_readable(name, value)
    except ValueError as error:
        raise ValueError(f"{shown!r}: {error}") from None
    words = {word: given[word] for word in own if word in given}
    place = f"kafka://{servers}/{found['topics']}"
    return Address(place, servers, topics, words, resolved, _doubtful(given, own))


def check_topic(name: str) -> str:
    """Return the name of a topic; `ValueError` if Kafka has no topics of such a name.

    >>> check_topic("fix/messages")
    Traceback (most recent call last):
    ValueError: 'fix/messages' is no name of a topic: it has letters, digits, '.', '_' and '-' alone
    """
    if not _TOPIC.fullmatch(name) or name in (".", ".."):
        if len(name) > _LONGEST:
            raise ValueError(f"the name of a topic has {_LONGEST} characters at most: {name!r}")
        hint = f"; a pattern begins with ^, as in ^{name}" if _IN_PATTERNS.search(name) else ""
        raise ValueError(
            f"{name!r} is no name of a topic: it has letters, digits, '.', '_' and '-' alone{hint}"
        )
    return name


def _check_named(topic: str, topics: Sequence[str]) -> None:
    try:
        check_topic(topic)
    except ValueError as error:
        if any(one.startswith("^") for one in topics):
            raise ValueError(
                f"{error}; commas part names and patterns, write %2C for one within a pattern"
            ) from None
        raise


def _is_server(text: str) -> bool:
    found = _SERVER.fullmatch(text)
    return found is not None and 0 < int((found[2] or ":9092")[1:]) < 1 << 16


def _parameters(query: str, own: Collection[str], others: Collection[str]) -> dict[str, str]:
    given: dict[str, str] = {}
    words = [*own, _FILE]
    secret = ""
    for part in filter(None, query.split("&")):
        word, _, text = part.partition("=")
        if secret and word not in (*words, *_KNOWN) and ("." not in word or not text):
            raise ValueError(_after_secret(secret))
        if not _NAME.fullmatch(word):  # which may be a password
            raise _no_parameter(len(given) + 1)
        if "." not in word and word not in words:
            if word in others:
                raise ValueError(f"{word} is a parameter of outputs, and this is an input")
            hint = did_you_mean(word, [*words, *_KNOWN]) or (
                f", expected {' or '.join(words)}, or a property of librdkafka by its name"
            )
            raise ValueError(f"kafka has no parameter {word!r}{hint}")
        if word in given:
            raise ValueError(f"{word} is given twice")
        if not text:
            raise ValueError(f"{word} has no value")
        given[word] = unquote(text)
        secret = word if is_secret_property(word) else secret
    return given


def _doubtful(given: Mapping[str, str], own: Collection[str]) -> frozenset[str]:
    """Return the names that come after that of a secret, and are none that people know."""
    names = list(given)
    first = next((at for at, name in enumerate(names) if is_secret_property(name)), len(names))
    return frozenset(names[first + 1 :]).difference(own, _KNOWN, [_FILE])


def _after_secret(name: str) -> str:
    return (
        f"what comes after {name} is no parameter; if it belongs to the value, write & as %26, or "
        f"have {name} in a file or the environment, as in {name}=${{env:NAME}}"
    )


def _no_parameter(number: int) -> ValueError:
    return ValueError(f"parameter {number} is no NAME=VALUE, as in security.protocol=SASL_SSL")


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    """Return properties by name; the errors show no value, which may be a password."""
    pairs: dict[str, str] = {}
    for number, text in enumerate(texts, 1):
        name, _, value = (part.strip() for part in text.partition("="))
        if not _NAME.fullmatch(name) or not value:
            raise ValueError(
                f"number {number} of kafka-property is no NAME=VALUE, as in "
                "security.protocol=SASL_SSL"
            )
        if name in pairs:
            raise ValueError(f"kafka-property has {name} twice")
        pairs[name] = value
    return pairs


def _from_file(path: str) -> dict[str, str]:
    properties = {}
    for number, line in enumerate(_content(path).splitlines(), 1):
        text = line.strip()
        if text and not text.startswith("#"):
            name, equals, value = text.partition("=")
            if not equals or not _NAME.fullmatch(name.strip()):
                raise ValueError(f"line {number} of {path} is no name=value")
            properties[name.strip()] = value.strip()
    return properties


def _resolved(name: str, value: str) -> str:
    def referred(reference: re.Match[str]) -> str:
        kind, place = reference.groups()
        if kind == "file":
            try:
                return _content(place).rstrip("\r\n")
            except ValueError as error:
                raise ValueError(f"{name} is in a file that cannot be read: {error}") from None
        if place not in os.environ:
            raise ValueError(f"{name} is in {place}, which the environment does not have")
        return os.environ[place]

    return _REFERENCE.sub(referred, value)


def _content(path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no text") from None


def _check_readable(name: str, path: str) -> None:
    """Raise `ValueError` if a file of keys or certificates, or a folder, cannot be read."""
    try:
        if not Path(path).is_dir():
            with open(path, "rb"):
                pass
    except OSError as error:
        # A key itself may be there, in place of its file.
        shown = f" {path!r}" if "-----" not in path else ""
        raise ValueError(f"{name} is no file that can be read{shown}: {error.strerror}") from None


def about_property(text: str, doubtful: Collection[str] = ()) -> str:
    """Return librdkafka's text about a property that is wrong, with what was meant.

    >>> about_property('No such configuration property: "sasl.mechansim"')
    'No such configuration property: "sasl.mechansim"; did you mean sasl.mechanism?'
    """
    if text.endswith(f'property "{_PROTOCOL}"'):
        return f"{text}; expected one of {', '.join(_PROTOCOLS)}"
    if found := _MECHANISM.search(text):
        near = did_you_mean(found[1], _MECHANISMS)
        return f"{text}{near}" if near else f"{text}; expected one of {', '.join(_MECHANISMS)}"
    name = re.search(r'"([^"]+)"', text)
    if name and name[1] in doubtful:
        return _after_secret("a password")
    return text + (did_you_mean(name[1], _KNOWN) if name else "")
