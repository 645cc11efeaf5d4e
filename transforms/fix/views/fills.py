"""The view `fills`: a row for each fill that counts, after busts and corrections.

Execution reports (35=8) alone are looked at. Which of them is what:

| is | FIX 4.0 to 4.2 | from FIX 4.3 on |
|---|---|---|
| fill | ExecType 1 or 2; without ExecType (FIX 4.0), LastShares above 0 | ExecType F |
| correction | ExecTransType 2 | ExecType G |
| bust | ExecTransType 1 | ExecType H |
| nothing of these | ExecTransType 3 (status), all others | ExecType I (status), all others |

The fields decide, not the version: venues send ExecType F in FIX 4.2, and ExecType 1 in FIX 4.4.
A report of a quantity of 0 is no fill, and what is corrected to 0 is none any more. Nor is one of a
stopped order (OrdStatus 7) whose CumQty is below LastShares: before FIX 4.3 it guarantees this
quantity, and the fill comes after it (FIX 4.2, appendix D, D37). FIX 4.0 has no
ExecType, and engines repeat the last LastShares there when an order ends: so without ExecType a
report is no fill if its OrdStatus says that it is about something else (`_NO_FILL`). With one that
a fill may have as well (`_REPEATING`) it is none if its CumQty is that of the report before, of the
same session and OrderID, and not below its LastShares: a fill would have made it greater.

FIX wants an ExecID to be unique within a day or the life of an order (4.2 and 4.4, ExecID), as far
as the party goes that gives it: that is the session, and behind a hub the OnBehalfOfCompID,
DeliverToCompID, SenderSubID and TargetSubID. So reports of the same party, day, OrderID and ExecID
are copies (PossDup, PossResend, one log read from both ends) and count once. The day is TradeDate,
else that of TransactTime, of OrigSendingTime or of SendingTime. A copy that has SendingTime alone
may come after midnight: it has the day of a report with the same quantity and price in the two days
before, if there is one. A report without ExecID is known by its MsgSeqNum. Corrections of the same
ExecID are copies if they have the same MsgSeqNum, or are PossResend, with the same quantity and
price: a venue may correct 10 to 20, back to 10, and to 20 again.

A correction or bust names the report that it is about by ExecRefID, within its session and the
OnBehalfOfCompID and DeliverToCompID that it has; among several with that ExecID, one with its
OrderID is meant, then one with its SubIDs, and the last one up to its day. It may come before that
report, and be about a correction. All that are about one another are one fill: if one of them is a
bust, nothing counts, else the correction that no other one is about, and of several the last one
sent. That is by SendingTime, of a copy that came alone by OrigSendingTime, then by MsgSeqNum. So a
venue may name the first report each time, or the one before.

Reports of legs (MultiLegReportingType 2) and of the whole multi-leg security (3) are rows each.
"""

from fixfeed.transforms.dialects import (
    day,
    materialized,
    member,
    microseconds,
    sent_microseconds,
)

__all__ = ["select"]

_NO_FILL = "'0', '3', '4', '5', '8', '9', 'A', 'B', 'C', 'D'"
"""OrdStatus of reports that are no fill: new, done for the day, cancelled, replaced, rejected ...

A fill has 1 or 2, or what is above them in the order of FIX: pending cancel (6), stopped (7).
"""

_REPEATING = "'6', '7', 'E'"
"""OrdStatus of reports that are fills or repeat one: pending cancel, stopped, pending replace."""

_KIND = f"""case
      when exec_trans_type = '1' then 'bust'
      when exec_trans_type = '2' then 'correction'
      when exec_trans_type = '3' then null
      when exec_type = 'H' then 'bust'
      when exec_type = 'G' then 'correction'
      when last_qty = 0 or ord_status = '7' and cum_qty < last_qty then null
      when exec_type in ('F', '1', '2') then 'fill'
      when exec_type is null and last_qty > 0
        and coalesce(ord_status, '') not in ({_NO_FILL})
        and message_id not in (select message_id from repeats) then 'fill'
    end"""

_PARTY = ", ".join(
    f"coalesce({column}, '') as {name}"
    for column, name in (
        ("on_behalf_of_comp_id", "on_behalf_of"),
        ("sender_sub_id", "sender_sub_id"),
        ("target_sub_id", "target_sub_id"),
    )
)
_SAMES = ("session", "on_behalf_of", "deliver_to", "sender_sub_id", "target_sub_id")
_SAME = ", ".join(_SAMES)
_APART = 172_800_000_000  # microseconds: how long after its report a copy may come


def _an_id(column: str) -> str:
    """Return an ExecID or ExecRefID, null for what is written where there is none."""
    return f"case when upper({column}) not in ('0', 'NONE') then {column} end"


def select(dialect: str) -> str:
    """Return the query of the view, over `messages` and `messages_named`.

    Its columns are those of `messages_named`, for the report that counts, and

    * `original_message_id`: the report that was corrected, the report itself if none was, null if
      it is not in the data;
    * `corrections`: how many corrections there were;
    * `drop_copy`: 1 if the report says that it is one (CopyMsgIndicator), else 0;
    * `multi_leg_reporting_type`: 1 (or null) a single security, 2 a leg, 3 the whole of the legs.
    """
    once = materialized(dialect)
    copied = member(dialect, "m.fields", "CopyMsgIndicator")
    legs = member(dialect, "m.fields", "MultiLegReportingType")
    original = member(dialect, "fields", "OrigSendingTime")
    originally = sent_microseconds(dialect, original)
    sent = microseconds(dialect, "sending_time")
    days = (
        "cast(trade_date as text)",
        day(dialect, "transact_time"),
        f"case when {originally} is not null then substr({original}, 1, 4) || '-'"
        f" || substr({original}, 5, 2) || '-' || substr({original}, 7, 2) end",
    )
    resent = f"coalesce({member(dialect, 'fields', 'PossResend')}, 'N') = 'Y'"
    return f"""with recursive without_kind as (
  select message_id, ord_status, last_qty, cum_qty, lag(cum_qty) over (
      partition by session, coalesce(order_id, cl_ord_id)
      order by coalesce(case when poss_dup_flag then {originally} end, {sent}) nulls last,
        msg_seq_num, message_id) as cum_before
  from messages where msg_type = '8' and exec_type is null and cum_qty is not null
), repeats as {once} (
  select message_id from without_kind
  where ord_status in ({_REPEATING}) and cum_qty = cum_before and cum_qty >= last_qty
), reports as (
  select message_id, {_PARTY}, coalesce(session, '') as session,
    coalesce({member(dialect, "fields", "DeliverToCompID")}, '') as deliver_to,
    coalesce(order_id, '') as order_id,
    coalesce({_an_id("exec_id")}, 'MsgSeqNum ' || msg_seq_num, 'message ' || message_id) as exec_id,
    coalesce({_an_id("exec_ref_id")}, {_an_id("exec_id")}) as exec_ref_id,
    last_qty, last_px, msg_seq_num, sending_time,
    case when {resent} then 1 else 0 end as resent,
    case when poss_dup_flag or {resent} then 1 else 0 end as repeated,
    {sent} as sent_as_is,
    coalesce(case when poss_dup_flag or {resent} then {originally} end, {sent}) as sent,
    case when last_qty = 0 then 0
      when exec_type in ('F', 'G', '1', '2') or last_qty > 0 then 1 end as filled,
    coalesce({", ".join(days)}) as said_day, {day(dialect, "sending_time")} as sent_day,
    {_KIND} as kind
  from messages where msg_type = '8'
), dated as (
  select *, case
      when said_day is not null then said_day
      when repeated = 0 then sent_day
      else coalesce(max(case when said_day is not null or repeated = 0
        then coalesce(said_day, sent_day) end) over before, min(sent_day) over before)
    end as day
  from reports where kind is not null
  window before as (
    partition by exec_id, order_id, {_SAME}, kind, last_qty, last_px
    order by sent_as_is range between {_APART} preceding and current row)
), numbered as (
  select *, lag(message_id) over same as copy_of, lag(msg_seq_num) over same as seq_before
  from dated
  window same as (
    partition by exec_id, order_id, {_SAME}, day, kind,
      case when kind = 'correction' then last_qty end,
      case when kind = 'correction' then last_px end
    order by case when kind = 'correction' then resent end,
      case when kind = 'correction' then msg_seq_num end,
      repeated, sending_time nulls last, message_id)
), executions as {once} (
  select * from numbered where copy_of is null or kind = 'correction' and resent = 0
    and coalesce(msg_seq_num, 0) <> coalesce(seq_before, 0)
), candidates as (
  select c.message_id, {", ".join(f"c.{name}" for name in _SAMES)}, c.order_id, c.exec_ref_id,
    c.kind, c.filled, c.sent, c.msg_seq_num, e.message_id as target,
    row_number() over (partition by c.message_id order by
      case when e.order_id = c.order_id then 0 else 1 end,
      case when e.sender_sub_id = c.sender_sub_id then 0 else 1 end
        + case when e.target_sub_id = c.target_sub_id then 0 else 1 end,
      case when e.on_behalf_of = c.on_behalf_of then 0 else 1 end
        + case when e.deliver_to = c.deliver_to then 0 else 1 end,
      case when e.day <= c.day then 0 else 1 end,
      case when e.day <= c.day then e.day end desc, e.day,
      e.kind desc, e.message_id) as choice
  from executions c left join executions e on e.exec_id = c.exec_ref_id
    and e.session = c.session and c.on_behalf_of in ('', e.on_behalf_of)
    and c.deliver_to in ('', e.deliver_to) and e.kind <> 'bust' and e.message_id <> c.message_id
    and (e.kind = 'fill' or c.kind = 'bust' or c.exec_ref_id <> c.exec_id)
  where c.kind <> 'fill'
), links as {once} (
  select message_id, kind, filled, sent, msg_seq_num,
    coalesce(target, -min(message_id) over (
      partition by {_SAME}, order_id, exec_ref_id)) as target
  from candidates where choice = 1
), chain as (
  select message_id, target as ancestor from links
  union
  select c.message_id, l.target from chain c join links l on l.message_id = c.ancestor
), roots as (
  select c.message_id, min(case when l.message_id is null then c.ancestor end) as first,
    min(c.ancestor) as least
  from chain c left join links l on l.message_id = c.ancestor group by c.message_id
), changes as {once} (
  select l.message_id, l.filled, coalesce(r.first, r.least) as root,
    case when r.first > 0 then r.first end as original_message_id,
    max(case when l.kind = 'bust' then 1 else 0 end) over same as busted,
    sum(case when l.kind = 'correction' then 1 else 0 end) over same as corrections,
    row_number() over (partition by coalesce(r.first, r.least) order by
      case when l.message_id in (select target from links where kind = 'correction')
        then 1 else 0 end,
      l.sent desc nulls last, l.msg_seq_num desc nulls last, l.message_id desc) as latest
  from roots r join links l on l.message_id = r.message_id
  window same as (partition by coalesce(r.first, r.least))
), counted as (
  select message_id, message_id as original_message_id, 0 as corrections from executions
  where kind = 'fill' and message_id not in (select root from changes)
  union all
  select message_id, original_message_id, corrections from changes
  where busted = 0 and latest = 1
    and (filled = 1 or filled is null and original_message_id is not null)
)
select m.*, c.original_message_id, cast(c.corrections as integer) as corrections,
  case when {copied} = 'Y' then 1 else 0 end as drop_copy,
  {legs} as multi_leg_reporting_type
from counted c cross join messages_named m where m.message_id = c.message_id"""
