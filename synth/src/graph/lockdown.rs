//! In which order to lock down: waves, those first that nobody depends on. Serves the roll-out and `netwright dependencies`.
//!
//! A policy that is wrong harms the workload itself and all that depend on it, its blast radius. Whoever calls a server has
//! a smaller one than the server (all that depend on the client depend on the server too, and so does the client), so each
//! wave takes those whose clients all stand in earlier ones: a mistake shows first where the fewest feel it, and by the
//! time that a server which everyone needs is locked, the policies of all its clients have been at work for a while.
//! Clients outside and the API server are clients too: what they call comes after what nobody calls. Workloads that depend
//! on each other have the same blast radius and go together.

use super::analysis::{Dependencies, components};
use petgraph::graph::NodeIndex;
use std::collections::{BTreeMap, BTreeSet};

/// Workloads to lock down at the same time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wave {
    /// The groups, the smallest blast radius first. Most have one member; those of a larger one, which depend on each
    /// other or are tied, must not be parted.
    pub groups: Vec<Vec<usize>>,
}

impl Dependencies<'_> {
    /// The waves: every workload stands in exactly one, and none before those that depend on it. Both of each of `ties`
    /// go together, and so does whoever stands between them. `radii` are the [`Dependencies::blast_radii`].
    /// O((V + E) log V).
    pub fn waves(&self, ties: &BTreeSet<(usize, usize)>, radii: &[usize]) -> Vec<Wave> {
        let mut calls = self.calls.clone();
        let known = |number: usize| number < self.len();
        for (one, other) in ties.iter().filter(|(one, other)| known(*one) && known(*other)) {
            calls.add_edge(NodeIndex::new(*one), NodeIndex::new(*other), ());
            calls.add_edge(NodeIndex::new(*other), NodeIndex::new(*one), ());
        }
        let mut levels = vec![0usize; self.len()];
        let mut waves: BTreeMap<usize, Vec<Vec<usize>>> = BTreeMap::new();
        // Those who call come last, and must be first.
        for members in components(&calls).into_iter().rev() {
            let level = members.iter().filter_map(|member| levels.get(*member)).max().copied().unwrap_or(0);
            let servers: Vec<NodeIndex> =
                members.iter().flat_map(|member| calls.neighbors(NodeIndex::new(*member))).collect();
            for server in servers {
                if let Some(slot) = levels.get_mut(server.index()) {
                    *slot = (*slot).max(level + 1);
                }
            }
            let group: Vec<usize> = members.into_iter().filter(|member| self.is_workload(*member)).collect();
            if !group.is_empty() {
                waves.entry(level).or_default().push(group);
            }
        }
        let radius = |group: &Vec<usize>| group.iter().filter_map(|member| radii.get(*member)).max().copied();
        waves
            .into_values()
            .map(|mut groups| {
                groups.sort_by_cached_key(|group| (radius(group), group.clone()));
                Wave { groups }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::random;
    use proptest::prelude::*;

    fn waves(vertices: usize, links: &[(usize, usize)], ties: &[(usize, usize)]) -> Vec<Vec<Vec<usize>>> {
        let graph = random::graph(vertices, links);
        let dependencies = Dependencies::new(&graph);
        let waves = dependencies.waves(&ties.iter().copied().collect(), &dependencies.blast_radii());
        waves.into_iter().map(|wave| wave.groups).collect()
    }

    const INTERNET: usize = 5;

    #[test]
    fn whoever_nobody_calls_goes_first_and_what_everyone_needs_last() {
        let expected = vec![vec![vec![0], vec![3], vec![4]], vec![vec![1]], vec![vec![2]]];
        assert_eq!(waves(6, &[(0, 1), (1, 2), (3, 2)], &[]), expected);
    }

    #[test]
    fn what_is_called_from_outside_comes_after_what_nobody_calls() {
        assert_eq!(waves(6, &[(INTERNET, 0), (1, 2)], &[]), [vec![vec![1], vec![3], vec![4]], vec![vec![0], vec![2]]]);
    }

    #[test]
    fn those_that_depend_on_each_other_or_are_tied_go_together() {
        let links = [(0, 1), (1, 2), (2, 1), (2, 3)];
        assert_eq!(waves(6, &links, &[]), [vec![vec![0], vec![4]], vec![vec![1, 2]], vec![vec![3]]]);
        assert_eq!(waves(6, &links, &[(0, 3)]), [vec![vec![4], vec![0, 1, 2, 3]]]);
        assert_eq!(waves(6, &links, &[(0, 4), (9, 0)]), [vec![vec![0, 4]], vec![vec![1, 2]], vec![vec![3]]]);
    }

    proptest! {
        #[test]
        fn everyone_stands_in_one_wave_and_never_before_those_that_depend_on_it(
            links in random::links(12, 20), ties in random::links(11, 3),
        ) {
            let waves = waves(12, &links, &ties);
            let mut wave_of = BTreeMap::new();
            for (number, group) in waves.iter().enumerate().flat_map(|(number, groups)| groups.iter().map(move |group| (number, group))) {
                for member in group {
                    prop_assert_eq!(wave_of.insert(*member, (number, group)), None);
                }
            }
            prop_assert_eq!(wave_of.keys().copied().collect::<Vec<_>>(), (0..11).collect::<Vec<_>>());
            for (one, other) in &ties {
                prop_assert_eq!(&wave_of[one], &wave_of[other]);
            }
            for (client, server) in links.iter().filter(|(client, server)| *client < 11 && *server < 11) {
                let (client, server) = (wave_of[client], wave_of[server]);
                prop_assert!(client.0 < server.0 || client.1 == server.1, "{:?} {:?}", client, server);
            }
        }
    }
}
