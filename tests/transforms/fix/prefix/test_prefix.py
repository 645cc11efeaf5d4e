"""Prefixes give the time and direction of a message."""

import datetime
import re

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.parser import parse_block
from fixfeed.transforms.fix.prefix.log_format import LogFormat, LogFormatError, read_log_format
from fixfeed.transforms.fix.scalar.prefix import read_prefix
from fixfeed.transforms.fix.schema import TIME
from fixfeed.transforms.fix.vector.prefix import read_prefixes
from tests.transforms.fix.messages import encode

UTC = datetime.UTC


def micros(*parts):
    moment = datetime.datetime(*parts, tzinfo=UTC)
    return (moment - datetime.datetime(1970, 1, 1, tzinfo=UTC)) // datetime.timedelta(
        microseconds=1
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20250102-09:30:00.123456789 : ", (micros(2025, 1, 2, 9, 30, 0, 123456), None)),
        ("20250102-09:30:00 : ", (micros(2025, 1, 2, 9, 30), None)),
        ("2025-01-02 09:30:00,123 INFO [a] IN  ", (micros(2025, 1, 2, 9, 30, 0, 123000), "in")),
        ("[2025-01-02T09:30:00.5Z] outgoing: ", (micros(2025, 1, 2, 9, 30, 0, 500000), "out")),
        ("2025-01-02T09:30:00+01:00 >> ", (micros(2025, 1, 2, 8, 30), "out")),
        ("2025-01-02T09:30:00-0530 ", (micros(2025, 1, 2, 15, 0), None)),
        ("<20250102-09:30:00, FIX.4.2:IN->OUT, incoming> (", (micros(2025, 1, 2, 9, 30), "in")),
        ("2015-08-31 17:48:20,890 FIX.4.2:A->B: ", (micros(2015, 8, 31, 17, 48, 20, 890000), None)),
        ("20251302-09:30:00 rcvd ", (None, "in")),
        ("20161231-23:59:60.5 ", (micros(2017, 1, 1, 0, 0, 0, 500000), None)),
        ("20250102-09:30:61 ", (None, None)),
        ("99991231-23:59:59 ", (micros(9999, 12, 31, 23, 59, 59), None)),
        ("99991231-23:59:60 ", (None, None)),
        ("9999-12-31T23:59:59-0530 ", (None, None)),
        ("0001-01-01T00:00:00+14:00 ", (None, None)),
        ("INFO main-in ", (None, None)),
        ("", (None, None)),
    ],
)
def test_a_prefix_gives_time_and_direction(text, expected):
    assert read_prefix(text) == expected


def iso(text):
    return int(datetime.datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 10**6)


# Forms of 2025-03-14 22:11:12 in loggers, with no zone other than UTC.
FORMS = {
    "Log4j, Logback, Python": "2025-03-14 22:11:12,123 INFO  [main] c.a.Session - OUT ",
    "Log4j DATE": "14 Mar 2025 22:11:12,123 [main] OUT ",
    "java.util.logging": "Mar 14, 2025 10:11:12 PM quickfix.mina.Foo log INFO: toApp: ",
    "Java 20": "Mar 14, 2025, 10:11:12\u202fPM a.Foo b INFO: Sent: ",
    "Tomcat": "14-Mar-2025 22:11:12.123 INFO [main] a.B.c outgoing ",
    "Serilog": "2025-03-14 22:11:12.123 +00:00 [INF] ToApp: ",
    "NLog": "2025-03-14 22:11:12.1230|INFO|Fix.Session|Sending: ",
    ".NET": "14/3/2025 10:11:12 PM OUT ",
    "US": "3/14/2025 10:11:12 PM OUT ",
    "Go log": "2025/03/14 22:11:12.123000 => ",
    "zap": "2025-03-14T22:11:12.123Z\tINFO\tfix/x.go:12\tsent\t",
    "zap JSON": '{"level":"info","ts":1741990272.123,"msg":"outgoing ',
    "logrus": 'time="2025-03-14T22:11:12Z" level=info msg="sent ',
    "zerolog": '{"level":"info","time":"2025-03-14T22:11:12Z","message":"TX: ',
    "spdlog": "[2025-03-14 22:11:12.123] [fix] [info] TX ",
    "glog": "I20250314 22:11:12.123000  1234 session.cc:10] >> ",
    "Boost.Log": "[2025-03-14 22:11:12.123000] [0x00007f00] [info]    OUT ",
    "Boost ptime": "2025-Mar-14 22:11:12.123000 OUT ",
    "Boost ISO": "20250314T221112.123000 OUT ",
    "QuickFIX files": "20250314-22:11:12.123 OUT ",
    "QuickFIX screen": "<20250314-22:11:12.123, FIX.4.2:A->B, outgoing> (",
    "quickfix-go": "<2025-03-14 22:11:12.123 +0000 UTC, FIX.4.2:A->B, outgoing> (",
    "QuickFIX/J": "2025-03-14 22:11:12,123 INFO  quickfixj.msg.outgoing - FIX.4.4:A->B: ",
    "syslog": "<165>1 2025-03-14T22:11:12.123Z host app 1 ID47 - TX: ",
    "syslog with a time": "Mar 14 22:11:12 host app[12]: 2025-03-14 22:11:12.123 OUT ",
    "containers": "2025-03-14T22:11:12.123456789Z stdout F OUT ",
    "web server": "[14/Mar/2025:22:11:12 +0000] >> ",
    "date": "Fri Mar 14 22:11:12 UTC 2025 OUT ",
    "asctime": "Fri Mar 14 22:11:12 2025 OUT ",
    "mail": "Fri, 14 Mar 2025 22:11:12 GMT OUT ",
    "seconds": "1741990272 OUT ",
    "seconds in brackets": "[1741990272.123456] OUT ",
    "milliseconds": "1741990272123|OUT|",
    "microseconds": "1741990272123456 OUT ",
    "nanoseconds": "1741990272123456789 -> ",
    "milliseconds after a colon": "2025-03-14 22:11:12:123 OUT ",
    "digits on end": "20250314221112123 OUT ",
    "two digits": "03/14/25 22:11:12 OUT ",
    "offset": "2025-03-14T23:11:12.123+01:00 OUT ",
    "offset without colon": "2025-03-14 17:11:12.123 -0500 OUT ",
    "offset in hours": "2025-03-14 23:11:12.123+01 OUT ",
    "offset from UTC": "2025-03-14 23:11:12 UTC+1 OUT ",
    "offset and zone": "2025-03-14T23:11:12.123+01:00[Europe/Paris] OUT ",
    "half a day and offset": "2025-03-14 11:11:12 PM +01:00 OUT ",
    "a zone of one region": "2025-03-14 23:11:12 CET OUT ",
    "a zone by its name": "2025-03-14T18:11:12 America/New_York OUT ",
    "offset in brackets": "2025-03-14 23:11:12.123 [+0100] OUT ",
    "offset in parentheses": "2025-03-14 23:11:12.123 (+01:00) OUT ",
    "offset with a minus sign": "2025-03-14 17:11:12.123 \u221205:00 OUT ",
    "grep -H": "logs/fix_2025-03-13_00:00:00.log:17:2025-03-14 22:11:12.123 OUT ",
    "JSON around a logger's line": '{"@timestamp":"2025-03-14T22:11:12Z","message":"22:11:12 OUT ',
    "colours": "\x1b[32m2025-03-14 22:11:12.123\x1b[0m INFO \x1b[1mOUT\x1b[0m ",
    "WSO2": "TID: [-1234] [] [2025-03-14 22:11:12,123]  INFO {a.B} - OUT ",
    "docker compose": "gateway-1  | 2025-03-14 22:11:12.123 OUT ",
}


@pytest.mark.parametrize("name", FORMS)
def test_the_forms_of_common_loggers_are_understood(name):
    micros, direction = read_prefix(FORMS[name])
    assert (micros // 1_000_000, direction) == (iso("2025-03-14 22:11:12") // 1_000_000, "out")
    assert micros % 1_000_000 in (0, 123_000, 123_456)
    assert (micros % 1_000_000 > 0) == (
        ".123" in name or "123" in FORMS[name].replace(" 1234 ", "")
    )


@pytest.mark.parametrize(
    "text",
    [
        "01/02/2025 09:30:00 ",
        "1.2.2025 9:30:00 AM ",
        "25/03/04 10:11:12 INFO ",
        "2025-03-04 10:11:12 CST ",
        "2025-03-04 10:11:12.123 IST [main] ",
        "Tue Mar 04 10:11:12 EST 2025 ",
        "2025-03-04 10:11:12 Europe/Nowhere ",
        "2025-03-04 00:11:12 PM ",
        "2025-03-04 13:11:12 AM ",
        "2025-03-04 10:11:12 下午 ",
        "2025-03-04 10:11:12+25:00 ",
        "2025-03-04 10:11:12 +5 ",
        "2025-03-04 10:11:12-10:15:00 ",
        "2025-03-04 10:11:12A ",
        "2025-02-29 10:11:12 ",
        "2025-03-04 24:00:00 ",
        "Mar  4 10:11:12 host app[123]: ",
        "I0304 10:11:12.123456 1234 a.cc:10] ",
        "10:11:12.123 [main] INFO ",
        "host3 Mar 04 10:11:12 app[1]: ",
        "Mar 04 10:11:12 1234 ",
        "2025 Mar 04 10:11:12 app: ",
        "03/04/2025 01:11:12 PMZ ",
        "Version 2025.1.2 10:11:12 ",
        "10:11:12.123 order of 2025-03-01 09:00:00 ",
        "expires 2025-12-31 10:00:00 ",
        "valid until: 2025-12-31 10:00:00 ",
        "order accepted 2025-12-31 10:00:00 ",
        "orig 2025-12-31 10:00:00 ",
        "[replay 2025-12-31 10:00:00] ",
        "1234567890:",
        "1234567890 [main] INFO a.B - ",
        "ORD 1741990272123 ",
        "2025031422 ",
        "9999999999999 ",
    ],
)
def test_a_time_that_is_not_understood_is_left_out(text):
    assert read_prefix(text)[0] is None
    assert read_prefixes(pa.array([text, "2025-03-04 10:11:12 ", text]))[0][0].as_py() is None


# Zones that are not understood, in any position.
ZONES_AFTER = [
    *("ET", "PT", "CT", "et", "AKDT", "(EDT)", "[PST]", "<IST>", "| BST |", "- MST -", ", CDT,"),
    *("[main] EDT", "INFO [x] (a.B) PT -", "[main] CET", "MESZ", "EST5EDT", "tz=PDT"),
    *("Central Europe Standard Time", "AUS Eastern Daylight Time", "GMT Standard Time"),
    *("Pacific Time", "local time", "Westeurop\u00e4ische Sommerzeit", "[x] Mountain Time"),
    *("Chicago", "[Hong Kong]", "S\u00e3o Paulo", "Eastern", "Japan", "timezone: x"),
    *("[x] Asia/Tokyo", "Europe/Atlantis", "[x] +05:30", "UTC +03:00", "[x] UTC-4", "<+03:00>"),
    *("+03", "-8", "-4321-", "[-08]", "(+03)", "\u201303:00", "\uff0b03:00", "- 03:00"),
    *("[main] +0300", "[main] [-0300]", "INFO [x] +03 -", '"offset":"-0300",'),
    *("UK time", "NYC", "[LDN]", "LT", "exchange time"),
    *("+0317", "-1300", "+15:00", "+0300-", "| -0300 |"),
]
ZONES_BEFORE = ["ET", "[EDT]", "CET", "+03:00", "[-0300]", "UTC+3", "Asia/Tokyo", "INFO [PT]"]
ZONES_BEFORE += ["Central European Time", "Hong Kong", "[Zürich]", "c.a.X London", "local"]


@pytest.mark.parametrize("vectorised", [False, True])
def test_an_unknown_zone_leaves_the_time_out(vectorised):
    time = "2025-03-04 10:11:12.123"
    texts = [f"{time} {zone} " for zone in ZONES_AFTER]
    texts += [f"{zone} {time} " for zone in ZONES_BEFORE]
    texts = [one for text in texts for one in (text, f"{time} [main] ")]
    assert captured(texts, vectorised) == [None, micros(2025, 3, 4, 10, 11, 12, 123000)] * (
        len(texts) // 2
    )


@pytest.mark.parametrize(
    "text",
    [
        "2025-03-04 10:11:12.123 [main] FIX.4.4:EST->PST: ",
        "2025-03-04 10:11:12.123 [MSK-gateway] INFO EST=>LON ",
        "2025-03-04 10:11:12.123Z [main] EST ",
        "2025-03-04 10:11:12.123 - 12 orders - ",
        "2025-03-04 10:11:12.123 NYSE TEXT ALERT ",
        "2025-03-04 10:11:12.123 GET /fix ",
    ],
)
def test_text_that_is_not_a_zone_keeps_the_time(text):
    assert read_prefix(text)[0] == micros(2025, 3, 4, 10, 11, 12, 123000)


# With {} for a time: it is not the line's time, or may not be.
OTHER_TIMES = [
    *("SettlDate={} ", "TradeDate={} 2025-03-05 10:11:12 ", "ExpireTime: {} ", "trade date: {} "),
    *("?from={}&to={} ", '{{"created":"{}","raw":"', "value='{}' ", "order_time={}Z x "),
    *("audit_{}.log: ", "audit-{}.log:3: ", "/var/log/{}/fix.log: ", "D:\\logs\\{}\\fix.log "),
    *("fix.log.{}: ", "{}.log: ", "{}_old/fix.log: ", "fix ({}).log: ", "v{} ", "http://a/b#{} "),
    *("good {} - {} ", "[main] {} {} ", "order {} 2025-03-05 10:11:12 ", "09:00:00 {} "),
    *("INFO 09:00:00 {} ", "book of {} 09:00:00 "),
]


@pytest.mark.parametrize("vectorised", [False, True])
def test_a_time_that_may_not_be_the_time_of_the_line_is_left_out(vectorised):
    texts = [text.format(*["2025-03-04T10:11:12"] * 2) for text in OTHER_TIMES]
    assert captured(texts, vectorised) == [None] * len(texts)


@pytest.mark.parametrize(
    "text",
    [
        "{} 2025-03-05 10:11:12 ",
        "[INFO] {} to 2025-03-05 10:11:12 ",
        "<13>1 {} host app - - 2025-03-05 10:11:12 ",
        "/var/log/fix.log:{} from 2025-03-05 10:11:12 ",
        '{{"level":"info","time":"{}","expires":"2025-03-05 10:11:12","raw":"',
        "x=1 _time={} valid=2025-03-05 10:11:12 ",
        "[gateway] {} ",
    ],
)
def test_a_time_at_the_start_or_after_its_key_is_the_time_of_the_line(text):
    assert read_prefix(text.format("2025-03-04 10:11:12"))[0] == micros(2025, 3, 4, 10, 11, 12)


def captured(texts, vectorised):
    message = encode([(35, b"0"), (49, b"A"), (56, b"B")], delimiter=b"|")
    data = b"".join(text.encode() + message + b"\n" for text in texts)
    messages = parse_block(Block("log", 0, data, b"|"), vectorised=vectorised).messages
    assert messages["prefix"].to_pylist() == texts
    return messages["captured_at"].view(pa.int64()).to_pylist()


# Messages not sent, or not yet; other messages; other senders; places.
NO_DIRECTIONS = [
    *("failed sending ", "send failed: ", "cannot be sent: ", "didn't send ", "unable to send: "),
    *("Error sending: ", "exception while sending ", "never went outbound: ", "undelivered, sent "),
    *("about to be sent: ", "will be sent ", "to send: ", "queued outgoing ", "pending outbound: "),
    *(
        "suppressed outgoing ",
        "OUT (dropped) ",
        "[x] sent [y] not received ",
        "waiting to receive ",
    ),
    *("no reply received to ", "reject received for ", "Received ack for the message ", "if sent "),
    *("client7 sent: ", "BROKER-A sent: ", "sent to us: ", "was received by ", "received at desk "),
    *("fault in message: ", "ERROR in ", "ERROR IN ", "BAD CHECKSUM IN ", "WARN in message "),
    *("3 of 7 in ", "bad tag: 55 in ", "bad value [x] in ", "bad value (y) in ", "wrong, in "),
    *("in response: ", "in order ", "IN RESPONSE TO ", "3 out of 7 ", "out of book ", "seen in: "),
    *(
        "E:\\fix\\out\\a.log ",
        "E:\\out\\",
        "\\\\srv\\incoming\\a.log: ",
        "/in/a.log: ",
        "in/a.log: ",
    ),
    *("incoming.log:3: ", "gateway=OUT ", "redirect=in ", '"msg":"in reply to ","raw":"'),
    *(
        "sent=false ",
        '{"sent":false,"msg":"',
        "Sent: false ",
        "sent=0 ",
        "sent: null ",
        "Sent? No. ",
    ),
    *(
        "toApp=false ",
        "outbound=false ",
        "received = no ",
        '"incoming": null, "raw":"',
        "sent (no) ",
    ),
    *("in=3 out=5 ", "rx=3 ", "tx: 1234 ", "[rx=3/tx=4] ", "0 sent ", "3 received, 4 sent "),
    *("toApp vetoed ", "toApp DoNotSend ", "toApp() threw DoNotSend ", "Outgoing rejected "),
    *("send error ", "sending failure: ", "buffered outbound: ", "throttled outbound: "),
    *("simulated outbound: ", "deferred: outgoing ", "retrying toApp ", "previous outgoing: "),
    *("last sent ", "sent 5 seconds ago ", "already sent: ", "Sent reject for: "),
    *("ResendRequest sent for ", "reject for outgoing: ", "reply to incoming: "),
    *("www.Gateway.outbound.com ", "fix.incoming.log: ", "/x/My.incoming: ", "C:\\x\\My.toApp "),
]


@pytest.mark.parametrize("vectorised", [False, True])
def test_a_denied_or_incidental_direction_is_left_out(vectorised):
    message = encode([(35, b"0"), (49, b"A"), (56, b"B")], delimiter=b"|")
    texts = [f"2025-03-04 10:11:12 {text}" for text in NO_DIRECTIONS] + NO_DIRECTIONS
    data = b"".join(text.encode() + message + b"\n" for text in texts)
    messages = parse_block(Block("log", 0, data, b"|"), vectorised=vectorised).messages
    told = zip(texts, messages["direction"].to_pylist(), strict=True)
    assert [text for text, one in told if one is not None] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("accepted in book, now sending: ", "out"),
        ("10:11:12.123 OUT ", "out"),
        ("May  4 10:11:12 host app: sent: ", "out"),
        ("TO_APP: ", "out"),
        ("from_admin ", "in"),
        ('{"log":"\\u001b[1min\\u001b[0m ', "in"),
        ("Mar  4 10:11:12 host IN ", "in"),
        ("2025-03-04 10:11:12 EST IN ", "in"),
        ("INFO, in, ", "in"),
        ("a;out;", "out"),
        ("\tin\t", "in"),
        ("12 IN ", "in"),
        ("OUT 12 ", "out"),
        ("c.a.Session in ", "in"),
        ("(out) ", "out"),
        ("Sending to BROKER: ", "out"),
        ("Received message for BROKER: ", "in"),
        ("ERROR Received unknown message: ", "in"),
        ("Reject sent: ", "out"),
        ("[no-reply] sent: ", "out"),
        ("c.a.FailoverSession - OUT ", "out"),
        ("rejected incoming ", "in"),
        ("sent or received: ", None),
        ("user logged in: ", None),
        ("LOGGED IN: ", None),
        ("request timed out ", None),
        ("OUT OF SEQUENCE: ", None),
        ("error in field: ", None),
        ("Client sent: ", None),
        ("sent by broker: ", None),
        ("message not sent: ", None),
        ("tx 1234 committed: ", None),
        ("BUYX -> SELLY ", None),
        ("msg -> ", None),
        ("FIX.4.2:IN->OUT: ", None),
        ("FIX.4.2:OUT=>B ", None),
        ("FIX.4.2:A->B: (incoming) ", "in"),
        ("FromAdmin(FIX.4.4:A->B): ", "in"),
        ("[main] toAdmin ", "out"),
        ("in message: ", "in"),
        ("Received message -> ", "in"),
        ("ExecutionReport received: ", "in"),
        ("INFO:root:OUT ", "out"),
        ("dir=in ", "in"),
        ("sender=OUT: ", None),
        ('{"to":"OUT","raw":"', None),
        ('"direction":"out","raw":"', "out"),
        ("| IN | ", "in"),
        ("[rx] ", "in"),
        ("RX: ", "in"),
        ("=> ", "out"),
        ("<= ", "in"),
        ("<< ", "in"),
        ("INFO -> ", "out"),
        ("→ ", "out"),
        ("c.a.Fix - in - ", "in"),
        ("MSG IN ", "in"),
        ("OUT BROKER ", "out"),
        ("FIX::Application::toApp ", "out"),
        ("MyApp.toApp() ", "out"),
        ("[com.acme.Fix.toApp] ", "out"),
        ("com.acme.Fix.fromApp: ", "in"),
        ("MyApp#fromAdmin(Message) ", "in"),
        ("self.to_app(msg) ", "out"),
        ("Acceptor.incoming ", "in"),
        ("we sent ", "out"),
        ("sent=true ", "out"),
        ("Sent 120 bytes: ", "out"),
        ("Received Reject: ", "in"),
        ("rx=3 incoming: ", "in"),
    ],
)
def test_a_direction_is_given_only_if_it_is_clear(text, expected):
    assert read_prefix(text) == (None, expected)
    assert read_prefix(f"2025-03-04 10:11:12 {text}")[1] == expected


def test_seconds_with_a_separate_fraction_are_not_a_time():
    instant = '{"instant":{"epochSecond":1735810200%s},"level":"INFO","message":"'
    assert read_prefix(instant % "")[0] == 1735810200_000_000
    assert read_prefix(instant % ',"nanoOfSecond":123000000')[0] is None


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("%d.%m.%Y %H:%M:%S.%f", "[x] 04.03.2025  10:11:12.5 IN", "2025-03-04 10:11:12.5"),
        ("%m/%d/%Y %I:%M:%S %p", "3/4/2025 1:11:12 PM", "2025-03-04 13:11:12"),
        ("%m/%d/%Y %I:%M:%S %p", "3/4/2025 1:11:12 PM +01:00 ", "2025-03-04 12:11:12"),
        ("%y%m%d_%H%M", "a_250304_1011_", "2025-03-04 10:11"),
        ("%y%m%d %T", "980304 10:11:12 ", "1998-03-04 10:11:12"),
        ("%H:%M:%S on %d-%b-%Y", "10:11:12 on 04-MAR-2025 IN", "2025-03-04 10:11:12"),
        ("at=%s.%f", "id=1741083072 at=1741083071.25 ", "2025-03-04 10:11:11.25"),
        ("%F %T%z", "x 2025-03-04 10:11:12+01", "2025-03-04 09:11:12"),
        ("%d.%m.%Y %T", "2025-03-04 10:11:12 ", "2025-03-04 10:11:12"),
        ("%d.%m.%Y %T", "04.03.2025 10:11:12 CST ", None),
        ("%d.%m.%Y %T", "31.02.2025 10:11:12 ", None),
    ],
)
def test_a_pattern_shows_where_the_time_is(pattern, text, expected):
    log = read_log_format(captured_at=[pattern])
    micros = expected and iso(expected)
    assert read_prefix(text, log)[0] == micros
    times, _ = read_prefixes(pa.array([text, "-", text, "x" + text]), log)
    assert times.view(pa.int64()).to_pylist()[:3:2] == [micros, micros]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-01-02 09:30:00.5 ", "2025-01-02 14:30:00.5"),
        ("2025-07-02 09:30:00 ", "2025-07-02 13:30:00"),
        ("2025-07-02 09:30:00Z ", "2025-07-02 09:30:00"),
        ("2025-07-02 09:30:00 +01:00 ", "2025-07-02 08:30:00"),
        ("1741083072 ", "2025-03-04 10:11:12"),
        ("2025-03-09 01:59:59 ", "2025-03-09 06:59:59"),
        ("2025-03-09 02:30:00 ", None),
        ("2025-03-09 03:00:00 ", "2025-03-09 07:00:00"),
        ("2025-11-02 00:59:59 ", "2025-11-02 04:59:59"),
        ("2025-11-02 01:30:00 ", None),
        ("2025-11-02 02:00:00 ", "2025-11-02 07:00:00"),
    ],
)
def test_a_time_without_an_offset_is_in_the_zone_of_the_log(text, expected):
    log = read_log_format(time_zone="America/New_York")
    micros = expected and iso(expected)
    assert read_prefix(text, log)[0] == micros
    assert read_prefixes(pa.array([text] * 2), log)[0].view(pa.int64()).to_pylist() == [micros] * 2


@pytest.mark.parametrize("vectorised", [False, True])
def test_our_own_comp_ids_give_the_direction(vectorised):
    data = b"".join(
        prefix + encode([(35, b"0"), (49, sender), (56, target)]) + b"\n"
        for prefix, sender, target in [
            (b"", b"US", b"A"),
            (b"", b"A", b"US2"),
            (b"OUT ", b"A", b"US"),
            (b"OUT ", b"US", b"US2"),
            (b"", b"US", b"US2"),
            (b"IN ", b"A", b"B"),
        ]
    )
    log = read_log_format(we_are=["US", "US2"])
    batch = parse_block(Block("log", 0, data), log=log, vectorised=vectorised)
    assert batch.messages["direction"].to_pylist() == ["out", "in", "in", "out", None, "in"]


@pytest.mark.parametrize("vectorised", [False, True])
def test_either_parser_understands_the_forms_of_loggers(vectorised):
    texts = [text for text in FORMS.values() for _ in range(3)]
    message = encode([(35, b"0"), (49, b"A"), (56, b"B")], delimiter=b"|")
    data = b"".join(text.encode() + message + b"\n" for text in texts)
    messages = parse_block(Block("log", 0, data, b"|"), vectorised=vectorised).messages
    assert messages["prefix"].to_pylist() == texts
    times = messages["captured_at"].view(pa.int64()).to_pylist()
    directions = messages["direction"].to_pylist()
    assert [*zip(times, directions, strict=True)] == [*map(read_prefix, texts)]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            {"captured_at": ["yyyy-MM-dd HH:mm:ss"]},
            "captured-at is 'yyyy-MM-dd HH:mm:ss': found no month (%m), year (%Y), day (%d), "
            "hour (%H), minute (%M), expected a date and a time, as in '%d.%m.%Y %H:%M:%S.%f'",
        ),
        (
            {"captured_at": ["%d.%m.%Y %Q"]},
            "captured-at is '%d.%m.%Y %Q': found %Q, expected one of %Y %y %m %b %B %d %e %H %I %M "
            "%S %f %p %z %Z %s %a %A %% %T %F, as in '%d.%m.%Y %H:%M:%S.%f'",
        ),
        (
            {"captured_at": ["%d.%m.%y %Y %T"]},
            "captured-at is '%d.%m.%y %Y %T': found %Y, but what it stands for is there already",
        ),
        (
            {"captured_at": ["<1>%F %T"]},
            "captured-at is '<1>%F %T': found the digit 1, expected none; the pattern may begin "
            "anywhere in the text before a message, so leave it out",
        ),
        (
            {"captured_at": ["%F %I:%M"]},
            "captured-at is '%F %I:%M': found no AM or PM (%p), expected a date and a time, as in "
            "'%d.%m.%Y %H:%M:%S.%f'",
        ),
        (
            {"time_zone": "Paris"},
            "log-time-zone is 'Paris', expected a name of the IANA database such as Europe/Paris "
            "or America/New_York; the nearest is Europe/Paris",
        ),
        ({"we_are": [""]}, "we-are is empty, expected a SenderCompID such as BROKER"),
    ],
)
def test_an_unusable_format_is_refused(options, problem):
    with pytest.raises(LogFormatError) as raised:
        read_log_format(**options)
    assert str(raised.value) == problem


WRITTEN = [
    "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f", "%Y/%m/%d %H:%M:%S", "%Y%m%d-%H:%M:%S.%f",
    "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p", "%d.%m.%Y %H:%M:%S", "%d %b %Y %H:%M:%S",
    "%b %d, %Y %I:%M:%S %p", "%d-%b-%y %H:%M:%S", "%y/%m/%d %H:%M:%S", "%m/%d/%y %H:%M:%S",
    "%a %b %d %H:%M:%S %Y", "%b %d %H:%M:%S", "%H:%M:%S", "%m%d %H:%M:%S", "%Y.%m.%d %H:%M:%S",
    "%d/%b/%Y:%H:%M:%S", "%Y-%b-%d %H:%M:%S.%f", "%y%m%d %H:%M:%S", "%Y%m%dT%H%M%S",
    "%A, %d %B %Y %I:%M:%S %p", "%Y-%j %H:%M:%S", "%Y-%m-%d %H:%M",
]  # fmt: skip
OFFSETS = {
    "": 0, "Z": 0, " UTC": 0, " +0000": 0, "+01:00": 60, " -0530": -330, "+01": 60, " CET": 60,
    " UTC+2": 120, " GMT-03:00": -180, " (UTC)": 0,
}  # fmt: skip
BEFORE = ["", "[", "<13>", "host3 ", "INFO ", "[main] ", "12 ", "7|", "1234 ", "app[12]: ", "x=5 "]
BEFORE += ["2025 ", "v1.2.3 ", "10.0.0.1 ", "#5:", "gw-1: ", "id-", "5.", "T", "A->B "]
AFTER = [" ", "] ", " INFO ", ": ", "|OUT|", " [12] ", " 5 ", " -> ", ",", " a ", " 1234 ", " -x "]
AFTER += [" Z9 ", " / ", " 2024 ", " Mar ", " 12:13:14 ", "\t"]


@settings(max_examples=500, deadline=None)
@given(
    moment=st.datetimes(datetime.datetime(1995, 1, 1), datetime.datetime(2030, 1, 1)),  # noqa: DTZ001
    form=st.sampled_from(WRITTEN),
    offset=st.sampled_from(sorted(OFFSETS)),
    padded=st.booleans(),
    before=st.sampled_from(BEFORE),
    after=st.sampled_from(AFTER),
)
def test_a_time_is_read_as_it_was_written_or_not_at_all(
    moment, form, offset, padded, before, after
):
    # If the year is last, the text after it is not an offset.
    offset = "" if form.endswith("%Y") else offset
    text = moment.strftime(form)
    text = text if padded else text.replace(" 0", " ").replace("/0", "/")
    written = moment.replace(tzinfo=UTC) - datetime.timedelta(minutes=OFFSETS[offset])
    written = written if "%f" in form else written.replace(microsecond=0)
    found, _ = read_prefix(f"{before}{text}{offset}{after}")
    assert found in (None, micros(*written.timetuple()[:6], written.microsecond))


PIECES = st.sampled_from(
    [
        "2025",
        "01",
        "02",
        "-",
        ":",
        "09",
        "30",
        " ",
        ".",
        ",",
        "T",
        "Z",
        "+01:00",
        "123",
        "IN",
        "out",
        "->",
        "<-",
    ]
    + [
        "20250102-09:30:00",
        "2025-01-02 09:30:00,123",
        "[x]",
        " : ",
        "é",
        "A->B",
        "20250229-09:30:00.1",
    ]
    + ["PM", " am", "Jan", " Mar ", "/", "CST", " UTC", "1741990272", "=>", "received", "[1] "]
    + [
        "EST",
        "[+0200]",
        "\u2212",
        "+02:00",
        " ET ",
        "x=",
        "time=",
        "/",
        "\\",
        "not ",
        "_",
        "Paris",
        "\x1b[32m",
        "\x1b[0m",
    ]
    + ["2/1/2025 1:30:00", "14/03/2025 22:11:12", "10:11:12", "25/03/04 ", " INFO ", "sent"]
)
TEXTS = st.lists(PIECES, max_size=8).map("".join)


@settings(max_examples=500, deadline=None)
@given(
    texts=st.lists(
        st.one_of(
            st.none(),
            TEXTS,
            st.datetimes(min_value=datetime.datetime(1, 1, 1)).map(  # noqa: DTZ001
                lambda t: f"{t:%Y-%m-%d %H:%M:%S},{t.microsecond // 1000:03} INFO [a] IN  "
            ),
            st.builds(
                lambda text, digits: re.sub("[0-9]", lambda _: next(digits), text),
                st.sampled_from(list(FORMS.values())),
                st.lists(st.sampled_from("01239"), min_size=99, max_size=99).map(iter),
            ),
        ),
        max_size=12,
    ),
    log=st.sampled_from(
        [
            LogFormat(),
            read_log_format(time_zone="Europe/Paris"),
            read_log_format(captured_at=["%d/%m/%Y %T", "%Y-%m-%d %H:%M"]),
        ]
    ),
)
@example(texts=["02/01/2025 09:30:00 IN", "13/01/2025 09:30:00 IN"], log=LogFormat())
@example(
    texts=["2025-01-02 09:30:00 IN ", "2025-01-02 09:30:00Z IN ", "2025-01-02 09:30:001 IN "],
    log=LogFormat(),
)
@example(
    texts=["2025-01-02 09:30:00, IN ", "2025-01-02 09:30:00,5 IN ", "2025-01-02 09:30:00."],
    log=LogFormat(),
)
@example(
    texts=["20250102-09:30:00.1 : ", "20250102-09:30:00.12 : ", "20250131-09:30:00.2 x"],
    log=LogFormat(),
)
def test_many_prefixes_at_once_give_the_same_as_one_at_a_time(texts, log):
    expected = [(None, None) if text is None else read_prefix(text, log) for text in texts]
    times, directions = read_prefixes(pa.array(texts, pa.string()), log)
    assert times.type == TIME
    assert times.view(pa.int64()).to_pylist() == [value for value, _ in expected]
    assert directions.to_pylist() == [direction for _, direction in expected]


@pytest.mark.parametrize("text", ["1" * 60_000, "a" * 60_000, "in " * 20_000, "\u4e2d" * 60_000])
def test_an_absurd_prefix_is_skipped_quickly_and_gives_nothing(text):
    assert read_prefix(f"2025-01-02 09:30:00 {text} IN ") == (None, None)
