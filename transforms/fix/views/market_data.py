"""The view `market_data`: a row for each entry of market data, and for each that is asked for.

Entries are those of NoMDEntries in snapshots (W) and incremental refreshes (X); of a request (V)
there is a row for each symbol and type of entry that it asks for.

The symbol of an entry, and `symbol_from`:

| symbol of | where | FIX |
|---|---|---|
| `entry` | the entry has one | |
| `MDEntryRefID`, `MDEntryID` | X: the last entry before, in the session, with the MDEntryID that the entry refers to: by MDEntryRefID, in a change or deletion else by MDEntryID | 4.2 and 4.4: "must be the same as a previous MDEntryID" |
| `entry before` | X: else that of the entry before it in the message | "the default is the instrument used in the previous Market Data Entry" |
| `message` | else that of the message, as always in W | |

FIX says so of new entries alone, but venues leave out the symbol of changes as well.
"""  # noqa: E501

from fixfeed.transforms.dialects import (
    entries,
    materialized,
    member,
    microseconds,
    name_of_code,
    number,
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
    number from 1; `symbol` and `symbol_from`; its action, type (with names), identifiers, price,
    size, date and time; and `fields`, the whole entry as a JSON object. Of a request `entry` counts
    the symbols, and `fields` is what it says of the symbol.
    """
    md = entries(dialect, "m.fields", "NoMDEntries", "e")
    symbols = entries(dialect, "m.fields", "NoRelatedSym", "s")
    types = entries(dialect, "m.fields", "NoMDEntryTypes", "t")
    own = member(dialect, md.fields, "Symbol")
    action = member(dialect, md.fields, "MDUpdateAction")
    entry_id = member(dialect, md.fields, "MDEntryID")
    reference = f"""coalesce({member(dialect, md.fields, "MDEntryRefID")},
      case when {action} in ('1', '2') then {entry_id} end)"""
    requested = member(dialect, symbols.fields, "Symbol")
    moment = f"coalesce({microseconds(dialect, 'coalesce(m.captured_at, m.sending_time)')}, 0)"
    names = [name_of_code(dialect, NAMED_BY, code=code, message="t") for code in ("a", "c")]
    shown = f"""
  m.message_id, m.source_id, m.session, m.begin_string, m.appl_ver_id, m.direction,
  m.captured_at, m.sending_time, m.msg_seq_num, m.poss_dup_flag, m.msg_type,
  {member(dialect, "m.fields", "MDReqID")} as md_req_id"""
    return f"""with updates as {materialized(dialect)} (
  select m.message_id, coalesce(m.session, '') as session, {moment} as moment,
    {md.number} as entry, {own} as own, {entry_id} as md_entry_id,
    case when {own} is null then {reference} end as reference, {md.fields} as fields
  from messages m cross join {md.source} where m.msg_type = 'X' and {md.condition}
), grouped as (
  select *, count(coalesce(own, reference)) over (partition by message_id order by entry) as place
  from updates
), named as (
  select *, max(own) over (partition by message_id, place) as symbol from grouped
), known as (
  select session, moment, message_id, entry, md_entry_id, symbol from named
  where md_entry_id is not null and symbol is not null
  union all
  select coalesce(m.session, ''), {moment}, m.message_id, {md.number},
    {entry_id}, coalesce({own}, m.symbol)
  from messages m cross join {md.source}
  where m.msg_type = 'W' and {md.condition} and {entry_id} is not null
), found as (
  select u.message_id, u.entry, k.symbol, row_number() over (
      partition by u.message_id, u.entry
      order by k.moment desc, k.message_id desc, k.entry desc) as choice
  from updates u cross join known k
  where u.reference is not null and u.reference = k.md_entry_id and u.session = k.session
    and (k.moment < u.moment
    or k.moment = u.moment and (k.message_id < u.message_id
      or k.message_id = u.message_id and k.entry < u.entry))
), looked_up as (
  select u.*, f.symbol, count(coalesce(u.own, f.symbol)) over (
    partition by u.message_id order by u.entry) as place
  from updates u left join found f
    on f.message_id = u.message_id and f.entry = u.entry and f.choice = 1
), carried as (
  select message_id, entry, fields, own, symbol is not null as referred,
    max(coalesce(own, symbol)) over (partition by message_id, place) as symbol
  from looked_up
), together as (
  select {shown}, {md.number} as entry, coalesce({own}, m.symbol) as symbol,
    case when {own} is not null then 'entry' when m.symbol is not null then 'message' end
      as symbol_from, {_values(dialect, md.fields)}, {md.fields} as fields
  from messages m cross join {md.source} where m.msg_type = 'W' and {md.condition}
  union all
  select {shown}, c.entry, coalesce(c.symbol, m.symbol),
    case when c.own is not null then 'entry' when c.referred then 'MDEntryID'
      when c.symbol is not null then 'entry before' when m.symbol is not null then 'message' end,
    {_values(dialect, "c.fields")}, c.fields
  from carried c cross join messages m where m.message_id = c.message_id
  union all
  select {shown}, {symbols.number},
    coalesce({requested}, m.symbol),
    case when {requested} is not null then 'entry'
      when m.symbol is not null then 'message' end,
    {_values(dialect, symbols.fields, requested=types.fields)}, {symbols.fields}
  from messages m cross join {symbols.source} cross join {types.source}
  where m.msg_type = 'V' and {symbols.condition} and {types.condition}
)
select t.*, {names[0]} as md_update_action_name, {names[1]} as md_entry_type_name
from together t
left join codes a on a.field = 'MDUpdateAction' and a.value = t.md_update_action
left join codes c on c.field = 'MDEntryType' and c.value = t.md_entry_type"""


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
