-- Version 1. Blobs are bytes as the domain made them; no SQL looks into them.
create table head (
    one integer primary key check (one = 1),
    frontier blob not null,
    at integer not null,
    starts integer not null
) strict;

create table entry (
    seq integer primary key,
    bytes blob not null,
    leaf blob not null,
    project text,
    project_seq integer
) strict;
create unique index entry_project on entry (project, project_seq) where project is not null;

create table aggregate (
    kind text not null,
    id text not null,
    piece text not null,
    state blob not null,
    primary key (kind, id, piece)
) strict, without rowid;

-- What is open, with its nearest deadline: small, however long the history.
create table open (
    kind text not null,
    id text not null,
    due_at integer not null,
    primary key (kind, id)
) strict, without rowid;

create table command_key (
    project text not null,
    key text not null,
    seq integer not null,
    body blob not null,
    primary key (project, key)
) strict, without rowid;

create table value (
    digest blob primary key,
    bytes blob not null
) strict, without rowid;

-- A row holds from entry `from_seq` until the entry that replaces it; the current one has no `to_seq`.
create table reading (
    name text not null,
    key text not null,
    from_seq integer not null,
    to_seq integer,
    body blob not null,
    primary key (name, key, from_seq)
) strict, without rowid;
create index reading_current on reading (name, key) where to_seq is null;

create table text (
    digest blob primary key,
    salt blob not null,
    text text not null
) strict, without rowid;

create table plain (
    kind text not null,
    key text not null,
    bytes blob not null,
    primary key (kind, key)
) strict, without rowid;

create table counter (
    name text primary key,
    value integer not null
) strict, without rowid;
