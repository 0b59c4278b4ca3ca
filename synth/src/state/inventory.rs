//! From an inventory to a [`State`], whether manifests or an observation gave it.

use super::convert::{cluster, named_ports};
use super::{State, StateNode, StatePod};
use netwright_policy::Pod;
use netwright_record::Name;
use netwright_record::inventory::{self, Inventory, Workload, WorkloadRef};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The state of which `inventory` tells, with `templates` for workloads that have no pod in it.
pub(super) fn state(inventory: &Inventory, templates: &[inventory::Pod]) -> State {
    let nodes = nodes(inventory);
    let listed = inventory.pods.iter().map(|pod| (pod, false));
    let all = listed.chain(templates.iter().map(|pod| (pod, true)));
    let mut pods: Vec<StatePod> = all.map(|(pod, from_template)| state_pod(pod, from_template, &nodes)).collect();
    pods.sort_by(|a, b| (&a.workload, &a.pod.name).cmp(&(&b.workload, &b.pod.name)));
    let mut workloads: BTreeMap<WorkloadRef, Vec<usize>> = BTreeMap::new();
    for (index, pod) in pods.iter().enumerate() {
        workloads.entry(pod.workload.clone()).or_default().push(index);
    }
    let mut services = inventory.services.clone();
    services.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    let nodes = nodes.into_iter().map(|(name, addresses)| StateNode { name: name.into(), addresses }).collect();
    State { cluster: cluster(&inventory.namespaces), pods, nodes, services, workloads, ..State::default() }
}

fn nodes(inventory: &Inventory) -> BTreeMap<Name, Vec<IpAddr>> {
    inventory.nodes.iter().map(|node| (node.name.clone(), node.addresses.clone())).collect()
}

fn state_pod(pod: &inventory::Pod, from_template: bool, nodes: &BTreeMap<Name, Vec<IpAddr>>) -> StatePod {
    let node_addresses = pod.node.as_ref().and_then(|node| nodes.get(node)).cloned().unwrap_or_default();
    let addresses =
        if pod.host_network { node_addresses.clone() } else { pod.addresses.iter().map(|held| held.ip).collect() };
    StatePod {
        pod: Pod {
            namespace: (&pod.namespace).into(),
            name: (&pod.name).into(),
            labels: (&pod.labels).into(),
            addresses,
            node_addresses,
            ports: named_ports(&pod.ports),
        },
        workload: pod.workload.clone(),
        host_network: pod.host_network,
        node: pod.node.as_ref().map(String::from),
        from_template,
    }
}

/// Takes out the pods that hold no address any more, and how many those are. A pod that never had one is still to come.
pub(super) fn remove_gone(inventory: &mut Inventory) -> usize {
    let before = inventory.pods.len();
    let held = |pod: &inventory::Pod| pod.addresses.iter().any(|address| address.until.is_none());
    inventory.pods.retain(|pod| pod.addresses.is_empty() || held(pod));
    for pod in &mut inventory.pods {
        pod.addresses.retain(|address| address.until.is_none());
    }
    before - inventory.pods.len()
}

/// A pod for each workload without one, as far as an observation tells: without the labels that change with a rollout.
pub(super) fn templates(inventory: &Inventory) -> Vec<inventory::Pod> {
    let members: BTreeSet<&WorkloadRef> = inventory.pods.iter().map(|pod| &pod.workload).collect();
    // The run is over; so is a pod that nothing owns.
    let returns = |workload: &&Workload| !matches!(workload.workload.kind.as_str(), "Job" | "Pod");
    let idle = inventory.workloads.iter().filter(|workload| !members.contains(&workload.workload)).filter(returns);
    idle.map(template).collect()
}

fn template(workload: &Workload) -> inventory::Pod {
    let WorkloadRef { namespace, kind, name } = &workload.workload;
    inventory::Pod {
        namespace: namespace.clone(),
        name: format!("{kind}/{name}").into(),
        uid: Name::default(),
        node: None,
        workload: workload.workload.clone(),
        labels: workload.labels.iter().chain(&workload.selector).map(|(k, v)| (k.clone(), v.clone())).collect(),
        addresses: Vec::new(),
        host_network: workload.host_network,
        ports: workload.ports.clone(),
        service_account: workload.service_account.clone(),
    }
}
