"""Spells names of values as FIX does: `Vwap` is `VWAP`, `Unknown cl ord id` `Unknown ClOrdID`.

QuickFIX's names come from constants (`UNKNOWN_CL_ORD_ID`), so their words are known, but not which
of them are abbreviations, names or glued together.
"""

import re

__all__ = ["as_sentence", "spelt"]

_CAPITALS = """
abs acats ach afb afma ai aon aonia apa api asw atm ats aubsw bacs bbo becs bic bkbm bma bpay btu
bubor bus cad cboe cdor cds cedel cfd cfi cftc chaps chips cibor civ clob cls cmo cmta coaf com
corra cpr cqs crest cs01 csd cta cts cusip datf dk dni dnr dtc dtcc dv01 ecn ee efp eibor eic eom
escb estr eth eucp eurepo euribor fcm fdid fia fico fid fifo finra fix fixt fok fra frn ftse fula
fulf fulj fulv fwaf fx gb gc gics gim gt gtc gtx hibor ibr icb icma icsd idaf idem ihs imm ioc
ioette ioi ira isa isda isdafix isin isitc isma iso itm jbo jibar jis klibor libid libor lmtf mbs md
mibor mic mit moc mosprim naics nasd nb nbbo nerc nibor nscc nyse nzd nzonia oas oats oco ocs ois
omgeo opg otc oto ouo pet phiref pkcs pribor pv01 qfii qsr quik reibor rfq ric rt saibor sam saron
sec sedol sef sfe si sia siac sic sid sip smp sofr sonia sora spsaid sq sse ssi stibor sto sts
telbor tfm thbfix tibor tiie tlref tonar twap us usd utc volo volw vwap wibor xml yori
"""
_AS_WRITTEN = """
American Asian Australian Autex Baltic Bloomberg Bermuda Brady Canadian Chinese Euro Euroclear
Eurodollar European Euroswiss Fidessa Forex Funari IDs Japanese Keogh Malaysian Markit McCloskey
Mexican Pfandbrief Pfandbriefe Platts Reuters Roth Singaporean SWIFT Taiwanese Telerate TESSA
Treasury Xetra Yankee
"""
_KNOWN = {word: word.upper() for word in _CAPITALS.split()} | {
    word.lower(): word for word in _AS_WRITTEN.split()
}
_WORDS = {
    "acct": "account",
    "addtnl": "additional",
    "alt": "alternative",
    "db": "DB",
    "adj": "adjustment",
    "affliated": "affiliated",
    "agreeent": "agreement",
    "alloc": "allocation",
    "allwnc": "allowance",
    "amt": "amount",
    "anon": "anonymous",
    "aoniar": "AONIA-R",
    "appl": "application",
    "arrangment": "arrangement",
    "asgn": "assignment",
    "atmitm": "ATM/ITM",
    "averageg": "average",
    "avg": "average",
    "bidside": "bid side",
    "cancelled": "canceled",
    "cancelling": "canceling",
    "ccy": "currency",
    "cedits": "credits",
    "cert": "certificates",
    "clndr": "calendar",
    "clr": "clearing",
    "cntntn": "continuation",
    "collaterallization": "collateralization",
    "comingled": "commingled",
    "comm": "commercial",
    "comple": "complex",
    "contntn": "continuation",
    "convert": "convertible",
    "correspondant": "correspondent",
    "crss": "cross",
    "currentface": "current face",
    "cxl": "cancel",
    "cxld": "canceled",
    "dbl": "double",
    "depr": "",
    "dirrtn": "DIRR-TN",
    "diviend": "dividend",
    "dlvry": "delivery",
    "dont": "don't",
    "dt": "date",
    "dup": "",
    "efctv": "effective",
    "eigth": "eighth",
    "env": "environmental",
    "eoniaswap": "EONIA swap",
    "eusto": "EU STO",
    "evnt": "event",
    "excahgne": "exchange",
    "exec": "execution",
    "finraoats": "NASD/FINRA OATS",
    "forteenth": "fourteenth",
    "gcfrepo": "GCF repo",
    "grp": "group",
    "gvnt": "government",
    "id": "ID",
    "immaud": "IMM AUD",
    "immcad": "IMM CAD",
    "immnzd": "IMM NZD",
    "inactiviation": "inactivation",
    "ind": "indicator",
    "instns": "instructions",
    "instrmt": "instrument",
    "intl": "international",
    "jrsdctn": "jurisdiction",
    "jursdctn": "jurisdiction",
    "liquidty": "liquidity",
    "lmt": "limit",
    "mininize": "minimize",
    "mkt": "market",
    "mlurl": "ML URL",
    "mod": "modified",
    "mulitleg": "multileg",
    "nonbroker": "non-broker",
    "notl": "notional",
    "oblication": "obligation",
    "oblig": "obligation",
    "notnl": "notional",
    "obsvtn": "observation",
    "offerside": "offer side",
    "onformation": "information",
    "oob": "out of band",
    "ord": "order",
    "orig": "original",
    "originalface": "original face",
    "pct": "percent",
    "pgpdes": "PGP/DES",
    "pgpdesmd5": "PGP/DES-MD5",
    "pkcsdes": "PKCS/DES",
    "pnts": "points",
    "pos": "position",
    "precip": "precipitation",
    "pst": "post",
    "pty": "party",
    "px": "price",
    "qty": "quantity",
    "rcv": "receive",
    "ref": "reference",
    "rpt": "report",
    "req": "request",
    "rprt": "report",
    "rtpet": "RT/PET",
    "sched": "schedule",
    "settl": "settlement",
    "std": "standard",
    "strk": "strike",
    "submissing": "submission",
    "surveillence": "surveillance",
    "tm": "time",
    "trd": "trade",
    "trml": "terminal",
    "twelvth": "twelfth",
    "uksto": "UK STO",
    "unk": "unknown",
    "unkown": "unknown",
    "val": "valuation",
    "vale": "value",
    "volnty": "voluntary",
    "withdrawl": "withdrawal",
    "xfer": "transfer",
}
_PHRASES = {
    r"\bappl seq num\b": "ApplSeqNum",
    r"\bcl ord id\b": "ClOrdID",
    r"\bexec id\b": "ExecID",
    r"\bfp ml\b": "FpML",
    r"\bio is\b": "IOIs",
    r"\biso2022 jp\b": "ISO-2022-JP",
    r"\bmc closkey\b": "McCloskey",
    r"\bmsg seq num\b": "MsgSeqNum",
    r"\bnew zealand\b": "New Zealand",
    r"\bnorth american\b": "North American",
    r"\bpos maint rpt id\b": "PosMaintRptID",
    r"\bdv01 pv01\b": "DV01/PV01",
    r"\bseq num\b": "sequence number",
    r"\bt plus ?(\d)\b": r"T+\1",
    r"\bwestern european\b": "Western European",
    r"\bfixt(\d)(\d)\b": r"FIXT \1.\2",
    r"\bfix(\d)(\d) sp(\d)\b": r"FIX \1.\2 SP\3",
    r"\bfix(\d)(\d)\b": r"FIX \1.\2",
    r"\b(plus|minus|rule|of)(\d)": r"\1 \2",
    r"\bnon (?=[a-z])": "non-",
    r"\bpre (?=[a-z])": "pre-",
    r"\bcancel replace\b": "cancel/replace",
}


_SIGNS = {" [-\u2013] ": ", ", " / ": "/", " & ": " and ", "\u2019": "'", "F/X": "FX"}


def spelt(name: str) -> str:
    """Return a name made of a constant, such as `Unknown cl ord id`, as FIX spells it."""
    text = name[:1].lower() + name[1:]
    for pattern, meant in _PHRASES.items():
        text = re.sub(pattern, meant, text)
    words = (_word(word) for word in text.split(" "))
    return _begun(" ".join(filter(None, words)))


def as_sentence(text: str) -> str:
    """Return the standard's own text, whose words may begin with capitals or be in them.

    A word with capitals inside it (`ClOrdID`) stays as it is, and so does a short one in capitals.
    """
    for pattern, meant in _SIGNS.items():
        text = re.sub(pattern, meant, text)
    words = []
    for word in re.split(r"([ /-])", text):
        plain = re.sub(r"[^A-Za-z]", "", word)
        is_usual = not plain[1:] or plain[1:].islower() or (plain.isupper() and len(plain) > 3)
        words.append(_word(word.lower()) if is_usual else word)
    return _begun("".join(words))


def _word(word: str) -> str:
    parts = []
    for part in re.split(r"([^A-Za-z0-9]+)", word):
        if part.islower() or part.isdigit():
            part = _KNOWN.get(part) or _WORDS.get(part, part)
        parts.append(part)
    return "".join(parts)


def _begun(text: str) -> str:
    return text[:1].upper() + text[1:]
