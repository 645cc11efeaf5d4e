create table files (name text primary key, length integer not null, tail text not null);
create table sources (
  source_id integer primary key,
  kind text not null,
  name text not null,
  fingerprint text not null,
  mark_digests text not null default '',
  mark_size integer not null default 0,
  unique (kind, fingerprint)
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
  primary key (source_id, rules, "end")
);
create table unfinished (source_id integer primary key, start integer, "end" integer);
pragma user_version = 1;
