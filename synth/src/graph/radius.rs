//! How large each blast radius is. Serves the list of the largest, and the order in which to lock down.
//!
//! Exact numbers for all vertices need more than linear time: two vertices may share dependents, so sizes do not add up.
//! Sets of dependents go from client to server over the condensation, as bits, a block of workloads at a time: for V
//! vertices, E links and W workloads (V + E)·W/64 steps and V·512 bytes, not V·W bits. With 50,000 workloads and 200,000
//! links that is a fraction of a second.

use super::analysis::Dependencies;
use petgraph::graph::NodeIndex;

/// Words of 64 workloads each that go through the graph at once: whole cache lines, and few enough that those of all
/// components fit into memory.
const WORDS: usize = 64;

/// Which of a block of workloads depend on a component, or belong to it.
type Block = [u64; WORDS];

impl Dependencies<'_> {
    /// For each vertex, how many workloads depend on it directly or by way of others; itself is not counted.
    pub fn blast_radii(&self) -> Vec<usize> {
        let condensed = Condensed::new(self);
        let workloads: Vec<usize> = self.workloads().collect();
        let mut sizes = vec![0; condensed.servers.len()];
        for block in workloads.chunks(WORDS * u64::BITS as usize) {
            condensed.count(block, &mut sizes);
        }
        let size = |(number, component): (usize, &usize)| {
            let reached: usize = sizes.get(*component).copied().unwrap_or(0);
            reached.saturating_sub(usize::from(self.is_workload(number)))
        };
        condensed.component_of.iter().enumerate().map(size).collect()
    }
}

/// The graph of strongly connected components, clients before servers.
struct Condensed {
    /// The component of each vertex.
    component_of: Vec<usize>,
    /// The components that each component calls.
    servers: Vec<Vec<usize>>,
}

impl Condensed {
    fn new(dependencies: &Dependencies) -> Self {
        let components = || dependencies.components().iter().rev();
        let mut component_of = vec![0; dependencies.calls.node_count()];
        for (component, members) in components().enumerate() {
            for of in members {
                if let Some(slot) = component_of.get_mut(*of) {
                    *slot = component;
                }
            }
        }
        let servers = components().enumerate().map(|(own, members)| {
            let called = members.iter().flat_map(|member| dependencies.calls.neighbors(NodeIndex::new(*member)));
            let mut servers: Vec<usize> =
                called.filter_map(|server| component_of.get(server.index()).copied()).collect();
            servers.sort_unstable();
            servers.dedup();
            servers.retain(|server| *server != own);
            servers
        });
        let servers = servers.collect();
        Self { component_of, servers }
    }

    /// Adds to `sizes` how many of `workloads`, which are at most a block, depend on each component or belong to it.
    fn count(&self, workloads: &[usize], sizes: &mut [usize]) {
        let mut reached: Vec<Block> = vec![[0; WORDS]; self.servers.len()];
        for (bit, workload) in workloads.iter().enumerate() {
            let block = self.component_of.get(*workload).and_then(|component| reached.get_mut(*component));
            if let Some(word) = block.and_then(|block| block.get_mut(bit / 64)) {
                *word |= 1 << (bit % 64);
            }
        }
        for (component, servers) in self.servers.iter().enumerate() {
            let Some(own) = reached.get(component).copied() else { continue };
            if let Some(size) = sizes.get_mut(component) {
                *size += own.iter().map(|word| word.count_ones() as usize).sum::<usize>();
            }
            if own.iter().all(|word| *word == 0) {
                continue;
            }
            for server in servers {
                let Some(block) = reached.get_mut(*server) else { continue };
                block.iter_mut().zip(own).for_each(|(word, own)| *word |= own);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::random;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn they_are_the_sizes_of_the_closures(links in random::links(12, 24)) {
            let graph = random::graph(12, &links);
            let dependencies = Dependencies::new(&graph);
            for (vertex, radius) in dependencies.blast_radii().into_iter().enumerate() {
                let dependents = dependencies.dependents(vertex);
                let workloads = dependents.iter().filter(|dependent| dependencies.is_workload(**dependent));
                prop_assert_eq!(radius, workloads.count());
            }
        }
    }

    /// More than one block of workloads: a chain in which each is called by all before it.
    #[test]
    fn a_long_chain_is_counted_to_its_end() {
        let long = WORDS * 64 * 2 + 3;
        let links: Vec<(usize, usize)> = (1..long).map(|server| (server - 1, server)).collect();
        let graph = random::graph(long, &links);
        assert_eq!(Dependencies::new(&graph).blast_radii(), (0..long).collect::<Vec<_>>());
    }
}
