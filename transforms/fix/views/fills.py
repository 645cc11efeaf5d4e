"""The view `fills`: a row for each fill that counts, after busts and corrections.

Execution reports (35=8) alone are looked at. Which of them is what:

| is | FIX 4.0 to 4.2 | from FIX 4.3 on |
|---|---|---|
| fill | ExecType 1 or 2; without ExecType (FIX 4.0), LastShares above 0 | ExecType F |
| correction | ExecTransType 2 | ExecType G |
| bust | ExecTransType 1 | ExecType H |
| nothing of these | ExecTransType 3 (status), all others | ExecType I (status), all others |

The fields decide, not the version: venues send ExecType F in FIX 4.2, and ExecType 1 in FIX 4.4.

FIX wants an ExecID to be unique within a day or the life of an order (4.2 and 4.4, ExecID). So
reports of the same session, day, OrderID and ExecID are copies (PossDup, PossResend, one log read
from both ends) and count once. The day is TradeDate, else that of TransactTime, of OrigSendingTime
or of SendingTime, which a copy has in common. A report without ExecID is known by its MsgSeqNum.

A correction or bust names the report that it is about by ExecRefID, within its session; among
several with that ExecID, one with its OrderID is meant, and the last one up to its day. It may come
before that report, and be about a correction. All that are about one another are one fill: if one
of them is a bust, nothing counts, else the correction that no other one is about, and of several
the last one sent. So a venue may name the first report each time, or the one before.
"""

from fixfeed.transforms.dialects import day, materialized, member

__all__ = ["select"]

_KIND = """case
      when exec_trans_type = '1' then 'bust'
      when exec_trans_type = '2' then 'correction'
      when exec_trans_type = '3' then null
      when exec_type = 'H' then 'bust'
      when exec_type = 'G' then 'correction'
      when exec_type in ('F', '1', '2') then 'fill'
      when exec_type is null and last_qty > 0 then 'fill'
    end"""


def select(dialect: str) -> str:
    """Return the query of the view, over `messages` and `messages_named`.

    Its columns are those of `messages_named`, for the report that counts, and

    * `original_message_id`: the report that was corrected, the report itself if none was, null if
      it is not in the data;
    * `corrections`: how many corrections there were;
    * `drop_copy`: 1 if the report says that it is one (CopyMsgIndicator), else 0.
    """
    once = materialized(dialect)
    copied = member(dialect, "m.fields", "CopyMsgIndicator")
    sent = member(dialect, "fields", "OrigSendingTime")
    days = (
        "cast(trade_date as text)",
        day(dialect, "transact_time"),
        f"substr({sent}, 1, 4) || '-' || substr({sent}, 5, 2) || '-' || substr({sent}, 7, 2)",
        day(dialect, "sending_time"),
    )
    return f"""with recursive reports as (
  select message_id, coalesce(session, '') as session, coalesce(order_id, '') as order_id,
    coalesce(exec_id, 'MsgSeqNum ' || msg_seq_num, 'message ' || message_id) as exec_id,
    coalesce(exec_ref_id, exec_id) as exec_ref_id, last_qty, last_px,
    case when poss_dup_flag then 1 else 0 end as repeated, sending_time,
    case when exec_type in ('F', 'G', '1', '2') or last_qty > 0 then 1 else 0 end as filled,
    coalesce({", ".join(days)}) as day,
    {_KIND} as kind
  from messages where msg_type = '8'
), numbered as (
  select *, row_number() over (
    partition by exec_id, order_id, session, day, kind,
      case when kind = 'correction' then last_qty end,
      case when kind = 'correction' then last_px end
    order by repeated, sending_time nulls last, message_id
  ) as copy from reports where kind is not null
), executions as {once} (
  select * from numbered where copy = 1
), candidates as (
  select c.message_id, c.session, c.order_id, c.exec_ref_id, c.kind, c.filled, c.sending_time,
    e.message_id as target,
    row_number() over (partition by c.message_id order by
      case when e.order_id = c.order_id then 0 else 1 end,
      case when e.day <= c.day then 0 else 1 end,
      case when e.day <= c.day then e.day end desc, e.day,
      e.kind desc, e.message_id) as choice
  from executions c left join executions e on e.exec_id = c.exec_ref_id
    and e.session = c.session and e.kind <> 'bust' and e.message_id <> c.message_id
  where c.kind <> 'fill'
), links as {once} (
  select message_id, kind, filled, sending_time, coalesce(target, -min(message_id) over (
    partition by session, order_id, exec_ref_id)) as target
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
      l.sending_time desc nulls last, l.message_id desc) as latest
  from roots r join links l on l.message_id = r.message_id
  window same as (partition by coalesce(r.first, r.least))
), counted as (
  select message_id, message_id as original_message_id, 0 as corrections from executions
  where kind = 'fill' and message_id not in (select root from changes)
  union all
  select message_id, original_message_id, corrections from changes
  where busted = 0 and latest = 1 and (original_message_id is not null or filled = 1)
)
select m.*, c.original_message_id, cast(c.corrections as integer) as corrections,
  case when {copied} = 'Y' then 1 else 0 end as drop_copy
from counted c cross join messages_named m where m.message_id = c.message_id"""
