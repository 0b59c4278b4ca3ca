-- For people: names in one column, times that can be read. The program itself reads none of these.

CREATE VIEW edges AS
SELECT
    COALESCE(client_namespace || '/' || client_workload_kind || '/' || client_name, client_kind || ' ' || client_name, client_kind) AS client,
    COALESCE(server_namespace || '/' || server_workload_kind || '/' || server_name, server_kind || ' ' || server_name, server_kind) AS server,
    protocol,
    port,
    side AS seen_by,
    connections,
    failed,
    strftime('%Y-%m-%dT%H:%M:%SZ', first_seen / 1000, 'unixepoch') AS first_seen,
    strftime('%Y-%m-%dT%H:%M:%SZ', last_seen / 1000, 'unixepoch') AS last_seen
FROM statement
WHERE about = 'edge';

CREATE VIEW service_use AS
SELECT
    COALESCE(client_namespace || '/' || client_workload_kind || '/' || client_name, client_kind || ' ' || client_name, client_kind) AS client,
    service_namespace || '/' || service_name AS service,
    protocol,
    port,
    connections,
    failed,
    strftime('%Y-%m-%dT%H:%M:%SZ', first_seen / 1000, 'unixepoch') AS first_seen,
    strftime('%Y-%m-%dT%H:%M:%SZ', last_seen / 1000, 'unixepoch') AS last_seen
FROM statement
WHERE about = 'through';

CREATE VIEW agents AS
SELECT
    node,
    run,
    version,
    segments,
    flows,
    strftime('%Y-%m-%dT%H:%M:%SZ', received / 1000, 'unixepoch') AS last_received,
    strftime('%Y-%m-%dT%H:%M:%SZ', reported_until / 1000, 'unixepoch') AS reported_until
FROM agent;

CREATE VIEW node_coverage AS
SELECT
    node,
    run,
    strftime('%Y-%m-%dT%H:%M:%SZ', since / 1000, 'unixepoch') AS since,
    strftime('%Y-%m-%dT%H:%M:%SZ', until / 1000, 'unixepoch') AS until,
    ended,
    lost,
    losses,
    notes,
    segments
FROM coverage;

-- Numbers that never came, between others of the same run that did.
CREATE VIEW missing_segments AS
SELECT
    node,
    run,
    COALESCE(LAG(next) OVER (PARTITION BY node, run ORDER BY first), 0) AS first_missing,
    first AS next_received,
    first - COALESCE(LAG(next) OVER (PARTITION BY node, run ORDER BY first), 0) AS missing
FROM segment_range;
