//! What goes into the store and comes out of it.

/// A segment that an agent sent and that was found readable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// The node that sent it.
    pub node: String,
    /// Which run of the agent.
    pub run: String,
    /// Its number in the run, from 0.
    pub sequence: u64,
    /// The program that wrote it and its version, as its header says.
    pub written_by: String,
    /// When it arrived.
    pub received: i64,
    /// Until when it speaks.
    pub until: i64,
    /// How many flows it holds.
    pub flows: u64,
    /// The file.
    pub bytes: Vec<u8>,
}

/// A segment that waits to be merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxRow {
    /// Its place: rows that were committed later have larger ids.
    pub id: i64,
    /// The node that sent it.
    pub node: String,
    /// Which run of the agent.
    pub run: String,
    /// Its number in the run.
    pub sequence: u64,
    /// When it arrived.
    pub received: i64,
    /// How many flows it holds, as counted when it arrived.
    pub flows: u64,
    /// The file.
    pub bytes: Vec<u8>,
}

/// One end of a statement in columns, for people who query. Nothing of it is read back by the program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndColumns {
    /// The kind of endpoint as in the file format: `workload`, `node`, `external-name`.
    pub kind: String,
    /// The namespace of a workload.
    pub namespace: Option<String>,
    /// The kind of a workload.
    pub workload_kind: Option<String>,
    /// The name: of a workload, a node, or outside; or an address.
    pub name: Option<String>,
}

/// The sum of what was said about one subject.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatementRow {
    /// A digest of the subject: equal for equal subjects, the same in every version that shares a store.
    pub digest: Vec<u8>,
    /// The kind of subject: `edge`, `through`, `listener`. The view `edges` shows those about `edge`.
    pub about: String,
    /// Which end saw it, `client` or `server`.
    pub side: Option<String>,
    /// The client.
    pub client: Option<EndColumns>,
    /// The server.
    pub server: Option<EndColumns>,
    /// The transport protocol as in the file format.
    pub protocol: Option<String>,
    /// The port.
    pub port: Option<u16>,
    /// Namespace and name of the Service.
    pub service: Option<(String, String)>,
    /// When it was first seen.
    pub first_seen: i64,
    /// When it was last seen: statements are pruned by this.
    pub last_seen: i64,
    /// How often.
    pub connections: u64,
    /// How many of these failed.
    pub failed: u64,
    /// Subject and statement, as the merge wrote them.
    pub body: String,
}

/// A flow that waits to be tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPending {
    /// The node that saw it.
    pub node: String,
    /// Since when it waits.
    pub since: i64,
    /// Not before.
    pub next_try: i64,
    /// Why it waits.
    pub reason: String,
    /// The flow, as the merge wrote it.
    pub body: String,
}

/// A flow that waits, with the id it got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingRow {
    /// Its id.
    pub id: i64,
    /// What was put there.
    pub pending: NewPending,
}

/// Flows that could not be named, taken together where they differ in their activity alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnresolvedRow {
    /// A digest of what they have in common.
    pub digest: Vec<u8>,
    /// The node that saw them.
    pub node: String,
    /// Why they could not be named.
    pub reason: String,
    /// When the first was seen.
    pub first_seen: i64,
    /// When the last was seen: pruned by this.
    pub last_seen: i64,
    /// How often.
    pub connections: u64,
    /// How many of these failed.
    pub failed: u64,
    /// The flow, as the merge wrote it.
    pub body: String,
}

/// An object of the API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectRow {
    /// Its kind.
    pub kind: String,
    /// Its namespace; empty where it has none.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// When it was first seen. Kept as it is where the object is known.
    pub seen_from: i64,
    /// When it was found gone.
    pub gone_at: Option<i64>,
    /// The record, as its writer wrote it.
    pub body: String,
}

/// A pod, alive or gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodRow {
    /// Its UID.
    pub uid: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its node.
    pub node: Option<String>,
    /// When it was first seen. Kept as it is where the pod is known.
    pub seen_from: i64,
    /// When it was found gone.
    pub gone_at: Option<i64>,
    /// The record, as its writer wrote it.
    pub body: String,
}

/// A stretch of watching. Those of one run that follow each other without a loss are one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoverageRow {
    /// The node.
    pub node: String,
    /// The run of its agent.
    pub run: String,
    /// From when.
    pub since: i64,
    /// Until when.
    pub until: i64,
    /// How it ended, as in the file format: `continues`, `clean`, `cut-off`.
    pub ended: String,
    /// The sum of its losses.
    pub lost: u64,
    /// Each of its losses, as JSON.
    pub losses: String,
    /// Its notes, as JSON.
    pub notes: String,
    /// How many segments it stands for.
    pub segments: u64,
}
