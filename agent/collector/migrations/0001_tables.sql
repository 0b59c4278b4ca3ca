-- What the collector keeps. One text for SQLite and PostgreSQL: where PostgreSQL needs other words, `netwright-collector`
-- replaces BLOB by BYTEA and the automatic ids. All times are milliseconds since 1970 in UTC. docs/store.md explains each table.

CREATE TABLE inbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    node TEXT NOT NULL,
    run TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    received BIGINT NOT NULL,
    size BIGINT NOT NULL,
    flows BIGINT NOT NULL,
    bytes BLOB NOT NULL
);

-- Answers how much waits, and since when, without reading the segments.
CREATE INDEX inbox_load ON inbox (received, size, flows);

CREATE TABLE segment_run (
    node TEXT NOT NULL,
    run TEXT NOT NULL,
    first_received BIGINT NOT NULL,
    last_received BIGINT NOT NULL,
    given_up BIGINT NOT NULL,
    PRIMARY KEY (node, run)
);

CREATE TABLE segment_range (
    node TEXT NOT NULL,
    run TEXT NOT NULL,
    first BIGINT NOT NULL,
    next BIGINT NOT NULL,
    PRIMARY KEY (node, run, first)
);

CREATE TABLE agent (
    node TEXT NOT NULL PRIMARY KEY,
    run TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    version TEXT NOT NULL,
    received BIGINT NOT NULL,
    reported_until BIGINT NOT NULL,
    segments BIGINT NOT NULL,
    flows BIGINT NOT NULL,
    bytes BIGINT NOT NULL
);

CREATE TABLE statement (
    digest BLOB NOT NULL PRIMARY KEY,
    about TEXT NOT NULL,
    side TEXT,
    client_kind TEXT,
    client_namespace TEXT,
    client_workload_kind TEXT,
    client_name TEXT,
    server_kind TEXT,
    server_namespace TEXT,
    server_workload_kind TEXT,
    server_name TEXT,
    protocol TEXT,
    port BIGINT,
    service_namespace TEXT,
    service_name TEXT,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    connections BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    body TEXT NOT NULL
);

CREATE TABLE pending (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    node TEXT NOT NULL,
    since BIGINT NOT NULL,
    next_try BIGINT NOT NULL,
    reason TEXT NOT NULL,
    body TEXT NOT NULL
);

CREATE INDEX pending_due ON pending (next_try, id);

CREATE TABLE unresolved (
    digest BLOB NOT NULL PRIMARY KEY,
    node TEXT NOT NULL,
    reason TEXT NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    connections BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    body TEXT NOT NULL
);

CREATE TABLE object (
    kind TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    uid TEXT NOT NULL,
    seen_from BIGINT NOT NULL,
    gone_at BIGINT,
    body TEXT NOT NULL,
    PRIMARY KEY (kind, namespace, name, uid)
);

CREATE TABLE pod (
    uid TEXT NOT NULL PRIMARY KEY,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    node TEXT,
    seen_from BIGINT NOT NULL,
    gone_at BIGINT,
    body TEXT NOT NULL
);

CREATE TABLE coverage (
    node TEXT NOT NULL,
    run TEXT NOT NULL,
    since BIGINT NOT NULL,
    until BIGINT NOT NULL,
    ended TEXT NOT NULL,
    lost BIGINT NOT NULL,
    losses TEXT NOT NULL,
    notes TEXT NOT NULL,
    segments BIGINT NOT NULL,
    PRIMARY KEY (node, run, since)
);

-- Which stretch ends where another begins.
CREATE INDEX coverage_end ON coverage (node, run, until);

CREATE TABLE counter (
    name TEXT NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);

CREATE TABLE certificate (
    name TEXT NOT NULL PRIMARY KEY,
    changed BIGINT NOT NULL,
    pem TEXT NOT NULL
);
