//! What a collector answers to people: an export of what it holds, and its status. Written by the collector, read by `netwright pull`
//! and `netwright status`, so that both mean the same by each field.
//!
//! Either side may be older than the other: a field that is missing has its default, and one that is not known is passed over.

use crate::{Losses, Name, Time, Window};
use serde::{Deserialize, Serialize};

/// A snapshot that waits to be read: the answer to `POST /v1/exports`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// Names it in `/v1/exports/{id}`: letters, digits, `-` and `_`, at most 64 of them.
    pub id: String,
    /// How long the file is.
    pub bytes: u64,
    /// SHA-256 of the file, in lower-case hexadecimal.
    pub sha256: String,
    /// Over which time it speaks.
    pub window: Window,
}

/// How the recording of a cluster stands: the answer to `GET /v1/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The collector's clock. All other times are by it too, but for those an agent reports.
    pub at: Time,
    /// The program and its version: `netwright-collector 0.1.0`.
    #[serde(default)]
    pub collector: String,
    /// The cluster's name, where one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// What an export would speak of; absent while nothing was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// One for each node an agent was heard of in the window, by node.
    #[serde(default)]
    pub agents: Vec<AgentStatus>,
    /// Nodes of the cluster that no agent has reported from, sorted.
    #[serde(default)]
    pub unwatched_nodes: Vec<Name>,
    /// Segments that were taken in and are not merged yet.
    #[serde(default)]
    pub inbox_segments: u64,
    /// When the oldest of these was taken in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inbox_oldest: Option<Time>,
    /// Flows that wait for a name of one of their ends.
    #[serde(default)]
    pub pending_flows: u64,
    /// Distinct edges in the window.
    #[serde(default)]
    pub edges: u64,
    /// Flows that were given up, and stand in the export as unresolved.
    #[serde(default)]
    pub unresolved_flows: u64,
    /// How often something was kept in less detail than it was seen, since what one workload may add is bounded.
    #[serde(default)]
    pub collapsed: u64,
    /// For how many seconds something of the API server has not been watched; 0 while all is. Absent where the replica that answers is
    /// not the one that merges, or is too old to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch_age: Option<u64>,
    /// For each day (UTC) of the window how many edges were seen that were never seen before, oldest first.
    #[serde(default)]
    pub new_edges: Vec<NewEdges>,
}

/// What is known of one node's agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentStatus {
    /// The node.
    pub node: Name,
    /// When its latest segment was taken in.
    pub heard: Time,
    /// Up to when, by the node's clock, everything it saw has arrived.
    pub watched_until: Time,
    /// Seconds of the window in which it watched.
    #[serde(default)]
    pub watched_seconds: u64,
    /// Whether the node is still in the cluster: one that left is not expected to report.
    #[serde(default = "yes")]
    pub in_cluster: bool,
    /// Segments whose number is missing between others that arrived.
    #[serde(default)]
    pub missing_segments: u64,
    /// Stretches of the window between its first and its latest report in which it did not watch, oldest first; at most 100 of them.
    #[serde(default)]
    pub gaps: Vec<Window>,
    /// What it lost, over the window.
    #[serde(default)]
    pub losses: Losses,
}

/// How many edges were new on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewEdges {
    /// The day's first instant.
    pub day: Time,
    /// How many edges were seen on it that were never seen before.
    pub edges: u64,
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_older_collector_does_not_say_has_a_default() {
        let status: Status = serde_json::from_str(
            r#"{"at": "2026-11-23T00:00:00Z", "agents": [{"node": "a", "heard": "2026-11-23T00:00:00Z", "watched_until": "2026-11-22T23:59:50Z", "later": 1}]}"#,
        )
        .unwrap();
        assert!(status.agents.iter().all(|agent| agent.in_cluster && agent.losses.is_empty()));
        assert_eq!((status.window, status.edges, status.watch_age), (None, 0, None));
    }
}
