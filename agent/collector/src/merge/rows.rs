//! Statements, flows and records as rows of the store, and back.

use crate::store::{CoverageRow, EndColumns, NewPending, StatementRow, UnresolvedRow};
use jiff::Timestamp;
use netwright_record::inventory::WorkloadRef;
use netwright_record::{Coverage, Ended, Endpoint, Flow, Losses, Time};
use netwright_resolve::resolve::{Side, Statement, Subject};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// How many bytes of a digest are kept: two subjects of one digest would be taken for one, and among a hundred million 16 bytes
/// let that happen with a probability of 1 in 10^22.
const DIGEST: usize = 16;

/// A statement with its subject, as it is written.
#[derive(Debug, Serialize)]
struct Written<'a> {
    subject: &'a Subject,
    statement: &'a Statement,
}

/// A statement with its subject, as it is read.
#[derive(Debug, Deserialize)]
pub(super) struct Read {
    pub(super) subject: Subject,
    pub(super) statement: Statement,
}

/// What equal subjects have in common, in every version that shares a store.
pub(super) fn digest(subject: &Subject) -> Vec<u8> {
    digest_of(&text(subject))
}

fn digest_of(text: &str) -> Vec<u8> {
    Sha256::digest(text.as_bytes()).iter().take(DIGEST).copied().collect()
}

/// Plain data with string keys always has a JSON form.
fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// A statement as a row.
pub(super) fn statement(digest: Vec<u8>, subject: &Subject, statement: &Statement) -> StatementRow {
    let activity = statement.activity.as_ref();
    let (side, protocol, port, service) = match subject {
        Subject::Edge { key, side } => (Some(*side), Some(key.protocol), Some(key.port), None),
        Subject::ToNode { protocol, port, .. } => (Some(Side::Client), Some(*protocol), Some(*port), None),
        Subject::Through { service, protocol, .. } => {
            let name = (service.namespace.to_string(), service.name.to_string());
            (Some(Side::Client), Some(*protocol), Some(service.port), Some(name))
        }
        Subject::Ambiguous { protocol, port, .. } => (None, Some(*protocol), Some(*port), None),
        Subject::Listener { protocol, port, .. } => (None, Some(*protocol), Some(*port), None),
        Subject::BehindSidecar { .. } | Subject::Watched { .. } => (None, None, None, None),
    };
    let service = service.or_else(|| {
        statement.services.first().map(|service| (service.namespace.to_string(), service.name.to_string()))
    });
    StatementRow {
        digest,
        about: about(subject).to_owned(),
        side: side.map(|side| if side == Side::Client { "client".to_owned() } else { "server".to_owned() }),
        client: subject.client().map(end),
        server: subject.server().map(end),
        protocol: protocol.map(|protocol| protocol.to_string()),
        port,
        service,
        // What was only noted has no time of its own, and is kept: there are few of it.
        first_seen: activity.map_or(i64::MAX, |activity| activity.first.as_millisecond()),
        last_seen: activity.map_or(i64::MAX, |activity| activity.last.as_millisecond()),
        connections: activity.map_or(0, |activity| activity.connections),
        failed: activity.map_or(0, |activity| activity.failed),
        body: text(&Written { subject, statement }),
    }
}

/// Reads the body of [`statement`].
pub(crate) fn read_statement(body: &str) -> serde_json::Result<(Subject, Statement)> {
    let Read { subject, statement } = serde_json::from_str(body)?;
    Ok((subject, statement))
}

fn about(subject: &Subject) -> &'static str {
    match subject {
        Subject::Edge { .. } => "edge",
        Subject::ToNode { .. } => "to-node",
        Subject::Through { .. } => "through",
        Subject::Ambiguous { .. } => "ambiguous",
        Subject::BehindSidecar { .. } => "behind-sidecar",
        Subject::Listener { .. } => "listener",
        Subject::Watched { .. } => "watched",
    }
}

fn end(endpoint: &Endpoint) -> EndColumns {
    let of = |kind: &str, name: Option<String>| EndColumns { kind: kind.to_owned(), name, ..EndColumns::default() };
    let workload = |kind: &str, workload: &WorkloadRef| EndColumns {
        kind: kind.to_owned(),
        namespace: Some(workload.namespace.to_string()),
        workload_kind: Some(workload.kind.to_string()),
        name: Some(workload.name.to_string()),
    };
    match endpoint {
        Endpoint::Workload(name) => workload("workload", name),
        Endpoint::Node { name, workload: None } => of("node", Some(name.to_string())),
        Endpoint::Node { workload: Some(name), .. } => workload("node", name),
        Endpoint::ApiServer => of("api-server", None),
        Endpoint::LinkLocal { address } => of("link-local", Some(address.to_string())),
        Endpoint::ExternalName { names } => {
            let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
            of("external-name", Some(names.join(" ")))
        }
        Endpoint::External { address } => of("external", Some(address.to_string())),
        Endpoint::Internet => of("internet", None),
    }
}

/// A flow that is tried again not before `next_try`.
pub(super) fn pending(flow: &Flow, reason: &str, next_try: Time) -> NewPending {
    NewPending {
        node: flow.node.to_string(),
        since: flow.activity.last.as_millisecond(),
        next_try: next_try.as_millisecond(),
        reason: reason.to_owned(),
        body: text(flow),
    }
}

/// Reads the body of [`pending`] and [`unresolved`].
pub(crate) fn read_flow(body: &str) -> serde_json::Result<Flow> {
    serde_json::from_str(body)
}

/// What unresolved flows that are taken together have in common.
pub(super) fn unresolved_digest(flow: &Flow, reason: &str) -> Vec<u8> {
    let direction = format!("{:?}", flow.direction);
    let (local, ports) = (text(&flow.local), (flow.port, flow.remote_port));
    digest_of(&text(&(&flow.node, local, direction, flow.protocol, flow.remote, ports, reason)))
}

/// A flow without a name as a row.
pub(super) fn unresolved(digest: Vec<u8>, flow: &Flow, reason: &str) -> UnresolvedRow {
    UnresolvedRow {
        digest,
        node: flow.node.to_string(),
        reason: reason.to_owned(),
        first_seen: flow.activity.first.as_millisecond(),
        last_seen: flow.activity.last.as_millisecond(),
        connections: flow.activity.connections,
        failed: flow.activity.failed,
        body: text(flow),
    }
}

/// A stretch of watching as a row.
pub(super) fn coverage(coverage: &Coverage) -> CoverageRow {
    let lost = coverage.losses.named().into_iter().map(|(_, count)| count).fold(0, u64::saturating_add);
    CoverageRow {
        node: coverage.node.to_string(),
        run: coverage.run.clone(),
        since: coverage.from.as_millisecond(),
        until: coverage.to.as_millisecond(),
        ended: word(&coverage.ended),
        lost,
        losses: text(&coverage.losses),
        notes: text(&coverage.notes),
        segments: 1,
    }
}

/// Reads [`coverage`].
pub(crate) fn read_coverage(row: &CoverageRow) -> serde_json::Result<Coverage> {
    Ok(Coverage {
        node: row.node.as_str().into(),
        run: row.run.clone(),
        from: time(row.since),
        to: time(row.until),
        ended: serde_json::from_value::<Ended>(row.ended.clone().into())?,
        losses: serde_json::from_str::<Losses>(&row.losses)?,
        notes: serde_json::from_str(&row.notes)?,
    })
}

/// The name that serde gives a variant.
fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// A time of the store.
pub(crate) fn time(milliseconds: i64) -> Time {
    Timestamp::from_millisecond(milliseconds).unwrap_or(if milliseconds < 0 { Timestamp::MIN } else { Timestamp::MAX })
}
