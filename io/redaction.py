"""Takes passwords out of texts that name a place: URIs and DSNs, malformed ones too.

`redact` is for a text that is one URI (or DSN, or path), `redact_text` for a text that may hold
some (an error, a traceback, a log of workers). Both leave redacted parts as they are. If it is
unclear what belongs to the password, they hide too much rather than too little.
"""

import re
from urllib.parse import unquote

__all__ = [
    "is_secret_property",
    "redact",
    "redact_path",
    "redact_property",
    "redact_text",
    "without_secrets",
]

_HIDDEN = "***"

_SECRET_WORDS = re.compile(
    r"passw|pwd|passphrase|secret|token|signature|credential|(?:api|access|account|shared)_?key|key\.pem",
    re.IGNORECASE,
)
_SECRET_NAMES = ("pass", "sig", "pw")
# Of Kafka's properties, whose names have dots, these alone may be shown: a password may be in any
# other one, as in `sasl.pasword` or `sasl.jaas.config`.
_OPEN_PROPERTIES = re.compile(
    r"(?:batch|broker|check|client|compression|connections|delivery|enable|fetch|heartbeat"
    r"|isolation|linger|max|message|metadata|queue|queued|receive|reconnect|request|retry|session"
    r"|socket|statistics|sticky|topic|transaction|transactional)\.[a-z.]+"
    r"|security\.protocol|sasl\.(?:mechanisms?|username|kerberos\.(?:keytab|principal|service\.name))"
    r"|sasl\.oauthbearer\.(?:method|scope|client\.id)"
    r"|ssl\.(?:(?:ca|certificate|crl|key|keystore)\.location|endpoint\.identification\.algorithm)"
    r"|ssl\.(?:cipher\.suites|curves\.list|sigalgs\.list)"
)
# What may follow a secret in a URI of Kafka: other properties, and our own parameters.
_COMES_AFTER_SECRETS = re.compile(
    _OPEN_PROPERTIES.pattern + r"|sasl\.(?:password|jaas\.config|oauthbearer\.[a-z.]+)"
    r"|ssl\.(?:key|keystore|truststore)\.password|ssl\.(?:ca|certificate|key)\.pem"
    r"|group|from|properties|key|format|topics|failures|create|partitions|transactions"
)
# A name and its value: up to `&` or a blank before the next name, or in single quotes as in libpq.
# An error's own closing quote does not end a value; it is hidden too.
_PAIR = re.compile(
    r"(?P<name>[\w.%+-]+)(?P<equals>[ \t]*=[ \t]*)"
    r"(?P<value>'(?:[^'\\]|\\.)*(?:'|\Z)|(?:(?!&[\w.%+-]+=|\s+[\w.%+-]+\s*=).)*)",
    re.DOTALL,
)
# A parameter of Kafka's with another sign than `=` after its name, as in `sasl.password:hunter2`.
# Patterns of topics have question marks, too, and seldom what people write in place of `=`.
_MISWRITTEN = re.compile(r"(?<=[?&])([\w.%-]*)([^\w.%&=-][^&]*)(?=&|\Z)")
_AFTER_PATTERN = re.compile(r"(?<=[?&])([\w.%-]*[A-Za-z][\w.%-]*)([:;@\s][^&]*)(?=&|\Z)")
# `scheme://`, or the rest of it if it is mistyped, and the user before a password.
_BEGIN = re.compile(
    r"(?:[A-Za-z]+:)?[A-Za-z][\w+.-]*://+|[A-Za-z][\w+.-]*:/*|[A-Za-z][\w+.-]*//+|:?/{2,}"
)
_KEY_VALUE = re.compile(r"\s*\w+\s*=")
# Says where a secret is, and is none: see `io.kafka.address`.
_REFERENCE = re.compile(r"\$\{(?:env|file):[^{}\s&]+\}")
_PROPERTY_ELSEWHERE = re.compile(rf"[\w.]+={_REFERENCE.pattern}[,.;:)]?")
_BRACKETED = re.compile(r"\[[^\]@\s]*\]")
_PORT = re.compile(r"[0-9]{1,5}(?:[/,][^@?]*)?(?:\?[\w.%+-]+=|\Z)", re.DOTALL)
# In a text a URI ends at a blank or at the quote that it began with.
_PLACE = re.compile(
    r"'(?=[\w+.-]*[:/=])[^'\n]*'|\"(?=[\w+.-]*[:/=])[^\"\n]*\"|[^\s'\"]*[/=@][^\s'\"]*"
)
_QUOTED = re.compile(r"\"([^\"]*)\"|'([^']*)'|“([^”]*)”")


def redact(uri: str) -> str:
    """Return a URI, DSN or path without any passwords in it.

    Passwords are the text after a user up to the last `@`, and the values of parameters with a
    secret's name (`password`, `sslpassword`, `token` ..., not `passfile`), each replaced by `***`;
    with Kafka, of any property that is not known to have none.
    """
    return _without_parameters(_without_userinfo(uri))


def redact_path(path: str) -> str:
    """Return the path or URL of an existing file without any passwords in it.

    A path without a scheme stays as it is: names such as `10:30@host.log` must stay distinct.
    """
    return redact(path) if ":/" in path else path


def redact_property(text: str) -> str:
    """Return a property of librdkafka, `NAME=VALUE`, hiding a value that may be a secret.

    >>> redact_property("sasl.pasword=hunter2"), redact_property("security.protocol=SASL_SSL")
    ('sasl.pasword=***', 'security.protocol=SASL_SSL')
    """
    name, _, value = text.partition("=")
    open_ = _OPEN_PROPERTIES.fullmatch(name.strip().lower())
    return text if open_ and not _is_secret(name) else f"{name}={_HIDDEN}" if value else _HIDDEN


def is_secret_property(name: str) -> bool:
    """Return whether a parameter of Kafka, maybe misspelt, is none of those without a secret.

    >>> is_secret_property("sasl.pasword"), is_secret_property("sasl.username")
    (True, False)
    """
    return _is_secret(name) or ("." in name and not _OPEN_PROPERTIES.fullmatch(name.lower()))


def redact_text(text: str) -> str:
    """Return a text with all its URIs and DSNs redacted, each read up to a blank or quote."""
    return _PLACE.sub(_redact_place, text)


def _redact_place(match: re.Match[str]) -> str:
    place = match[0]
    if place[0] in "'\"" and place[-1] == place[0] and len(place) > 1:
        return f"{place[0]}{redact(place[1:-1])}{place[0]}"
    if _PROPERTY_ELSEWHERE.fullmatch(place):
        return place
    # Without a scheme, a colon and `@` in a text are seldom a password.
    begin = _BEGIN.search(place)
    if not begin:
        return _without_parameters(place)
    return _without_parameters(place[: begin.start()]) + redact(place[begin.start() :])


def without_secrets(message: str, uri: str) -> str:
    """Return a driver's message about `uri` without parts of the URI that `redact` hides.

    Drivers quote what they took for the host, the port or a parameter. In a malformed URI that may
    be part of the password.
    """
    shown = redact(uri)
    known, seen = (uri, unquote(uri)), (shown, unquote(shown))

    def hidden(match: re.Match[str]) -> str:
        quoted = match[1] or match[2] or match[3] or ""
        is_secret = any(quoted in text for text in known) and not any(quoted in t for t in seen)
        return match[0].replace(quoted, _HIDDEN) if quoted and is_secret else match[0]

    for text in known:
        message = message.replace(text, shown)
    return redact_text(_QUOTED.sub(hidden, message))


def _without_userinfo(uri: str) -> str:
    last = uri.rfind("@")
    if last < 0:
        return uri
    begin = _BEGIN.match(uri)
    start = begin.end() if begin else 0
    if not begin and _KEY_VALUE.match(uri):
        return uri
    skipped = {
        place for found in _BRACKETED.finditer(uri) for place in range(found.start(), found.end())
    }
    query = uri.find("?")
    for at in range(start, last):
        if uri[at] != ":" or at in skipped or _PORT.match(uri, at + 1):
            continue
        if 0 <= query < at:
            # A user has no question mark; `?options=a:b@c` is a parameter.
            return uri
        return f"{uri[: at + 1]}{_HIDDEN}{uri[last:]}"
    if begin and begin[0].endswith(":") and "/" not in uri[start:last]:
        # `user:password@host` has no scheme: what was taken for one is the user.
        return uri if _is_scheme(begin[0]) else f"{begin[0]}{_HIDDEN}{uri[last:]}"
    return uri


def _is_scheme(text: str) -> bool:
    return text.rstrip(":/").lower() in ("postgresql", "postgres", "sqlite", "parquet", "jsonl")


def _without_parameters(text: str) -> str:
    pieces, at, hidden = [], 0, False
    kafka = text.lower().startswith("kafka:")
    if kafka:
        miswritten = _AFTER_PATTERN if "^" in text else _MISWRITTEN
        text = miswritten.sub(rf"\1{_HIDDEN}", text)
    while match := _PAIR.search(text, at):
        name = unquote(match["name"])
        if kafka and hidden and not _COMES_AFTER_SECRETS.fullmatch(name.lower()):
            at = match.end()  # more likely it belongs to the secret, which has `&` in it
            continue
        is_key = "-----BEGIN" in match["value"]
        if _is_secret(name) or (kafka and (is_key or is_secret_property(name))):
            hidden = True
            shown = match["value"] if _REFERENCE.fullmatch(match["value"]) else _HIDDEN
            pieces += [text[at : match.start("value")], shown if match["value"] else ""]
            at = match.end()
        else:
            # The next parameter may be inside what was matched as this one's value.
            pieces.append(text[at : match.start("value")])
            at = match.start("value")
    return "".join([*pieces, text[at:]])


def _is_secret(name: str) -> bool:
    if name.lower() in _SECRET_NAMES:
        return True
    return bool(_SECRET_WORDS.search(name)) and not name.lower().endswith(("file", "fileid"))
