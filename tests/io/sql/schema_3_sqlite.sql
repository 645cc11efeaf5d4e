create table schema_version (version integer not null);
insert into schema_version values (3);
create table messages (
  message_id integer primary key,
  source_id integer not null,
  session text,
  direction text,
  captured_at text,
  ingested_at text,
  begin_string text,
  msg_type text,
  sender_comp_id text,
  sender_sub_id text,
  target_comp_id text,
  target_sub_id text,
  msg_seq_num integer,
  poss_dup_flag integer,
  sending_time text,
  transact_time text,
  cl_ord_id text,
  orig_cl_ord_id text,
  order_id text,
  exec_id text,
  exec_ref_id text,
  exec_trans_type text,
  exec_type text,
  ord_status text,
  symbol text,
  security_id text,
  side text,
  ord_type text,
  time_in_force text,
  order_qty real,
  price real,
  stop_px real,
  last_qty real,
  last_px real,
  cum_qty real,
  leaves_qty real,
  avg_px real,
  account text,
  currency text,
  text text,
  fields text not null,
  defects text,
  enriched text,
  masked text,
  prefix text,
  raw blob not null
);
create table failures (
  failure_id integer primary key,
  source_id integer not null,
  reason text not null,
  detail text,
  raw blob not null
);
create table source_identities (
  source_id integer primary key,
  kind text not null,
  name text not null,
  fingerprint text not null,
  place text not null,
  file_id text not null,
  digests text not null,
  stored_end text not null default '',
  claim text not null default '',
  first_seen text not null,
  last_seen text not null
);
create table progress (
  source_id integer not null,
  rules text not null,
  start integer not null,
  "end" integer not null,
  stored integer not null,
  filtered integer not null,
  failed integer not null,
  skipped integer not null,
  witnesses text not null,
  primary key (source_id, "end")
);
create view sources as select s.source_id, s.kind, s.name, s.fingerprint,
  cast(coalesce(sum(p."end" - p.start), 0) as integer) as bytes,
  cast(coalesce(sum(p.stored), 0) as integer) as stored,
  cast(coalesce(sum(p.filtered), 0) as integer) as filtered,
  (select count(*) from failures f where f.failure_id >= s.source_id * 1099511627776 and f.failure_id < (s.source_id + 1) * 1099511627776) as failed,
  cast(coalesce(sum(p.skipped), 0) as integer) as skipped,
  s.first_seen, s.last_seen
from source_identities s left join progress p on p.source_id = s.source_id
group by s.source_id;
create table runs (
  run_id integer primary key,
  started_at text not null,
  ended_at text,
  version text not null,
  configuration text not null,
  counts text,
  ended text
);
create table codes (
  field text not null,
  value text not null,
  name text not null,
  primary key (field, value)
);
create index messages_symbol on messages (symbol, sending_time) where symbol is not null;
create index messages_cl_ord_id on messages (cl_ord_id) where cl_ord_id is not null;
create index messages_orig_cl_ord_id on messages (orig_cl_ord_id) where orig_cl_ord_id is not null;
create view messages_named as select m.message_id, m.source_id, m.session, m.direction, m.captured_at, m.ingested_at, m.begin_string, m.msg_type, c_msg_type.name as msg_type_name, m.sender_comp_id, m.sender_sub_id, m.target_comp_id, m.target_sub_id, m.msg_seq_num, m.poss_dup_flag, m.sending_time, m.transact_time, m.cl_ord_id, m.orig_cl_ord_id, m.order_id, m.exec_id, m.exec_ref_id, m.exec_trans_type, c_exec_trans_type.name as exec_trans_type_name, m.exec_type, c_exec_type.name as exec_type_name, m.ord_status, c_ord_status.name as ord_status_name, m.symbol, m.security_id, m.side, c_side.name as side_name, m.ord_type, c_ord_type.name as ord_type_name, m.time_in_force, c_time_in_force.name as time_in_force_name, m.order_qty, m.price, m.stop_px, m.last_qty, m.last_px, m.cum_qty, m.leaves_qty, m.avg_px, m.account, m.currency, m.text, m.fields, m.defects, m.enriched, m.masked, m.prefix, m.raw
from messages m
left join codes c_msg_type on c_msg_type.field = 'MsgType' and c_msg_type.value = m.msg_type
left join codes c_exec_trans_type on c_exec_trans_type.field = 'ExecTransType' and c_exec_trans_type.value = m.exec_trans_type
left join codes c_exec_type on c_exec_type.field = 'ExecType' and c_exec_type.value = m.exec_type
left join codes c_ord_status on c_ord_status.field = 'OrdStatus' and c_ord_status.value = m.ord_status
left join codes c_side on c_side.field = 'Side' and c_side.value = m.side
left join codes c_ord_type on c_ord_type.field = 'OrdType' and c_ord_type.value = m.ord_type
left join codes c_time_in_force on c_time_in_force.field = 'TimeInForce' and c_time_in_force.value = m.time_in_force;
