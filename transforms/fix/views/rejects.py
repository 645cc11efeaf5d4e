"""The view `rejects`: a row for each message that refuses another one, with reason and answer.

| message | is a reject | reason |
|---|---|---|
| Reject (3), BusinessMessageReject (j) | always | SessionRejectReason, BusinessRejectReason |
| ExecutionReport (8) | ExecType 8, or without ExecType OrdStatus 8; no status | OrdRejReason |
| OrderCancelReject (9), DontKnowTrade (Q) | always | CxlRejReason, DKReason |
| others of `REJECTS` | as their status says | their own |

What is refused is a message in the opposite direction of the same session (CompIDs exchanged): the
one with RefSeqNum as its MsgSeqNum, or with the same identifier (ClOrdID, MDReqID ...), in a type
that such a reject answers. A BusinessMessageReject need not have RefSeqNum: then it is the message
of type RefMsgType with BusinessRejectRefID as its identifier. Both repeat, so the nearest before
the reject is meant: before it in its source, or, in another source, up to two minutes later by the
clock of the other party (that is what engines allow clocks to differ). Times are those of the
capture, else SendingTime.

Messages of one session with the same MsgSeqNum, type and SendingTime (of a copy: OrigSendingTime)
are copies of one, and a row.
"""

from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

from fixfeed.transforms.dialects import materialized, member, microseconds, name_of_code, seconds
from fixfeed.transforms.fix.dictionary.codes import NAMED_BY
from fixfeed.transforms.fix.schema import COLUMNS

__all__ = ["REJECTS", "REQUESTS", "select"]


class Reject(NamedTuple):
    """A type of message that refuses another one.

    `reason` is the field with the reason, and `key` the one that the refused message has as well.
    It is a reject if `status` has one of `values`; always if there is no `status`.
    """

    msg_type: str
    reason: str
    key: str
    status: str = ""
    values: tuple[str, ...] = ()


_REFUSED = ("1", "3", "4", "5")
"""SecurityRequestResult of a refusal: 2 is an answer, that there are no such instruments."""

REJECTS = (
    Reject("3", "SessionRejectReason", "RefSeqNum"),
    Reject("j", "BusinessRejectReason", "RefSeqNum"),
    Reject("8", "OrdRejReason", "ClOrdID"),
    Reject("9", "CxlRejReason", "ClOrdID"),
    Reject("r", "MassCancelRejectReason", "ClOrdID", "MassCancelResponse", ("0",)),
    Reject("BZ", "MassActionRejectReason", "ClOrdID", "MassActionResponse", ("0",)),
    Reject("N", "ListRejectReason", "ListID", "ListOrderStatus", ("7",)),
    Reject("Q", "DKReason", "ExecID"),
    Reject("Y", "MDReqRejReason", "MDReqID"),
    Reject("AG", "QuoteRequestRejectReason", "QuoteReqID"),
    Reject("b", "QuoteRejectReason", "QuoteID", "QuoteStatus", ("5",)),
    Reject("AI", "QuoteRejectReason", "QuoteID", "QuoteStatus", ("5",)),
    Reject("P", "AllocRejCode", "AllocID", "AllocStatus", ("1", "2", "5")),
    Reject("AS", "AllocRejCode", "AllocID", "AllocStatus", ("1", "2", "5")),
    Reject("AT", "AllocRejCode", "AllocReportID", "AllocStatus", ("1", "2", "5")),
    Reject("AR", "TradeReportRejectReason", "TradeReportID", "TrdRptStatus", ("1",)),
    Reject("AQ", "TradeRequestResult", "TradeRequestID", "TradeRequestStatus", ("2",)),
    Reject("AU", "ConfirmRejReason", "ConfirmID", "AffirmStatus", ("2",)),
    Reject("AO", "PosReqResult", "PosReqID", "PosReqStatus", ("2",)),
    Reject("AM", "PosMaintResult", "PosReqID", "PosMaintStatus", ("2",)),
    Reject("AZ", "CollAsgnRejectReason", "CollAsgnID", "CollAsgnRespType", ("3",)),
    Reject("BG", "CollInquiryResult", "CollInquiryID", "CollInquiryStatus", ("4",)),
    Reject("p", "RegistRejReasonCode", "RegistID", "RegistStatus", ("R",)),
    Reject("BN", "DKReason", "ExecID", "ExecAckStatus", ("2",)),
    Reject("d", "SecurityRejectReason", "SecurityReqID", "SecurityResponseType", ("5",)),
    Reject("y", "SecurityRequestResult", "SecurityReqID", "SecurityRequestResult", _REFUSED),
    Reject("AA", "SecurityRequestResult", "SecurityReqID", "SecurityRequestResult", _REFUSED),
    Reject("h", "TradSesStatusRejReason", "TradSesReqID", "TradSesStatus", ("6",)),
    Reject("T", "SettlInstReqRejCode", "SettlInstReqID", "SettlInstMode", ("5",)),
    Reject("BF", "UserStatus", "UserRequestID", "UserStatus", ("3", "4")),
)
"""The types of messages that are rejects, as FIX 4.0 to 5.0 SP2 say.

AllocStatus 2 is none before FIX 4.4 (accepted in part). An answer that refuses single entries of a
group alone (a mass quote in parts) is no reject.
"""

REQUESTS = {
    "ClOrdID": ("D", "F", "G", "H", "AB", "AC", "CA", "q", "s", "t", "u"),
    "ListID": ("E", "K", "L"),
    "ExecID": ("8",),
    "MDReqID": ("V",),
    "QuoteReqID": ("R",),
    "QuoteID": ("S", "i"),
    "AllocID": ("J",),
    "AllocReportID": ("AS",),
    "TradeReportID": ("AE",),
    "TradeRequestID": ("AD",),
    "ConfirmID": ("AK",),
    "PosReqID": ("AL", "AN"),
    "CollAsgnID": ("AY",),
    "CollInquiryID": ("BB",),
    "RegistID": ("o",),
    "SecurityReqID": ("c", "x", "z"),
    "TradSesReqID": ("g",),
    "SettlInstReqID": ("AV",),
    "UserRequestID": ("BE",),
}
"""The types of messages that an identifier may be of."""

_COLUMNS = {column.field: column.name for column in COLUMNS}
_APART = 120_000_000  # microseconds


def select(dialect: str) -> str:
    """Return the query of the view, over `messages`, `codes` and `messages_named`.

    Its columns are those of `messages_named`, and

    * `reject_reason` and `reject_reason_name`: the code of the reason, and its name;
    * `ref_tag_id`, `ref_msg_type`: the field and type that it is about, where it says so;
    * `ref_id`: the identifier of what it refuses;
    * `rejected_message_id`, `rejected_msg_type`: the message that it refuses, null if it is not in
      the data.
    """
    of = partial(member, dialect, "m.fields")
    moment = microseconds(dialect, "coalesce(m.captured_at, m.sending_time)")
    sent = (
        f"case when m.poss_dup_flag then substr({of('OrigSendingTime')}, 1, 17) end,"
        f" {seconds(dialect, 'm.sending_time')}"
    )
    by_id = "m.msg_type = 'j' and m.ref_seq_num is null"
    of_type = _of_request(dialect, REQUESTS, "'{}'", msg_type=of("RefMsgType"))
    columns = "m.message_id, m.source_id, m.session, m.msg_type, m.msg_seq_num, m.begin_string"
    found = f"""r.message_id as reject_id, m.message_id, m.msg_type, {moment} as moment
  from"""
    near = f"""m.begin_string = r.begin_string
    and m.msg_type = coalesce(r.answered_type, m.msg_type)
    and m.sender_comp_id = r.target_comp_id and m.target_comp_id = r.sender_comp_id
    and (m.source_id = r.source_id and m.message_id < r.message_id
      or m.source_id <> r.source_id and {moment} <= r.moment + {_APART})"""
    named = name_of_code(dialect, NAMED_BY, code="c", message="m")
    by_column = [field for field in REQUESTS if field in _COLUMNS]
    by_json = [field for field in REQUESTS if field not in _COLUMNS]
    # Rejects and what they answer are put together by a group, not by a join: PostgreSQL expects a
    # row of each, so it would join them row by row, for minutes on a million messages.
    return f"""with sent as (
  select {columns}, m.sender_comp_id, m.target_comp_id, m.ref_seq_num, {moment} as moment,
    case when m.poss_dup_flag then 1 else 0 end as repeated,
    coalesce({sent}) as sent,
    {_by_type(dialect, "reason", "'{}'")} as reason_field,
    {_by_type(dialect, "reason", "{}", value=True)} as reason,
    case when {by_id} then {of_type} else {_by_type(dialect, "key", "'{}'")} end as ref_field,
    case when {by_id} then {of("BusinessRejectRefID")}
      else {_by_type(dialect, "key", "{}", value=True)} end as ref_id,
    case when {by_id} then {of("RefMsgType")} end as answered_type
  from messages m
  where m.msg_type in ({_listed(one.msg_type for one in REJECTS)}) and {_is_reject(dialect)} = 1
), numbered as (
  select *, row_number() over (
    partition by session, msg_type, msg_seq_num, sent,
      case when session is null or msg_seq_num is null or sent is null then message_id end
    order by repeated, message_id) as copy from sent
), rejected as {materialized(dialect)} (
  select * from numbered where copy = 1
), candidates as (
  select {found} messages m cross join rejected r
  where m.msg_seq_num = r.ref_seq_num and r.ref_field = 'RefSeqNum' and {near}
{"".join(_matched(dialect, field, found, near) for field in by_column)}  union all
  select {found} messages m cross join rejected r
  where m.msg_type in ({_listed(one for field in by_json for one in REQUESTS[field])})
    and r.ref_id = {_of_request(dialect, by_json, "{}", value=True)}
    and r.ref_field = {_of_request(dialect, by_json, "'{}'")} and {near}
), nearest as (
  select *, row_number() over (
    partition by reject_id order by moment desc nulls last, message_id desc) as choice
  from candidates
), parts as (
  select message_id, reason_field, reason, ref_id, cast(null as bigint) as rejected_message_id,
    cast(null as text) as rejected_msg_type from rejected
  union all
  select reject_id, null, null, null, message_id, msg_type from nearest where choice = 1
), answered as {materialized(dialect)} (
  select message_id, max(reason_field) as reason_field, max(reason) as reason,
    max(ref_id) as ref_id, max(rejected_message_id) as rejected_message_id,
    max(rejected_msg_type) as rejected_msg_type
  from parts group by message_id
)
select m.*, r.reason as reject_reason, {named} as reject_reason_name,
  {of("RefTagID")} as ref_tag_id, {of("RefMsgType")} as ref_msg_type,
  coalesce(r.ref_id, {of("BusinessRejectRefID")}) as ref_id,
  r.rejected_message_id, r.rejected_msg_type
from answered r cross join messages_named m
left join codes c on c.field = r.reason_field and c.value = r.reason
where m.message_id = r.message_id"""


def _value(dialect: str, field: str) -> str:
    return f"m.{_COLUMNS[field]}" if field in _COLUMNS else member(dialect, "m.fields", field)


def _listed(values: Iterable[str]) -> str:
    return ", ".join(f"'{value}'" for value in values)


def _by_type(dialect: str, attribute: str, form: str, *, value: bool = False) -> str:
    """Return what `form` makes of a field of each type of reject: its name, or its `value`."""
    cases = []
    for one in REJECTS:
        field = getattr(one, attribute)
        if not (value and field == "RefSeqNum"):
            then = form.format(_value(dialect, field) if value else field)
            cases.append(f"when '{one.msg_type}' then {then}")
    return f"case m.msg_type {' '.join(cases)} end"


def _is_reject(dialect: str) -> str:
    order = (
        "case when (m.exec_type = '8' or m.exec_type is null and m.ord_status = '8')"
        " and coalesce(m.exec_trans_type, '0') = '0' then 1 end"
    )
    allocation = "case when {} = '1' or {} in ('2', '5') and m.begin_string >= 'FIX.4.4' then 1 end"
    cases = []
    for one in REJECTS:
        if one.msg_type == "8":
            then = order
        elif one.msg_type == "P":
            then = allocation.replace("{}", _value(dialect, one.status))
        elif one.status:
            then = f"case when {_value(dialect, one.status)} in ({_listed(one.values)}) then 1 end"
        else:
            then = "1"
        cases.append(f"when '{one.msg_type}' then {then}")
    return f"case m.msg_type {' '.join(cases)} end"


def _of_request(
    dialect: str,
    fields: Iterable[str],
    form: str,
    *,
    value: bool = False,
    msg_type: str = "m.msg_type",
) -> str:
    """Return what `form` makes of the identifier of each type of request: its name, or `value`."""
    cases = [
        f"when '{one}' then {form.format(_value(dialect, field) if value else field)}"
        for field in fields
        for one in REQUESTS[field]
    ]
    return f"case {msg_type} {' '.join(cases)} end"


def _matched(dialect: str, field: str, found: str, near: str) -> str:
    """Return the part of the candidates that have an identifier in a column."""
    return f"""  union all
  select {found} rejected r cross join messages m
  where {_value(dialect, field)} = r.ref_id and r.ref_field = '{field}'
    and m.msg_type in ({_listed(REQUESTS[field])}) and {near}
"""
