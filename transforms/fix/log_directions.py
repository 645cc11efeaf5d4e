"""The words and arrows by which logs tell which way a message went.

Words that a log writes for nothing else (`incoming`, `toApp`, `rcvd`) hold anywhere. `in`, `out`,
`tx` and `rx` hold in a place of their own, not in a sentence ("accepted in book"); `sent` and
`received` not after somebody else ("Client sent", "sent by"); arrows not between two names. Where
both directions are told there is none.
"""

import re
from collections.abc import Iterator

from transforms.fix.dictionary import merged
from transforms.fix.log_times import LEVEL

__all__ = ["TIME_MARK", "direction"]

TIME_MARK = "\0"
"""What stands in place of the time in what `direction` is given."""

_IN, _OUT, _DOUBT = "in", "out", "doubt"
_ANYWHERE = {
    **dict.fromkeys(("incoming", "inbound", "recv", "rcvd", "rcv", "fromapp", "fromadmin"), _IN),
    **dict.fromkeys(("outgoing", "outbound", "snd", "toapp", "toadmin"), _OUT),
}
_VERBS = {
    **dict.fromkeys(("received", "receiving", "receive", "receives"), _IN),
    **dict.fromkeys(("sent", "sending", "send", "sends"), _OUT),
}
_SHORT = {"in": _IN, "rx": _IN, "out": _OUT, "tx": _OUT}
_ARROWS = {
    **dict.fromkeys(("<-", "<--", "<---", "<<", "<<<", "<=", "<==", "←", "⇐"), _IN),
    **dict.fromkeys(("->", "-->", "--->", ">>", ">>>", "=>", "==>", "→", "⇒"), _OUT),
}


def _longest_first(words: dict[str, str]) -> str:
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))


_WORD = re.compile(
    rf"(?<![\w.:/>-])(?:{_longest_first(_ANYWHERE | _VERBS | _SHORT)})(?![\w/-]|\.\w|:[^\s\"'])",
    re.IGNORECASE | re.ASCII,
)
_ARROW = re.compile(rf"(?<![^\s\[(|\0])(?:{_longest_first(_ARROWS)})(?![^\s\])|:])")
# The categories of QuickFIX/J (`quickfixj.msg.incoming`, `q.m.incoming`) and QuickFIX/n.
_CATEGORY = re.compile(
    r"(?<![\w])(?:[\w>:<-]+\.)*(?:msg|messages?|m)\.(incoming|outgoing)(?![\w.-])", re.IGNORECASE
)
_NAME = r"[^\s()\[\]{}<>,|;\"'=]+"
_SESSION = re.compile(rf"{_NAME}(?:->|=>|<->|<-|<=){_NAME}")
# Python's logging writes `INFO:root:` if told nothing.
_LOGGER = re.compile(rf"(?:\A|\0)\s*{LEVEL}:[\w.]*:", re.IGNORECASE)
_AFTER_TIME = re.compile(r"\0(?:[\s:|,;]|-(?![->]))*")
_LAST_WORD = re.compile(r"([^\s\[\](){}<>|,;:\"'=\0]+)\s*\Z")
_NEXT_WORD = re.compile(r"\s*(\w+)")
_KEY = re.compile(r"([\w@.-]+)(?:[\"']\s*[:=]|=)\s*[\"'\[]?\Z")
_MEANT_KEY = re.compile(r"dir|flow|way|msg|mess|log|text|line", re.IGNORECASE)
_LEVEL = re.compile(LEVEL, re.IGNORECASE)
_OF_THE_MESSAGE = frozenset(
    {"message", "messages", "msg", "msgs", "fix", "data", "raw", "order", "orders", "app"}
    | {"application", "admin", "session", "bytes", "request", "response"}
)
_AROUND_VERBS = _OF_THE_MESSAGE | {
    *("the", "was", "is", "been", "be", "being", "just", "now", "new", "successfully", "to"),
    *("last", "next", "first", "when", "while", "before", "after", "on", "error", "and", "then"),
}
_BEFORE_NO_PLACE = frozenset(
    {"log", "sign", "check", "time", "opt", "sell", "sold", "fill", "phase", "run", "find"}
    | {"found", "carry", "pull", "knock", "trade", "roll", "plug", "hand", "pay", "buy", "cash"}
)


def direction(text: str) -> str | None:
    """Return `in` or `out` as the text before a message tells it; None if it is not clear."""
    text = _AFTER_TIME.sub("\0 ", text)
    text = _LOGGER.sub(" ", text)
    text = _CATEGORY.sub(lambda match: f" {match[1]} ", text)
    text = _SESSION.sub(" ", text)
    found = set(_words(text)) or set(_arrows(text))
    return found.pop() if found in ({_IN}, {_OUT}) else None


def _words(text: str) -> Iterator[str]:
    for match in _WORD.finditer(text):
        word = match[0].lower()
        before, after = text[: match.start()], text[match.end() :]
        if word in _ANYWHERE:
            yield _ANYWHERE[word]
        elif word in _VERBS:
            # What somebody else sends, or is not sent, leaves it in doubt.
            yield _VERBS[word] if _is_ours(word, before, after) else _DOUBT
        elif _has_a_place(match[0], before, after):
            yield _SHORT[word]


def _is_ours(word: str, before: str, after: str) -> bool:
    """Tell whether the one who sends or receives is the one who logs."""
    following = _NEXT_WORD.match(after)
    if following and following[1].lower() in ("by", *(("from",) if _VERBS[word] == _OUT else ())):
        return False
    last = _LAST_WORD.search(before)
    if not last or not last[1].isalpha() or last[1].lower() in _AROUND_VERBS:
        return True
    return bool(_LEVEL.fullmatch(last[1])) or last[1] in _message_names()


def _has_a_place(word: str, before: str, after: str) -> bool:
    """Tell whether a short word stands in a place of its own."""
    key = _KEY.search(before)
    if key:
        return _MEANT_KEY.search(key[1]) is not None
    last, following = _LAST_WORD.search(before), _NEXT_WORD.match(after)
    begins = not last or not last[1].isalpha() or bool(_LEVEL.fullmatch(last[1]))
    ends = not following or following[1].lower() in _OF_THE_MESSAGE
    if begins and ends:
        return True
    if not word.isupper() or (following and following[1].lower() in ("of", "the", "a")):
        return False
    # In capitals it may have a name before it, or after it.
    name = last[1].lower() if last and not begins else ""
    if name.endswith(("ed", "ing")) or name in _BEFORE_NO_PLACE:
        return False
    return ends or (begins and bool(following and not following[1].islower()))


def _arrows(text: str) -> Iterator[str]:
    for match in _ARROW.finditer(text):
        last = _LAST_WORD.search(text[: match.start()])
        if not last or _LEVEL.fullmatch(last[1]) or not any(map(str.isalnum, last[1])):
            yield _ARROWS[match[0]]


def _message_names() -> frozenset[str]:
    return frozenset(merged().message_types.values())
