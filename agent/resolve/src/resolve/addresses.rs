//! Which pod held an address at a time. Addresses are used again: the pod that holds one now may not be the one that
//! spoke from it.

use foldhash::fast::RandomState;
use jiff::SignedDuration;
use netwright_record::Time;
use netwright_record::inventory::Pod;
use std::collections::HashMap;
use std::net::IpAddr;

/// How long before or after a flow an address may have changed hands for the flow to tell something about it.
const ABOUT: SignedDuration = SignedDuration::from_mins(5);

/// The time of a flow, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: Time,
    pub(super) last: Time,
}

impl Span {
    /// `first` and `last` of an activity, in the right order even where a record has them wrong.
    pub(super) fn of(activity: &netwright_record::Activity) -> Self {
        Self { first: activity.first.min(activity.last), last: activity.first.max(activity.last) }
    }
}

/// Who held an address.
#[derive(Debug, Clone, Copy)]
pub(super) enum Held<'a> {
    /// A pod, or several of one workload.
    By(&'a Pod),
    /// Pods of different workloads within the time asked for.
    ChangedHands,
    /// No pod of the inventory.
    Nobody,
}

/// A stretch in which a pod held an address: `from <= t < until`.
#[derive(Debug, Clone, Copy)]
struct Holding<'a> {
    pod: &'a Pod,
    from: Time,
    until: Time,
    /// The latest `until` of this stretch and all before it: where to stop looking back.
    latest_until: Time,
}

impl Holding<'_> {
    fn overlaps(&self, span: Span) -> bool {
        self.from <= span.last && (self.until > span.first || self.until == Time::MAX)
    }

    fn contains(&self, span: Span) -> bool {
        self.from <= span.first && (self.until > span.last || self.until == Time::MAX)
    }
}

/// Looked up by one address and one span: O(1), and as many steps as pods held the address in that span.
#[derive(Debug, Default)]
pub(super) struct PodAddresses<'a> {
    /// Sorted by `from`.
    holdings: HashMap<IpAddr, Vec<Holding<'a>>, RandomState>,
}

impl<'a> PodAddresses<'a> {
    pub(super) fn new(pods: &'a [Pod]) -> Self {
        let mut holdings: HashMap<IpAddr, Vec<Holding<'a>>, RandomState> = HashMap::default();
        for pod in pods.iter().filter(|pod| !pod.host_network) {
            for held in &pod.addresses {
                let (from, until) = (held.from.unwrap_or(Time::MIN), held.until.unwrap_or(Time::MAX));
                let holding = Holding { pod, from, until, latest_until: until };
                holdings.entry(held.ip.to_canonical()).or_default().push(holding);
            }
        }
        for holdings in holdings.values_mut() {
            holdings.sort_by_key(|holding| (holding.from, holding.until, &holding.pod.uid));
            let mut latest = Time::MIN;
            for holding in holdings {
                latest = latest.max(holding.until);
                holding.latest_until = latest;
            }
        }
        Self { holdings }
    }

    /// Who held `ip` during `span`. Where several did, one that held it from beginning to end is preferred to one
    /// that did not; `node`, where given, is the node the address was seen on.
    pub(super) fn holder(&self, ip: IpAddr, span: Span, node: Option<&str>) -> Held<'a> {
        let mut found = self.overlapping(ip, span);
        narrow(&mut found, |holding| node.is_some() && holding.pod.node.as_deref() == node);
        narrow(&mut found, |holding| holding.contains(span));
        match found.split_first() {
            None => Held::Nobody,
            Some((first, rest)) if rest.iter().all(|other| other.pod.workload == first.pod.workload) => {
                Held::By(first.pod)
            }
            Some(_) => Held::ChangedHands,
        }
    }

    /// Whether pods of different workloads held `ip` at about the time of `span`.
    pub(super) fn is_handed_on(&self, ip: IpAddr, span: Span) -> bool {
        if self.holdings.get(&ip).is_none_or(|holdings| holdings.len() < 2) {
            return false;
        }
        let (first, last) = (span.first.saturating_sub(ABOUT), span.last.saturating_add(ABOUT));
        let found = self.overlapping(ip, Span { first: first.unwrap_or(span.first), last: last.unwrap_or(span.last) });
        found.windows(2).any(|pair| matches!(pair, [one, other] if one.pod.workload != other.pod.workload))
    }

    /// Whether one pod at most ever held `ip`, and in all of `span` if one did.
    pub(super) fn is_steady(&self, ip: IpAddr, span: Span) -> bool {
        match self.holdings.get(&ip).map(Vec::as_slice) {
            None | Some([]) => true,
            Some([only]) => only.contains(span),
            Some(_) => false,
        }
    }

    fn overlapping(&self, ip: IpAddr, span: Span) -> Vec<Holding<'a>> {
        let Some(holdings) = self.holdings.get(&ip) else { return Vec::new() };
        let begun = holdings.partition_point(|holding| holding.from <= span.last);
        let mut found: Vec<Holding<'a>> = holdings
            .iter()
            .take(begun)
            .rev()
            .take_while(|holding| holding.latest_until > span.first)
            .filter(|holding| holding.overlaps(span))
            .copied()
            .collect();
        found.reverse();
        found
    }
}

/// Keeps those that satisfy `better`, if any does.
fn narrow<'a>(found: &mut Vec<Holding<'a>>, better: impl Fn(&Holding<'a>) -> bool) {
    if found.iter().any(&better) {
        found.retain(better);
    }
}
