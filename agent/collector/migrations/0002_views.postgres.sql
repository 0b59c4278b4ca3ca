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
    to_timestamp(first_seen / 1000.0) AS first_seen,
    to_timestamp(last_seen / 1000.0) AS last_seen
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
    to_timestamp(first_seen / 1000.0) AS first_seen,
    to_timestamp(last_seen / 1000.0) AS last_seen
FROM statement
WHERE about = 'through';

CREATE VIEW agents AS
SELECT
    node,
    run,
    version,
    segments,
    flows,
    to_timestamp(received / 1000.0) AS last_received,
    to_timestamp(reported_until / 1000.0) AS reported_until
FROM agent;

CREATE VIEW node_coverage AS
SELECT
    node,
    run,
    to_timestamp(since / 1000.0) AS since,
    to_timestamp(until / 1000.0) AS until,
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
