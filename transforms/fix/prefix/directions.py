"""The words and arrows with which logs show which way a message went.

Words that a log writes for nothing else (`incoming`, `toApp`, `rcvd`) hold anywhere but in a path.
`in`, `out`, `tx` and `rx` hold in a place of their own: between separators, in a column, followed
by the message. `sent` and `received` do not hold if somebody else did it ("Client sent", "sent
by"), nor do arrows between two names. Words about what did not happen, or not now ("failed to
send", "to be sent", "last sent"), or about another message ("reject for outgoing") leave the
direction in doubt, and so do words for both directions. A word with a value that denies it or
counts (`sent=false`, `rx=3`) is ignored.
"""

import re
from collections.abc import Iterator

from fixfeed.transforms.fix.dictionary.union import merged
from fixfeed.transforms.fix.prefix.times import LEVEL, MONTH

__all__ = ["TIME_MARK", "direction"]

TIME_MARK = "\0"
"""Takes the place of the time in the text that `direction` reads."""

_IN, _OUT, _DOUBT = "in", "out", "doubt"
_CALLBACKS = {
    **dict.fromkeys(("fromapp", "fromadmin", "from_app", "from_admin"), _IN),
    **dict.fromkeys(("toapp", "toadmin", "to_app", "to_admin"), _OUT),
}
"""The callbacks of QuickFIX's applications."""
_ANYWHERE = {
    **_CALLBACKS,
    **dict.fromkeys(("incoming", "inbound", "recv", "rcvd", "rcv"), _IN),
    **dict.fromkeys(("outgoing", "outbound", "snd"), _OUT),
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
    rf"(?<![\w.:/\\>-])(?:{_longest_first(_ANYWHERE | _VERBS | _SHORT)})"
    r"(?![\w/-]|\\[^\"']|\.\w|:[^\s\"'])",
    re.IGNORECASE | re.ASCII,
)
_ARROW = re.compile(rf"(?<![^\s\[(|\0])(?:{_longest_first(_ARROWS)})(?![^\s\])|:])")
# The categories of QuickFIX/J (`quickfixj.msg.incoming`, `q.m.incoming`) and QuickFIX/n.
_CATEGORY = re.compile(
    r"(?<![\w])(?:[\w>:<-]+\.)*(?:msg|messages?|m)\.(incoming|outgoing)(?![\w.-])", re.IGNORECASE
)
# A method or logger of a class: `MyApp.toApp()`, `FIX::Application::toApp`, `Acceptor.incoming`.
_QUALIFIED = re.compile(
    r"(?<![\w./\\:>-])(?:[a-z_]\w*(?:\.|::|#))*(?:(?:[A-Z]\w*(?:\.|::|#))+"
    rf"(?P<word>(?i:{_longest_first(_ANYWHERE)}))"
    rf"|(?:\w+(?:\.|::|#))+(?P<callback>(?i:{_longest_first(_CALLBACKS)})))"
    r"(?=(?:\([^()\n]{0,99}\))?(?:[\s\]\[)|\"'=,;\0]|:\s|:?\Z))",
)
_NAME = r"[^\s()\[\]{}<>,|;\"'=]+"
_SESSION = re.compile(rf"{_NAME}(?:->|=>|<->|<-|<=){_NAME}")
# Python's logging writes `INFO:root:` by default.
_LOGGER = re.compile(rf"(?:\A|\0)\s*{LEVEL}:[\w.]*:", re.IGNORECASE)
# The runtimes of containers write the stream, and whether the line is a full one.
_STREAM = re.compile(r"\0\s*(?:stdout|stderr) [FP] ")
_AFTER_TIME = re.compile(r"\0(?:[\s:|,;]|-(?![->]))*")
_LAST_WORD = re.compile(r"([^\s\[\](){}<>|,;:\"'=\0]+)\s*\Z")
_NEXT_WORD = re.compile(r"\s*(\w+)")
_KEY = re.compile(r"([\w@.-]+)(?:[\"'\\]+\s*[:=]|\s*=)\s*[\"'\\\[]*\Z")
_KEY_OF_A_DIRECTION = re.compile(r".*direction|(?:.*[_.-])?(?:dir|flow|way)", re.IGNORECASE)
_KEY_OF_A_TEXT = re.compile(
    r"(?:.*[_.@-])?(?:msg|message|mess|log|text|line)(?:dir)?", re.IGNORECASE
)
_LEVEL = re.compile(LEVEL, re.IGNORECASE)
_DAY_OR_MONTH = re.compile(rf"{MONTH}|Mon|Tue|Wed|Thu|Fri|Sat|Sun", re.IGNORECASE)
_PROBLEM_LEVEL = re.compile(
    r"warn(?:ing)?|err(?:or)?|fatal|critical|severe|wrn|erro", re.IGNORECASE
)
_OF_THE_MESSAGE = frozenset({"message", "messages", "msg", "msgs", "fix"})
_AROUND_VERBS = _OF_THE_MESSAGE | {
    *("data", "raw", "order", "orders", "app", "application", "admin", "session", "bytes"),
    *("request", "response", "the", "was", "is", "been", "being", "just", "now", "new", "we"),
    *("successfully", "first", "when", "while", "after", "and", "then"),
}
_BEFORE_NO_PLACE = frozenset(
    {"log", "sign", "check", "time", "opt", "sell", "sold", "fill", "phase", "run", "find"}
    | {"found", "carry", "pull", "knock", "trade", "roll", "plug", "hand", "pay", "buy", "cash"}
    | {"failure", "fault", "problem", "defect", "gap", "bug", "exception", "mistake", "invalid"}
    | {"bad", "missing", "duplicate", "checksum", "bodylength", "tag", "field", "value", "of"}
    | {"break", "is", "was", "not", "no", "mismatch", "garbage", "change", "lock", "step"}
)
_AFTER_NO_PLACE = frozenset(
    {"of", "the", "a", "an", "order", "response", "reply", "answer", "addition", "case", "progress"}
    | {"use", "sync", "flight", "book", "error", "field", "tag", "seq", "sequence", "reference"}
)
# What separates a word from the text before it, and one statement from another.
_SEPARATOR = re.compile(
    r"[\[\](){}|;<>\"'=\0\t]|(?<![0-9]):|:(?![0-9])|(?<!\S)[-\u2013\u2014*#/~+>]+(?!\S)"
)
_COMMAS = re.compile(r",\s*\Z")
_GROUP = re.compile(r"\[[^\[\]]*\]|\([^()]*\)|\"[^\"]*\"|'[^']*'|<[^<>]*>|\{[^{}]*\}")
_STATEMENT = re.compile(r"[\[\]{}|;\"\0\t]|(?<!\S)[-\u2013\u2014]+(?!\S)|[.!?](?=\s)")
# Words about a message that did not go out or come in, or has not yet.
_DENIAL = re.compile(
    r"(?<![\w.$/\\])(?:no|not|non|never|none|neither|nor|cannot|nothing|\w+n['\u2019]t|without"
    r"|unable|fail(?:s|ed|ing|ures?)?|un(?:sent|delivered|deliverable)|undeliver(?:ed|able)|drop(?:s|ped"
    r"|ping)|discard(?:s|ed|ing)|suppress(?:ed|ing)|skip(?:s|ped|ping)?|ignor(?:e|es|ed|ing)"
    r"|abort(?:ed|ing)?|block(?:ed|ing)|delay(?:ed|ing)|postpon(?:ed|ing)|held|holding|withheld"
    r"|(?:en)?queue[ds]?|(?:en)?queue?ing|pending|await(?:s|ed|ing)?|wait(?:s|ed|ing)?"
    r"|expect(?:s|ed|ing)?|schedul(?:ed|ing)|will|would|should|could|can"
    r"|may(?!\s+[0-9])|might|must|shall|to\s+be"
    r"|about\s+to|try|tries|tried|trying|attempt(?:s|ed|ing)?|unless|if|before|until|instead"
    r"|cancelled|canceled|cancelling|stop(?:ped|ping)?|refus(?:e|ed|es|ing)|den(?:y|ied|ying)"
    r"|prevent(?:s|ed|ing)?|forbidden|disabled|lost|losing|timed?[- ]?out|exceptions?|problems?"
    r"|veto(?:e[ds]|ing)?|threw|throw[sn]?|throwing|do_?not_?send|swallowed"
    r"|buffer(?:ed|ing|s)?|throttl(?:ed?|ing|es)|simulat(?:ed?|ing|es|ion)|mock(?:ed|ing)?"
    r"|dry[- ]?run|defer(?:red|ring|s)?|park(?:ed|ing)|spool(?:ed|ing)|hypothetical(?:ly)?"
    r"|rate[- ]?limited"
    r"|last|previous(?:ly)?|prior|prev|earlier|latest|recently|ago|already|formerly"
    r"|retry(?:ing)?|retrie[sd]|rolled\s+back|bounced|reverted|filtered"
    r"|trouble|unsuccessful(?:ly)?|impossible|too\s+\w+\s+to"
    r"|err(?:or)?\s+(?:(?:while|when|in|on|during|at)\s+)?(?:send(?:ing)?|receiv(?:es?|ing)))(?!\w)",
    re.IGNORECASE,
)
_TO_US = re.compile(r"\s+(?:to|at)\s+(?:us|me|you|our|my|the|your)\b|\s+at\s+[a-z]", re.IGNORECASE)
# `sent=false`, `"received": null`, `rx=3`, `Sent? No.`: a word with such a value is ignored.
_NOTHING = r"(?:false|no|not|none|null|nil|nan|never|off|undefined|n|f)(?!\w)"
_VALUE = re.compile(
    rf"[\"'\\]*\s*(?:\?|\(\s*{_NOTHING}|(?:[:=]+>?|->)\s*[\"'\\\[(]*"
    rf"(?:{_NOTHING}|[+-]?[0-9]+(?:\.[0-9]+)?(?![\w.:-]|/[0-9])))",
    re.IGNORECASE,
)
_COUNT = re.compile(r"(?<![^\s,;=(\[{\"'\0])[0-9]+ \Z")
_PARTICIPLES = frozenset({"sent", "received"})
# `reject for outgoing`: the message shown is the reject.
_OF_ANOTHER = re.compile(
    r"\b(?:for|about|against|regarding|of|to)\s+(?:(?:the|this|that|an?|our|your|its|last|previous)"
    r"\s+)?\Z",
    re.IGNORECASE,
)
# A message that was received may have been rejected; one that is rejected was not sent.
_REJECTED = re.compile(r"(?<![\w.$/\\])reject(?:ed|s|ing)(?!\w)", re.IGNORECASE)
# Something that was received "for" or "in reply to" this message is another one.
_ABOUT_THIS = re.compile(
    r"\b(?:for|to|of|on|about|against|regarding|after|before|than)"
    r"(?:\s+(?:the|this|following|message|request|order))*[\s:=\"'(<\[]*\Z",
    re.IGNORECASE,
)

_FOR_THIS = re.compile(
    r"\b(?:for|about|against|regarding|(?:reply|response|answer)\s+to|because\s+of|due\s+to)"
    r"(?:\s+(?:the|this|following|message|request|order))*[\s:=\"'(<\[]*\Z",
    re.IGNORECASE,
)
_TROUBLE = re.compile(
    r"(?:\(\))?\s+(?:errors?|err|failures?|faults?|vetoe?s?|rejections?)(?!\w)", re.IGNORECASE
)


def direction(text: str) -> str | None:
    """Return `in` or `out`, as the text before a message shows; None if that is not clear."""
    text = _STREAM.sub("\0 ", text)
    text = _AFTER_TIME.sub("\0 ", text)
    text = _LOGGER.sub(" ", text)
    text = _CATEGORY.sub(lambda match: f" {match[1]} ", text)
    text = _QUALIFIED.sub(lambda match: f" {match['word'] or match['callback']}", text)
    text = _SESSION.sub(" ", text)
    told = _all_told(_words(text)) or _all_told(_arrows(text))
    return None if told == _DOUBT else told


def _all_told(directions: Iterator[str]) -> str | None:
    """Return the direction that all of them show, None if there are none; two leave doubt."""
    told = next(directions, None)
    return _DOUBT if told and any(one != told for one in directions) else told


def _words(text: str) -> Iterator[str]:
    for match in _WORD.finditer(text):
        word = match[0].lower()
        before, after = text[: match.start()], text[match.end() :]
        if _VALUE.match(after) or (match[0] in _PARTICIPLES and _COUNT.search(before)):
            continue
        if word in _SHORT and not _has_a_place(match[0], before, after):
            continue
        told = (_ANYWHERE | _VERBS | _SHORT)[word]
        statement = _statement(text, match.span())
        denied = _DENIAL.search(statement) or (told == _OUT and _REJECTED.search(statement))
        # What somebody else sends leaves it in doubt.
        others = word in _VERBS and not _is_ours(word, before, after)
        yield _DOUBT if denied or others or _is_of_another(before, after) else told


def _statement(text: str, span: tuple[int, int]) -> str:
    """Return the part of a text, between separators, that a word is in."""
    begin = max((match.end() for match in _STATEMENT.finditer(text, 0, span[0])), default=0)
    end = _STATEMENT.search(text, span[1])
    return text[begin : end.start() if end else None]


def _is_of_another(before: str, after: str) -> bool:
    """Tell whether a word is about another message than the one that is shown."""
    return bool(_OF_ANOTHER.search(before) or _FOR_THIS.search(after) or _TROUBLE.match(after))


def _is_ours(word: str, before: str, after: str) -> bool:
    """Tell whether the logger itself is the one who sends or receives, and it is this message."""
    following = _NEXT_WORD.match(after)
    if following and following[1].lower() in ("by", *(("from",) if _VERBS[word] == _OUT else ())):
        return False
    if _TO_US.match(after) or (_VERBS[word] == _IN and _ABOUT_THIS.search(after)):
        return False
    last = _LAST_WORD.search(before)
    if not last:
        return True
    name = last[1].lower()
    if _PROBLEM_LEVEL.fullmatch(name):
        return word in ("sent", "received")
    # `12` is the number of a thread, `a.b.Session` a class of the logger's own; `gw1` is somebody.
    if not re.search(r"[^\W\d_]", name) or re.search(r"[.:/]", name) or name in _AROUND_VERBS:
        return True
    return bool(_LEVEL.fullmatch(name)) or last[1] in _message_names()


def _has_a_place(word: str, before: str, after: str) -> bool:
    """Tell whether a short word is in a place of its own."""
    following = _NEXT_WORD.match(after)
    ends = not following or following[1].lower() in _OF_THE_MESSAGE
    key = _KEY.search(before)
    if key:
        if _KEY_OF_A_TEXT.fullmatch(key[1]):
            return ends
        return _KEY_OF_A_DIRECTION.fullmatch(key[1]) is not None
    # Between two commas it has a column; after one alone it may go on with a sentence.
    if _COMMAS.search(before) and after.lstrip().startswith(","):
        return True
    before = _GROUP.sub(" ", before)
    separators = list(_SEPARATOR.finditer(before))
    begin = separators[-1].end() if separators else 0
    column = not separators or separators[-1][0] not in ":;=("
    words = before[begin:].replace(",", " ").split()
    names = [one for one in words if one.isalpha() and not _is_level(one)]
    names = [one for one in names if not _DAY_OR_MONTH.fullmatch(one)]
    # The numbers and names of a column come before it; elsewhere they are part of a sentence.
    if not column and len(names) < len(words):
        return False
    if not names and ends:
        return True
    if not word.isupper() or (following and following[1].lower() in _AFTER_NO_PLACE):
        return False
    # In capitals it may have a name before it, or after it.
    names = [one.lower() for one in names if one != "FIX"]
    if len(names) > 1 or any(one.endswith(("ed", "ing")) for one in names):
        return False
    if any(one in _BEFORE_NO_PLACE or _LEVEL.fullmatch(one) for one in names):
        return False
    return ends or (not names and bool(following and not following[1].islower()))


def _is_level(word: str) -> bool:
    """Tell whether a word is a level that is not also a problem (`error in ...`)."""
    return bool(_LEVEL.fullmatch(word)) and not _PROBLEM_LEVEL.fullmatch(word)


def _arrows(text: str) -> Iterator[str]:
    for match in _ARROW.finditer(text):
        last = _LAST_WORD.search(text[: match.start()])
        if not last or _LEVEL.fullmatch(last[1]) or not any(map(str.isalnum, last[1])):
            yield _ARROWS[match[0]]


def _message_names() -> frozenset[str]:
    return frozenset(merged().message_types.values())
