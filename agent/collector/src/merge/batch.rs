//! One batch: from segments and flows that waited to what has to be written. Pure.

use super::limits::{Admission, Clients, address_of};
use super::rows;
use crate::store::{NewPending, StatementRow, UnresolvedRow};
use jiff::SignedDuration;
use netwright_record::{Coverage, Edge, Flow, Observation, Time};
use netwright_resolve::live::Live;
use netwright_resolve::resolve::{DroppedCounts, Resolver, Sighted, Statement, Statements, Subject};
use std::collections::{BTreeMap, HashMap};

/// How soon a flow without a name is tried again at first.
const FIRST_RETRY: SignedDuration = SignedDuration::from_secs(15);
/// How long at most lies between two tries.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(1);
/// How many witnesses are remembered: flows to and from addresses that changed hands lately.
const WITNESSES: usize = 100_000;
/// For how long they are.
const WITNESSED: SignedDuration = SignedDuration::from_mins(30);

/// What goes in.
#[derive(Debug, Default)]
pub(super) struct Input {
    pub(super) segments: Vec<Observation>,
    /// Flows that waited.
    pub(super) pending: Vec<Flow>,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) statements: Statements,
    pub(super) pending: Vec<NewPending>,
    pub(super) unresolved: Vec<UnresolvedRow>,
    pub(super) coverage: Vec<Coverage>,
    pub(super) dropped: DroppedCounts,
    /// Flows of segments, those that waited before not counted again.
    pub(super) flows: u64,
    /// Flows that will testify for others. To be remembered once the batch is written.
    pub(super) witnesses: Vec<Flow>,
    /// Pods that agents had no say about.
    pub(super) disbelieved: u64,
}

/// Names both ends of all flows, as far as the inventory goes.
pub(super) fn resolve(
    live: &mut Live,
    input: Input,
    witnesses: &[Flow],
    now: Time,
    patience: SignedDuration,
) -> Outcome {
    let mut outcome = Outcome::default();
    let many = input.segments.iter().map(|segment| segment.flows.len()).sum::<usize>() + input.pending.len();
    let mut flows = Vec::with_capacity(many);
    for segment in input.segments {
        let nodes: Vec<_> = segment.coverage.iter().map(|coverage| coverage.node.clone()).collect();
        for pod in segment.inventory.pods {
            let believed = nodes.first().is_some_and(|node| live.report(node, pod));
            outcome.disbelieved += u64::from(!believed);
        }
        outcome.coverage.extend(segment.coverage);
        flows.extend(segment.flows);
    }
    outcome.flows = u64::try_from(flows.len()).unwrap_or(u64::MAX);
    flows.extend(input.pending);
    let resolver = Resolver::new(live.view());
    let Sighted { statements, unresolved, dropped } = resolver.sight_beside(&flows, witnesses);
    outcome.witnesses = flows.into_iter().filter(|flow| resolver.is_witness(flow)).collect();
    (outcome.statements, outcome.dropped) = (statements, dropped);
    let mut without_name: BTreeMap<Vec<u8>, (Flow, String)> = BTreeMap::new();
    for (flow, reason) in unresolved {
        let age = now.duration_since(flow.activity.last);
        let told = reason.to_string();
        if reason.may_pass() && age < patience {
            let pause = (age / 2).clamp(FIRST_RETRY, LONGEST_PAUSE);
            outcome.pending.push(rows::pending(&flow, &told, now.saturating_add(pause).unwrap_or(now)));
            continue;
        }
        let digest = rows::unresolved_digest(&flow, &told);
        match without_name.get_mut(&digest) {
            Some((known, _)) => merge_flow(known, &flow),
            None => _ = without_name.insert(digest, (flow, told)),
        }
    }
    let row = |(digest, (flow, reason)): (Vec<u8>, (Flow, String))| rows::unresolved(digest, &flow, &reason);
    outcome.unresolved = without_name.into_iter().map(row).collect();
    outcome
}

/// Remembers `more` witnesses, and forgets those of long ago; of too many, the oldest.
pub(super) fn remember(witnesses: &mut Vec<Flow>, more: Vec<Flow>, now: Time) {
    witnesses.extend(more);
    let since = now.saturating_sub(WITNESSED).unwrap_or(Time::MIN);
    witnesses.retain(|flow| flow.activity.last >= since);
    if witnesses.len() > WITNESSES {
        witnesses.sort_by_key(|flow| std::cmp::Reverse(flow.activity.last));
        witnesses.truncate(WITNESSES);
    }
}

/// What the limits took away.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Collapsed {
    /// Statements about outside destinations that were made one.
    pub(super) outside: u64,
    /// Attempts inside the cluster that are only counted.
    pub(super) attempts: u64,
}

/// Gives each subject its digest.
pub(super) fn digested(statements: Statements) -> Vec<(Vec<u8>, Subject, Statement)> {
    let with_digest = |(subject, statement)| (rows::digest(&subject), subject, statement);
    statements.into_sorted().into_iter().map(with_digest).collect()
}

/// Adds what is new to what is `known`, within the limits. Subjects that were made one may be known too, and those are not in `known`:
/// they are returned apart, to be added with a second call.
pub(super) fn add(
    new: Vec<(Vec<u8>, Subject, Statement)>,
    mut known: HashMap<Vec<u8>, Statement>,
    clients: &mut Clients,
    collapsed: &mut Collapsed,
) -> (Vec<StatementRow>, Statements) {
    let (mut written, mut again) = (Vec::new(), Statements::default());
    for (digest, subject, mut statement) in new {
        match known.remove(&digest) {
            Some(before) => statement.merge(before),
            None => match clients.admit(&subject, &statement) {
                Admission::Kept => {}
                Admission::Collapsed(one) => {
                    collapsed.outside += 1;
                    statement.server_addresses.extend(address_of(&subject));
                    again.add(*one, statement);
                    continue;
                }
                Admission::Counted(attempts) => {
                    collapsed.attempts = collapsed.attempts.saturating_add(attempts);
                    continue;
                }
            },
        }
        statement.bound_addresses(Edge::ADDRESSES_KEPT);
        written.push(rows::statement(digest, &subject, &statement));
    }
    (written, again)
}

/// Adds what is known of unresolved flows already to the new ones.
pub(super) fn add_unresolved(new: &mut [UnresolvedRow], known: &HashMap<Vec<u8>, Flow>) {
    for row in new {
        let (Some(before), Ok(mut flow)) = (known.get(&row.digest), rows::read_flow(&row.body)) else { continue };
        merge_flow(&mut flow, before);
        *row = rows::unresolved(std::mem::take(&mut row.digest), &flow, &row.reason);
    }
}

fn merge_flow(flow: &mut Flow, other: &Flow) {
    flow.activity.merge(&other.activity);
    flow.names.extend(other.names.iter().cloned());
}
