//! Finds the decisions that are about an end without trying each: by the workload's exact name, by the exact namespace,
//! and a rest of patterns that are tried one by one, once for each distinct end.

use super::pattern::{Extent, Pattern};
use netwright_record::{Edge, Endpoint};
use std::collections::HashMap;
use std::rc::Rc;

/// Decisions that are about an end, and how much of it, in the order of the file.
pub(super) type About = Rc<[(usize, Extent)]>;

/// The patterns of one side of all decisions.
pub(super) struct Side<'a> {
    patterns: Vec<(usize, &'a Pattern)>,
    /// Places in `patterns`.
    by_name: HashMap<(&'a str, &'a str), Vec<usize>>,
    by_namespace: HashMap<&'a str, Vec<usize>>,
    others: Vec<usize>,
    known: HashMap<&'a Endpoint, About>,
}

impl<'a> Side<'a> {
    pub(super) fn new(patterns: impl Iterator<Item = (usize, &'a Pattern)>) -> Self {
        let mut side = Self {
            patterns: patterns.collect(),
            by_name: HashMap::new(),
            by_namespace: HashMap::new(),
            others: Vec::new(),
            known: HashMap::new(),
        };
        for (place, (_, pattern)) in side.patterns.iter().enumerate() {
            match pattern {
                Pattern::Workload { namespace, name, .. } => match (namespace.exact(), name.exact()) {
                    (Some(namespace), Some(name)) => side.by_name.entry((namespace, name)).or_default().push(place),
                    (Some(namespace), None) => side.by_namespace.entry(namespace).or_default().push(place),
                    _ => side.others.push(place),
                },
                _ => side.others.push(place),
            }
        }
        side
    }

    /// The decisions that are about `end`.
    pub(super) fn about(&mut self, end: &'a Endpoint) -> About {
        if let Some(known) = self.known.get(end) {
            return Rc::clone(known);
        }
        let about = self.look(end);
        self.known.insert(end, Rc::clone(&about));
        about
    }

    fn look(&self, end: &Endpoint) -> About {
        let workload = match end {
            Endpoint::Workload(workload) | Endpoint::Node { workload: Some(workload), .. } => Some(workload),
            _ => None,
        };
        let named = workload.and_then(|of| self.by_name.get(&(of.namespace.as_str(), of.name.as_str())));
        let around = workload.and_then(|of| self.by_namespace.get(of.namespace.as_str()));
        let mut places: Vec<usize> = named.into_iter().chain(around).chain([&self.others]).flatten().copied().collect();
        places.sort_unstable();
        let tried = places.into_iter().filter_map(|place| self.patterns.get(place));
        tried.filter_map(|(number, pattern)| Some((*number, pattern.extent(end)?))).collect()
    }
}

/// Decisions about both ends of an edge, in the order of the file, with the extent at each end.
pub(super) fn both<'s>(clients: &'s About, servers: &'s About) -> impl Iterator<Item = (usize, [Extent; 2])> + 's {
    let mut servers = servers.iter().peekable();
    clients.iter().filter_map(move |(number, client)| {
        while servers.next_if(|(other, _)| other < number).is_some() {}
        servers.next_if(|(other, _)| other == number).map(|(_, server)| (*number, [*client, *server]))
    })
}

/// The ends of an edge, the client first.
pub(super) fn ends(edge: &Edge) -> [&Endpoint; 2] {
    [&edge.client, &edge.server]
}
