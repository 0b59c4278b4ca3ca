//! What speaks for one rule: the edges it rests on, taken together, and what makes it wider. Serves the comment beside the
//! rule, `evidence.json` and `netwright synth --explain`, which so cannot disagree.

use crate::infer::rules::{Ground, Rule};
use crate::review::{Decided, Decision};
use netwright_record::{Activity, Name, Observation, Time};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The account of one rule. Numbers are positions in the observation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account<'a> {
    /// The edges that were seen.
    pub edges: Vec<usize>,
    /// Edges from which part of the rule follows in another way, by that way.
    pub besides: BTreeMap<Besides, Vec<usize>>,
    /// Objects (positions in `api_extensions`) that make the API server call, whether or not it was seen to.
    pub api_extensions: Vec<usize>,
    /// Decisions of the review that allow it.
    pub decisions: Vec<&'a Decision>,
    /// What people wrote about one of its edges without deciding anything.
    pub notes: Vec<&'a Decision>,
    /// Connections over all edges that were seen; failed attempts are among them.
    pub connections: u64,
    /// From when to when; absent where no edge was seen.
    pub seen: Option<(Time, Time)>,
    /// On how many days (UTC) at least one edge was active.
    pub days_active: usize,
    /// The nodes that reported it.
    pub nodes: BTreeSet<&'a str>,
}

/// How part of a rule follows from an edge that is not simply that edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Besides {
    /// TCP beside UDP for DNS.
    TruncatedAnswers,
    /// Who answers DNS where caches run on the nodes.
    NodeLocalDns,
    /// The port and the address of an ambient mesh.
    Ambient,
}

impl Besides {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::TruncatedAnswers, Self::NodeLocalDns, Self::Ambient];
}

/// Why, in words.
impl fmt::Display for Besides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Besides::TruncatedAnswers => "TCP beside UDP: a DNS answer too long for UDP is asked for again over TCP",
            Besides::NodeLocalDns => {
                "a DNS cache on each node answers at its own address and in place of the DNS Service"
            }
            Besides::Ambient => {
                "Istio's ambient mesh carries it on a port of its own, and probes from an address of its own"
            }
        })
    }
}

impl<'a> Account<'a> {
    /// The account of `rule`. O(edges of the rule and their hours).
    pub fn of(observation: &'a Observation, decided: &'a Decided, rule: &Rule) -> Self {
        let mut account = Account::default();
        let mut together: Option<Activity> = None;
        for ground in &rule.grounds {
            match *ground {
                Ground::Seen(edge) => account.edges.push(edge),
                Ground::TruncatedAnswers(edge) => account.add(Besides::TruncatedAnswers, edge),
                Ground::NodeLocalDns(edge) => account.add(Besides::NodeLocalDns, edge),
                Ground::Ambient(edge) => account.add(Besides::Ambient, edge),
                Ground::ApiExtension(number) => account.api_extensions.push(number),
                Ground::Decision(number) => account.decisions.extend(decided.decision(number)),
            }
            let Some(edge) = ground.edge().and_then(|edge| observation.edges.get(edge)) else { continue };
            if let Ground::Seen(number) = ground {
                account.notes.extend(decided.notes(*number));
            }
            account.nodes.extend(edge.nodes.iter().map(Name::as_str));
            match (&mut together, ground) {
                (Some(together), Ground::Seen(_)) => together.merge(&edge.activity),
                (None, Ground::Seen(_)) => together = Some(edge.activity.clone()),
                _ => {}
            }
        }
        account.notes.sort_by_key(|note| note.number);
        account.notes.dedup_by_key(|note| note.number);
        if let Some(together) = together {
            account.connections = together.connections;
            account.seen = Some((together.first, together.last));
            account.days_active = together.hours.days();
        }
        account
    }

    fn add(&mut self, besides: Besides, edge: usize) {
        self.besides.entry(besides).or_default().push(edge);
    }
}

/// In one line: `2 edges, 1204 connections on 14 days, 2026-11-01 to 2026-11-14`.
impl fmt::Display for Account<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, last)) = self.seen else {
            return f.write_str("not seen");
        };
        let (edges, days) = (self.edges.len(), self.days_active);
        write!(f, "{}, {}", counted(edges, "edge"), counted(self.connections, "connection"))?;
        let [first, last] = [first, last].map(|time| time.strftime("%Y-%m-%d").to_string());
        match first == last {
            true => write!(f, " on {first}"),
            false => write!(f, " on {}, {first} to {last}", counted(days, "day")),
        }
    }
}

/// `1 edge`, `2 edges`.
pub fn counted(number: impl fmt::Display, noun: &str) -> String {
    let number = number.to_string();
    let ending = if number == "1" { "" } else { "s" };
    format!("{number} {noun}{ending}")
}
