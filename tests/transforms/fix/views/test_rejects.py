"""The view `rejects` has each refusal, with its reason and the message that it refuses."""

import pytest

QUERY = """select r.msg_seq_num, r.msg_type, reject_reason, reject_reason_name, r.text, r.ref_id,
 m.msg_seq_num, rejected_msg_type from rejects r
 left join messages m on m.message_id = r.rejected_message_id order by r.message_id"""


def message(fields, seq, *, version="FIX.4.4", ours=False, time="20250102-09:30:00", more=""):
    sides = "49=ME|56=BROKER" if ours else "49=BROKER|56=ME"
    kind, _, rest = fields.partition("|")
    return f"{version}|35={kind}|{sides}|34={seq}|52={time}|{more}{rest}{'|' if rest else ''}"


def ours(fields, seq, **options):
    return message(fields, seq, ours=True, **options)


@pytest.mark.parametrize("version", ["FIX.4.0", "FIX.4.1"])
def test_a_session_reject_before_fix_4_2_has_text_and_what_it_refuses(ask, version):
    log = [
        ours("D|11=C1|54=9", 7, version=version),
        message("3|45=7|58=bad side", 3, version=version),
    ]
    assert ask(QUERY, log) == [(3, "3", None, None, "bad side", None, 7, "D")]


@pytest.mark.parametrize("version", ["FIX.4.2", "FIX.4.3", "FIX.4.4", "FIXT.1.1"])
def test_session_and_business_rejects_have_reason_and_what_they_refuse(ask, version):
    log = [
        ours("D|11=C1|54=9", 7, version=version),
        ours("R|131=Q1", 8, version=version),
        message("3|45=7|371=54|372=D|373=5|58=bad side", 3, version=version),
        message("j|45=8|372=R|379=Q1|380=3|58=no quotes here", 4, version=version),
    ]
    query = QUERY.replace("from rejects", ", ref_tag_id, ref_msg_type from rejects")
    (session, business) = ask(query, log)
    assert session[:3] + session[4:] == (3, "3", "5", "bad side", None, 7, "D", "54", "D")
    assert session[3].startswith("Value is incorrect")
    assert business == (4, "j", "3", "Unsupported message type", "no quotes here", "Q1", 8, "R",
                        None, "R")  # fmt: skip


@pytest.mark.parametrize("version", ["FIX.4.0", "FIX.4.1", "FIX.4.2", "FIX.4.4", "FIXT.1.1"])
def test_orders_and_cancels_are_refused_by_cl_ord_id(ask, version):
    old, none = version < "FIX.4.3", version == "FIX.4.0"
    trans = "20=0|" if old else ""
    kind = "" if none else "150=8|"
    status = "20=3|39=8|" + kind if old else "150=I|39=8|"
    log = [
        ours("D|11=C1|55=IBM|54=1", 7, version=version),
        ours("F|11=C2|41=C1|55=IBM|54=1", 8, version=version),
        message(f"8|37=O1|17=E1|11=C1|{trans}{kind}39=8|103=1|58=what is IBM?", 3, version=version),
        message("9|37=NONE|11=C2|41=C1|39=8|102=1|58=too late", 4, version=version),
        message(f"8|37=O1|17=0|11=C1|{status}103=1", 5, version=version),
        message(f"8|37=O2|17=E2|11=C9|{trans}{kind}39=8|103=0", 6, version=version),
    ]
    assert ask(QUERY, log) == [
        (3, "8", "1", "Unknown symbol", "what is IBM?", "C1", 7, "D"),
        (4, "9", "1", "Unknown order", "too late", "C2", 8, "F"),
        (6, "8", "0", "Broker/exchange option", None, "C9", None, None),
    ]


def test_a_report_of_another_type_about_a_refused_order_is_no_reject(ask):
    log = [message("8|37=O|17=E|11=C|150=4|39=8", 1), message("8|37=O|17=F|11=C|150=D|39=8", 2)]
    assert ask(QUERY, log) == []


@pytest.mark.parametrize(
    ("refused", "reject", "accept", "reason", "key"),
    [
        ("V|262=M|263=1", "Y|262=M|281=0", None, "Unknown symbol", "M"),
        ("R|131=Q", "AG|131=Q|658=1", None, "Unknown symbol", "Q"),
        ("i|117=Q", "b|117=Q|297=5|300=1", "b|117=Q|297=0", "Unknown symbol", "Q"),
        ("S|117=Q", "AI|117=Q|297=5|300=1", "AI|117=Q|297=0", "Unknown symbol", "Q"),
        ("q|11=C|530=7", "r|11=C|530=7|531=0|532=0", "r|11=C|531=7", "Mass cancel not supported",
         "C"),
        ("E|66=L", "N|66=L|431=7", "N|66=L|431=3", None, "L"),
        ("J|70=A", "P|70=A|87=2|88=0", "P|70=A|87=0", "Unknown account", "A"),
        ("AE|571=T", "AR|571=T|939=1|751=4", "AR|571=T|939=0", "Invalid trade type", "T"),
        ("AD|568=T", "AQ|568=T|750=2|749=9", "AQ|568=T|750=0|749=0", "Not authorized", "T"),
        ("AK|664=K", "AU|664=K|940=2|774=1", "AU|664=K|940=3", "Mismatched account", "K"),
        ("J|70=A", "AS|755=P|70=A|87=1|88=0", "AS|755=P|70=A|87=0", "Unknown account", "A"),
        ("AS|755=P|87=0", "AT|755=P|87=2|88=0", "AT|755=P|87=0", "Unknown account", "P"),
        ("8|37=O|17=E|150=F|39=2|32=1|31=1", "BN|37=O|17=E|1036=2|127=A", "BN|37=O|17=E|1036=1",
         "Unknown symbol", "E"),
        ("c|320=S|321=0", "d|320=S|322=x|323=5", "d|320=S|322=x|323=1", None, "S"),
        ("x|320=S|559=0", "y|320=S|322=x|560=1", "y|320=S|322=x|560=2",
         "Invalid or unsupported request", "S"),
        ("z|320=S|559=0", "AA|320=S|322=x|560=1", "AA|320=S|322=x|560=0",
         "Invalid or unsupported request", "S"),
        ("g|335=T|263=0", "h|335=T|336=1|340=6|567=99", "h|335=T|336=1|340=2", "Other", "T"),
        ("AV|791=I", "T|791=I|777=x|160=5|792=1", "T|791=I|777=x|160=1", "Unknown account", "I"),
        ("BE|923=U|924=1|553=me", "BF|923=U|553=me|926=3", "BF|923=U|553=me|926=1",
         "User not recognised", "U"),
        ("8|37=O|17=E|150=F|39=2|32=1|31=1", "Q|37=O|17=E|127=D", None, "No matching order", "E"),
    ],
)  # fmt: skip
def test_other_types_of_rejects_find_their_requests(ask, refused, reject, accept, reason, key):
    log = [ours(refused, 7), message(reject, 3), *([message(accept, 4)] if accept else [])]
    kind, refused_type = reject.partition("|")[0], refused.partition("|")[0]
    ((seq, msg_type, _, name, _, ref_id, ref, ref_type),) = ask(QUERY, log)
    assert (seq, msg_type, name, ref_id, ref, ref_type) == (3, kind, reason, key, 7, refused_type)


def test_an_allocation_that_fix_4_2_accepts_in_part_is_no_reject(ask):
    log = [
        message("P|70=A|87=2|88=0", 3, version="FIX.4.2"),
        message("P|70=A|87=1|88=0", 4, version="FIX.4.2"),
    ]
    assert [row[0] for row in ask(QUERY, log)] == [4]


def test_msg_types_and_identifiers_are_compared_exactly(ask):
    log = [ours("r|262=M", 7), ours("V|262=m", 8), ours("R|131=M", 9), message("Y|262=M", 3)]
    assert ask(QUERY, log) == [(3, "Y", None, None, None, "M", None, None)]


def test_the_nearest_message_before_is_meant_in_the_other_direction_of_the_session(ask):
    log = [
        ours("D|11=C1", 7, time="20250102-09:00:00"),
        message("D|11=C1", 7, time="20250102-09:30:00"),  # the direction of the reject
        ours("0", 7, time="20250102-09:30:00").replace("FIX.4.4", "FIX.4.2"),
        ours("D|11=C2", 7, time="20250102-09:29:59"),  # after a reset
        message("3|45=7", 3),
        ours("D|11=C3", 7, time="20250102-09:30:00"),
    ]
    query = "select m.cl_ord_id from rejects join messages m on m.message_id = rejected_message_id"
    assert ask(query, log) == [("C2",)]


def test_another_file_may_have_the_message_by_another_clock(ask):
    outgoing = [
        ours("D|11=C1", 7, time="20250101-09:30:00"),
        ours("D|11=C2", 7, time="20250102-09:30:01"),
        ours("D|11=C3", 7, time="20250102-09:33:00"),
    ]
    query = "select m.cl_ord_id from rejects join messages m on m.message_id = rejected_message_id"
    assert ask(query, [message("3|45=7", 3)], outgoing) == [("C2",)]


def test_copies_of_a_reject_are_one(ask):
    reject = message("3|45=7|58=x", 3)
    log = [
        reject,
        reject,
        message("3|45=7|58=x", 3, time="20250102-10:00:00", more="43=Y|122=20250102-09:30:00.000|"),
        message("3|45=7|58=x", 3, time="20250103-09:30:00"),
        message("3|45=8|58=x", 4, time="20250103-10:00:00", more="43=Y|122=20250103-09:31:00|"),
    ]
    query = "select sending_time_us, ref_seq_num from rejects order by 1"
    first, day, half_hour = 1_735_810_200_000_000, 86_400_000_000, 1_800_000_000
    assert ask(query, log) == [(first, 7), (first + day, 7), (first + day + half_hour, 8)]


@pytest.mark.parametrize("version", ["FIX.4.2", "FIX.4.4", "FIXT.1.1"])
def test_a_business_reject_without_ref_seq_num_finds_what_it_refuses_by_identifier(ask, version):
    log = [
        ours("F|11=C1|41=C0", 6, version=version),
        ours("D|11=C1|55=IBM", 7, version=version),
        ours("G|11=C1|41=C0", 8, version=version),
        ours("R|131=C1", 9, version=version),
        ours("V|262=M1|263=1", 10, version=version),
        message("j|372=D|379=C1|380=0", 3, version=version),
        message("j|372=V|379=M1|380=3", 4, version=version),
        message("j|372=D|379=C9|380=0", 5, version=version),
        message("j|372=D|380=0", 6, version=version),
        message("j|45=8|372=G|379=C1|380=0", 7, version=version),
        message("j|372=U7|379=C1|380=0", 8, version=version),
    ]
    assert [(row[0], *row[5:]) for row in ask(QUERY, log)] == [
        (3, "C1", 7, "D"),
        (4, "M1", 10, "V"),
        (5, "C9", None, None),
        (6, None, None, None),
        (7, "C1", 8, "G"),
        (8, "C1", None, None),
    ]
