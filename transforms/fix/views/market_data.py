"""The view `market_data`: a row for each entry of market data, and for each that is asked for.

Entries are those of NoMDEntries in snapshots (W) and incremental refreshes (X); of a request (V)
there is a row for each symbol and type of entry that it asks for.

An entry is of the instrument that its Symbol and SecurityID name. Where it has neither, `symbol`
and `security_id` are found together; `symbol_from` says where:

| instrument of | where | FIX |
|---|---|---|
| `entry` | the entry has one of them, or both | |
| `MDEntryRefID`, `MDEntryID` | X: the last entry before, in the session and for the same MDReqID, with the MDEntryID that the entry refers to: by MDEntryRefID, in a change or deletion else by MDEntryID | 4.2 and 4.4: "must be the same as a previous MDEntryID" |
| `entry before` | X: else that of the entry before it in the message | "the default is the instrument used in the previous Market Data Entry" |
| `message` | else that of the message, as always in W | |

FIX says so of new entries alone, but venues leave out the instrument of changes as well. Where one
of the two messages has no MDReqID, the session is enough.

Before means sent before. A copy (PossDupFlag) was sent when OrigSendingTime says; one that does not
say it is not referred to, as it may be older than what came before it.
"""  # noqa: E501

from fixfeed.transforms.dialects import (
    entries,
    materialized,
    member,
    microseconds,
    name_of_code,
    number,
    sent_microseconds,
)
from fixfeed.transforms.fix.dictionary.codes import NAMED_BY

__all__ = ["select"]

_TEXTS = (
    "MDUpdateAction",
    "MDEntryType",
    "MDEntryID",
    "MDEntryRefID",
    "Currency",
)
_NUMBERS = ("MDEntryPx", "MDEntrySize")
_LAST = ("MDEntryDate", "MDEntryTime")


def select(dialect: str) -> str:
    """Return the query of the view, over `messages` and `codes`.

    Its columns are those of the message that tell it, `md_req_id`, and of the entry: `entry`, its
    number from 1; `symbol`, `security_id` and `symbol_from`; its action, type (with names),
    identifiers, price, size, date and time; and `fields`, the whole entry as a JSON object. Of a
    request `entry` counts the symbols, and `fields` is what it says of the symbol.
    """
    md = entries(dialect, "m.fields", "NoMDEntries", "e")
    symbols = entries(dialect, "m.fields", "NoRelatedSym", "s")
    types = entries(dialect, "m.fields", "NoMDEntryTypes", "t")
    own, own_id = (member(dialect, md.fields, field) for field in ("Symbol", "SecurityID"))
    action = member(dialect, md.fields, "MDUpdateAction")
    entry_id = member(dialect, md.fields, "MDEntryID")
    reference = f"""coalesce({member(dialect, md.fields, "MDEntryRefID")},
      case when {action} in ('1', '2') then {entry_id} end)"""
    asked, asked_id = (member(dialect, symbols.fields, field) for field in ("Symbol", "SecurityID"))
    request = member(dialect, "m.fields", "MDReqID")
    original = sent_microseconds(dialect, member(dialect, "m.fields", "OrigSendingTime"))
    came = microseconds(dialect, "coalesce(m.captured_at, m.sending_time)")
    # By one clock: a copy was sent as long before it came as its two times say.
    late = f"{microseconds(dialect, 'm.sending_time')} - {original}"
    moment = f"""coalesce({came}, 0)
      - case when m.poss_dup_flag then coalesce({late}, 0) else 0 end"""
    keys = f"""m.message_id, coalesce(m.session, '') as session, {request} as md_req_id,
    coalesce(m.msg_seq_num, 0) as msg_seq_num, {moment} as moment,
    case when m.poss_dup_flag and {late} is null then 0 else 1 end as dated"""
    names = [name_of_code(dialect, NAMED_BY, code=code, message="t") for code in ("a", "c")]
    shown = f"""
  m.message_id, m.source_id, m.session, m.begin_string, m.appl_ver_id, m.direction,
  m.captured_at, m.sending_time, m.msg_seq_num, m.poss_dup_flag, m.msg_type,
  {request} as md_req_id"""
    return f"""with updates as {materialized(dialect)} (
  select {keys}, {md.number} as entry, {own} as own, {own_id} as own_id,
    {entry_id} as md_entry_id, coalesce({own}, {own_id}) as named,
    case when {own} is null and {own_id} is null then {reference} end as reference,
    {md.fields} as fields
  from messages m cross join {md.source} where m.msg_type = 'X' and {md.condition}
), grouped as (
  select *, count(coalesce(named, reference)) over (partition by message_id order by entry) as place
  from updates
), carried_on as (
  select *, max(own) over (partition by message_id, place) as symbol,
    max(own_id) over (partition by message_id, place) as security_id
  from grouped
), known as (
  select message_id, session, md_req_id, msg_seq_num, moment, entry, md_entry_id,
    symbol, security_id from carried_on
  where dated = 1 and md_entry_id is not null and coalesce(symbol, security_id) is not null
  union all
  select message_id, session, md_req_id, msg_seq_num, moment, entry, md_entry_id, symbol,
    security_id
  from (
    select {keys}, {md.number} as entry, {entry_id} as md_entry_id,
      {_own(own, own_id, "m.symbol")} as symbol,
      {_own(own_id, own, "m.security_id")} as security_id
    from messages m cross join {md.source} where m.msg_type = 'W' and {md.condition}
  ) snapshots where dated = 1 and md_entry_id is not null
), found as (
  select u.message_id, u.entry, k.symbol, k.security_id, row_number() over (
      partition by u.message_id, u.entry
      order by case when k.md_req_id = u.md_req_id then 0 else 1 end,
        k.moment desc, k.msg_seq_num desc, k.message_id desc, k.entry desc) as choice
  from updates u cross join known k
  where u.reference is not null and u.reference = k.md_entry_id and u.session = k.session
    and coalesce(k.md_req_id = u.md_req_id, true)
    and (k.moment, k.msg_seq_num, k.message_id, k.entry)
      < (u.moment, u.msg_seq_num, u.message_id, u.entry)
), looked_up as (
  select u.*, f.symbol, f.security_id, count(coalesce(u.named, f.symbol, f.security_id)) over (
    partition by u.message_id order by u.entry) as place
  from updates u left join found f
    on f.message_id = u.message_id and f.entry = u.entry and f.choice = 1
), carried as (
  select message_id, entry, fields, named,
    coalesce(symbol, security_id) is not null as referred,
    max(coalesce(own, symbol)) over (partition by message_id, place) as symbol,
    max(coalesce(own_id, security_id)) over (partition by message_id, place) as security_id
  from looked_up
), together as (
  select {shown}, {md.number} as entry, {_own(own, own_id, "m.symbol")} as symbol,
    {_own(own_id, own, "m.security_id")} as security_id,
    {_origin(f"coalesce({own}, {own_id})")} as symbol_from,
    {_values(dialect, md.fields)}, {md.fields} as fields
  from messages m cross join {md.source} where m.msg_type = 'W' and {md.condition}
  union all
  select {shown}, c.entry, {_own("c.symbol", "c.security_id", "m.symbol")},
    {_own("c.security_id", "c.symbol", "m.security_id")},
    case when c.named is not null then 'entry' when c.referred then 'MDEntryID'
      when coalesce(c.symbol, c.security_id) is not null then 'entry before'
      else {_origin("null")} end,
    {_values(dialect, "c.fields")}, c.fields
  from carried c cross join messages m where m.message_id = c.message_id
  union all
  select {shown}, {symbols.number}, {_own(asked, asked_id, "m.symbol")},
    {_own(asked_id, asked, "m.security_id")}, {_origin(f"coalesce({asked}, {asked_id})")},
    {_values(dialect, symbols.fields, requested=types.fields)}, {symbols.fields}
  from messages m cross join {symbols.source} cross join {types.source}
  where m.msg_type = 'V' and {symbols.condition} and {types.condition}
)
select t.*, {names[0]} as md_update_action_name, {names[1]} as md_entry_type_name
from together t
left join codes a on a.field = 'MDUpdateAction' and a.value = t.md_update_action
left join codes c on c.field = 'MDEntryType' and c.value = t.md_entry_type"""


def _own(field: str, other: str, of_message: str) -> str:
    """Return one field of an instrument; that of the message only if there is no `other` either."""
    return f"coalesce({field}, case when {other} is null then {of_message} end)"


def _origin(named: str) -> str:
    return (
        f"case when {named} is not null then 'entry'"
        " when coalesce(m.symbol, m.security_id) is not null then 'message' end"
    )


def _values(dialect: str, fields: str, *, requested: str = "") -> str:
    """Return the columns of an entry; the type of one that is requested is in `requested`."""
    selected = []
    for field in (*_TEXTS, *_NUMBERS, *_LAST):
        place = requested if requested and field == "MDEntryType" else fields
        value = member(dialect, place, field)
        shown = number(dialect, value) if field in _NUMBERS else value
        selected.append(f"{shown} as {_column(field)}")
    return ", ".join(selected)


def _column(field: str) -> str:
    words = field.removeprefix("MD")
    snake = "".join(f"_{sign.lower()}" if sign.isupper() else sign for sign in words)
    snake = snake.replace("_i_d", "_id").lstrip("_")
    return f"md_{snake}" if field.startswith("MD") else snake
