//! Flows that differ in nothing but their activity: what an agent sees goes on for many segments, and need be named only once for all of
//! them, as long as nothing changed hands in between.

use super::addresses::Span;
use super::index::Index;
use foldhash::fast::RandomState;
use netwright_record::{Activity, Direction, Flow};
use std::collections::HashMap;
use std::hash::{Hash, Hasher};

/// A flow without its activity.
#[derive(Debug, Clone, Copy)]
struct Conversation<'f>(&'f Flow);

impl PartialEq for Conversation<'_> {
    fn eq(&self, other: &Self) -> bool {
        let Flow { node, direction, protocol, local, remote, port, remote_port, names, activity: _ } = self.0;
        let (one, other) = ((direction, protocol, remote, port, remote_port), other.0);
        one == (&other.direction, &other.protocol, &other.remote, &other.port, &other.remote_port)
            && (local, node, names) == (&other.local, &other.node, &other.names)
    }
}

impl Eq for Conversation<'_> {}

impl Hash for Conversation<'_> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Flow { direction, local, remote, port, .. } = self.0;
        (direction, local, remote, port).hash(hasher);
    }
}

/// Flows of one conversation, and all of it as one flow.
#[derive(Debug)]
pub(super) struct Alike<'f> {
    pub(super) flows: Vec<&'f Flow>,
    pub(super) whole: Flow,
}

/// The conversations of `flows` that can be named once for all, and the flows that have to be looked at by themselves. O(flows).
pub(super) fn gather<'f>(index: &Index<'_>, flows: &'f [Flow]) -> (Vec<Alike<'f>>, Vec<&'f Flow>) {
    let mut conversations: HashMap<Conversation<'f>, Vec<&'f Flow>, RandomState> = HashMap::default();
    for flow in flows {
        conversations.entry(Conversation(flow)).or_default().push(flow);
    }
    let (mut gathered, mut single) = (Vec::new(), Vec::new());
    for flows in conversations.into_values() {
        match whole(&flows).filter(|whole| is_steady(index, whole)) {
            Some(whole) => gathered.push(Alike { flows, whole }),
            None => single.extend(flows),
        }
    }
    // As they were given.
    single.sort_unstable_by_key(|flow| std::ptr::from_ref(*flow));
    (gathered, single)
}

/// All of the flows as one; `None` for one alone.
fn whole(flows: &[&Flow]) -> Option<Flow> {
    let (first, others) = flows.split_first().filter(|(_, others)| !others.is_empty())?;
    let mut activity: Activity = first.activity.clone();
    others.iter().for_each(|other| activity.merge(&other.activity));
    Some(Flow { activity, ..(*first).clone() })
}

/// Whether any part of the flow says the same as the whole. An ambiguous one is left alone: there are few.
fn is_steady(index: &Index<'_>, flow: &Flow) -> bool {
    let span = Span::of(&flow.activity);
    let mut ends = flow.local.ip().into_iter().chain([flow.remote]);
    flow.direction != Direction::Ambiguous && ends.all(|ip| index.is_steady(ip, flow.protocol, flow.port, span))
}
