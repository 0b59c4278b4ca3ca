//! The answer to a question, ready to be shown: to people ([`super::words`]) and, as it is here, to programs.

use serde::Serialize;
use serde_json::Value;

/// The whole answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The answer in a word.
    pub answer: Answer,
    /// The client, as a message calls it.
    pub from: String,
    /// The destination.
    pub to: String,
    /// The protocol.
    pub protocol: String,
    /// The port asked for; absent where the protocol has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// What a Service does with the port, and other things to know before reading on.
    pub notes: Vec<String>,
    /// Each pair of kinds of parties, the denied first.
    pub connections: Vec<Connection>,
    /// Whether the client can resolve names; absent where that plays no part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns: Option<Dns>,
    /// The Service that puts a node's address in the place of a client's from outside; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub through: Option<Through>,
    /// Where enforcers do not agree with the documents or with each other about this connection.
    pub warnings: Vec<String>,
}

/// The answer in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// Every pair may connect.
    Allowed,
    /// None may.
    Denied,
    /// Some may.
    Partly,
    /// No policy has anything to do with it: the Service has no such port, or nobody behind it.
    Unserved,
    /// Policies do not say: the protocol has no ports.
    Undefined,
}

/// What holds for one kind of client and one kind of destination.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// The client.
    pub from: Side,
    /// The destination.
    pub to: Side,
    /// The port the destination listens on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Whether it may be made; absent where that is undefined.
    pub allowed: Option<bool>,
    /// What the policies of the client say.
    pub egress: End,
    /// What the policies of the destination say.
    pub ingress: End,
}

/// One kind of party.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Side {
    /// What a message calls it.
    pub name: String,
    /// The pods it is; empty where none is known, or it is no pod.
    pub pods: Vec<String>,
}

/// What the policies of one end say.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct End {
    /// In a word.
    pub decision: Decision,
    /// The policies that isolate this end.
    pub isolated_by: Vec<Policy>,
    /// The rule that admits the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admitted_by: Option<Rule>,
    /// The rules that come nearest, of the policies that isolate this end.
    pub nearest: Vec<Rule>,
    /// Rules that would admit it if their policies applied to this end.
    pub elsewhere: Vec<Rule>,
    /// The cause, in a sentence, where the connection is denied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What to change in the manifests there are, where something small would do.
    pub changes: Vec<String>,
    /// A rule that would admit it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<Suggestion>,
}

/// What one end says, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Decision {
    /// It is no pod: no policy applies to it.
    NoPod,
    /// No policy isolates it.
    NotIsolated,
    /// A pod to itself.
    SamePod,
    /// Between a pod and its own node.
    OwnNode,
    /// A rule admits it.
    Admitted,
    /// It is isolated, and no rule admits it.
    Denied,
    /// It is isolated, and policies do not speak of the protocol.
    Undefined,
}

/// A policy, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The file.
    pub file: String,
    /// The line on which its manifest begins.
    pub line: usize,
    /// The pods it selects, as kubectl writes a selector; empty for every pod of its namespace.
    pub selector: String,
}

/// A rule, and what it lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// Its policy.
    pub policy: Policy,
    /// Its place in the policy: `spec.ingress[0]`.
    pub field: String,
    /// The line of that in the policy's file; of the policy where the text was not kept.
    pub line: usize,
    /// The peer that fits best: `spec.ingress[0].from[1]`; absent where the rule is for every peer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// The entry of `ports` that fits best; absent where the rule is for every port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ports: Option<String>,
    /// All that is missing; empty for a rule that admits.
    pub missing: Vec<String>,
}

/// A rule that would admit the connection. A proposal: whether it is meant nobody but its reader knows.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Suggestion {
    /// The policy to add it to; absent where a new one is better.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub add_to: Option<Policy>,
    /// `ingress` or `egress`.
    pub direction: &'static str,
    /// The rule, or with a new policy the whole manifest.
    pub yaml: Value,
    /// What else it opens.
    pub notes: Vec<String>,
}

/// A Service through which clients outside arrive with the address of a node.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Through {
    /// The Service, as a message calls it.
    pub service: String,
    /// Its type: `NodePort` or `LoadBalancer`.
    pub service_type: String,
    /// The nodes from whose addresses the connection is denied.
    pub denied_from: Vec<String>,
}

/// Whether the client can resolve names.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Dns {
    /// Who answers: a Service, or pods.
    pub server: String,
    /// Each transport with its answer.
    pub transports: Vec<Transport>,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What to change in the manifests there are, where something small would do.
    pub changes: Vec<String>,
    /// A rule that would let it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<Suggestion>,
}

impl Dns {
    /// Whether names cannot be resolved: clients ask by UDP, and by TCP only where an answer is too long for it.
    pub fn fails(&self) -> bool {
        self.transports.iter().any(|way| way.protocol == "UDP" && !way.allowed)
    }
}

/// One way to the DNS server.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Transport {
    /// `UDP` or `TCP`.
    pub protocol: &'static str,
    /// The port the server's pods listen on.
    pub port: u16,
    /// Whether every client reaches every server.
    pub allowed: bool,
}
