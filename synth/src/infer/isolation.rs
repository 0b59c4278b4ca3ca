//! Who may be isolated: a policy must not cut off what was never seen to work, nor whoever else its labels select.

use super::names::{valid_label, valid_name, valid_namespace};
use super::rules::Unprotected;
use super::selectors::Selections;
use crate::index::{Facts, Index, workloads_of};
use netwright_record::inventory::{Workload, WorkloadRef};
use netwright_record::{Edge, Name};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// The workloads that were seen at work: the ends of established edges that are not `ignored`. That the own node reaches a
/// pod says nothing about what the pod needs: kubelets probe the idle ones too.
pub fn active<'a>(index: &Index, edges: &'a [Edge], ignored: impl Fn(usize) -> bool) -> HashSet<&'a WorkloadRef> {
    let counts = |(number, edge): &(usize, &Edge)| {
        edge.activity.established() && !ignored(*number) && index.own_node(edge).is_none()
    };
    edges.iter().enumerate().filter(counts).flat_map(|(_, edge)| workloads_of(edge)).collect()
}

/// Why each workload that gets no policy gets none: who is not `active`, among others. `unnameable` holds the workloads with
/// a peer that nothing names.
pub fn unprotected(
    index: &Index,
    active: &HashSet<&WorkloadRef>,
    selections: &Selections,
    unnameable: &BTreeMap<WorkloadRef, String>,
) -> BTreeMap<WorkloadRef, Unprotected> {
    let mut unprotected: BTreeMap<WorkloadRef, Unprotected> = index
        .workloads()
        .filter_map(|(workload, facts)| {
            let reason = of_itself((workload, facts), active.contains(workload), selections, unnameable)?;
            Some((workload.clone(), reason))
        })
        .collect();
    // Each round may leave a further workload without a policy, which others' labels select: repeat until none does.
    loop {
        let more: BTreeMap<WorkloadRef, Unprotected> = selections
            .iter()
            .filter(|(workload, _)| !unprotected.contains_key(workload.as_ref()))
            .filter_map(|(workload, selection)| {
                let victim = selection.widened.iter().find(|other| unprotected.contains_key(other))?;
                Some((WorkloadRef::clone(workload), Unprotected::WouldCutOff(victim.clone())))
            })
            .collect();
        if more.is_empty() {
            return unprotected;
        }
        unprotected.extend(more);
    }
}

fn of_itself(
    (workload, facts): (&WorkloadRef, &Facts),
    active: bool,
    selections: &Selections,
    unnameable: &BTreeMap<WorkloadRef, String>,
) -> Option<Unprotected> {
    if facts.host_network() {
        return Some(Unprotected::HostNetwork);
    }
    if !valid_namespace(&workload.namespace) || !valid_name(&workload.name) {
        return Some(Unprotected::Invalid(format!("the name {workload}")));
    }
    if !active {
        return Some(Unprotected::Silent);
    }
    if !selections.contains_key(workload) {
        let valid = |declared: &&Workload| declared.selector.iter().all(|(key, value)| valid_label(key, value));
        let unusable = facts.declared.is_some_and(|declared| !valid(&declared));
        return Some(if unusable {
            Unprotected::Invalid("a label of its selector".into())
        } else {
            Unprotected::NoLabels
        });
    }
    unnameable.get(workload).map(|peer| Unprotected::UnnameablePeer(peer.clone()))
}

/// The namespaces in which all else can be denied, since every workload has its own policy; and for the others, the
/// workloads that stand in the way. A namespace without any policy is in neither.
pub fn default_deny(
    index: &Index,
    unprotected: &BTreeMap<WorkloadRef, Unprotected>,
) -> (Vec<String>, BTreeMap<Name, BTreeSet<WorkloadRef>>) {
    let mut protected: BTreeSet<&str> = BTreeSet::new();
    let mut open: BTreeMap<Name, BTreeSet<WorkloadRef>> = BTreeMap::new();
    for (workload, _) in index.workloads() {
        match unprotected.get(workload) {
            None => {
                protected.insert(&workload.namespace);
            }
            Some(Unprotected::HostNetwork) => {}
            Some(_) => {
                open.entry(workload.namespace.clone()).or_default().insert(workload.clone());
            }
        }
    }
    let closed = protected.into_iter().filter(|namespace| !open.contains_key(*namespace)).map(str::to_owned).collect();
    (closed, open)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::selectors::select;
    use crate::testing::World;
    use netwright_record::Protocol::Tcp;
    use netwright_record::{Endpoint, Observation};

    fn why(observation: &Observation, index: &Index) -> BTreeMap<WorkloadRef, Unprotected> {
        let active = active(index, &observation.edges, |_| false);
        unprotected(index, &active, &select(index), &BTreeMap::new())
    }

    fn reasons(world: &World) -> BTreeMap<String, Unprotected> {
        let observation = world.build();
        let index = Index::new(&observation);
        let unprotected = why(&observation, &index);
        unprotected.into_iter().map(|(workload, reason)| (workload.name.into(), reason)).collect()
    }

    fn connect(world: &mut World, client: &WorkloadRef, server: &WorkloadRef) {
        world.edge(Endpoint::Workload(client.clone()), Endpoint::Workload(server.clone()), Tcp, 80);
    }

    #[test]
    fn silent_workloads_have_no_policy() {
        let mut world = World::new();
        let (a, b) = (world.running("n", "a"), world.running("n", "b"));
        world.running("n", "silent");
        connect(&mut world, &a, &b);
        assert_eq!(reasons(&world), BTreeMap::from([("silent".into(), Unprotected::Silent)]));
    }

    #[test]
    fn probes_from_the_own_node_do_not_make_a_workload_known() {
        let mut world = World::new();
        world.node("n1", &["198.18.1.1"]).covered("n1");
        let quiet = world.running("n", "quiet");
        world.edge(Endpoint::Node { name: "n1".into(), workload: None }, Endpoint::Workload(quiet), Tcp, 8080);
        assert_eq!(reasons(&world), BTreeMap::from([("quiet".into(), Unprotected::Silent)]));
    }

    #[test]
    fn a_workload_of_which_a_pod_has_its_own_address_is_not_the_nodes() {
        let mut world = World::new();
        let (a, b) = (world.running("n", "a"), world.running("n", "b"));
        world.declared(&a).host_network = true;
        world.pod(&a, "n2", &[("app", "a")]).host_network = true;
        connect(&mut world, &a, &b);
        assert_eq!(reasons(&world), BTreeMap::new());
    }

    #[test]
    fn attempts_that_all_failed_do_not_make_a_workload_known() {
        let mut world = World::new();
        let (a, b) = (world.running("n", "a"), world.running("n", "b"));
        world.edge(Endpoint::Workload(a), Endpoint::Workload(b), Tcp, 80).activity.failed = 1;
        assert_eq!(reasons(&world).len(), 2);
    }

    #[test]
    fn a_policy_that_would_cut_off_a_neighbour_is_not_written_nor_is_one_that_depends_on_it() {
        let mut world = World::new();
        let a = world.workload("n", "Deployment", "a", &[("app", "x")]);
        let b = world.workload("n", "Deployment", "b", &[("app", "x")]);
        let c = world.workload("n", "Deployment", "c", &[("app", "x"), ("c", "1")]);
        connect(&mut world, &a, &c);
        let reasons = reasons(&world);
        assert_eq!(reasons.get("b"), Some(&Unprotected::Silent));
        assert_eq!(reasons.get("a"), Some(&Unprotected::WouldCutOff(b)));
        assert_eq!(reasons.get("c"), None);
    }

    #[test]
    fn everything_else_is_denied_only_where_everyone_has_a_policy() {
        let mut world = World::new();
        let (a, b) = (world.running("closed", "a"), world.running("open", "b"));
        let silent = world.running("open", "silent");
        connect(&mut world, &a, &b);
        let observation = world.build();
        let index = Index::new(&observation);
        let unprotected = why(&observation, &index);
        let (closed, open) = default_deny(&index, &unprotected);
        assert_eq!(closed, ["closed"]);
        assert_eq!(open, BTreeMap::from([("open".into(), BTreeSet::from([silent]))]));
    }
}
