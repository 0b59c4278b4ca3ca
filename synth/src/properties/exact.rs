//! Without an option that widens, policies allow what a [plain reading](super::reading) of the observation asks for, and nothing
//! else: between workloads, and with nodes, the API server and addresses outside.

use super::clusters::{PORTS, observation};
use super::reading::{Far, Reading, means_another};
use super::{policies, template_pod};
use crate::infer::rules::Plan;
use crate::infer::{Options, infer};
use crate::review::Decided;
use crate::state::convert;
use crate::testing::address;
use netwright_policy::{Cluster, Party, Pod, PolicySet};
use netwright_record::inventory::{ContainerPort, WorkloadRef};
use netwright_record::{Endpoint, Observation, Protocol};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Labels that pass with a rollout, a run or a pod.
const PASSING: [&str; 7] = [
    "pod-template-hash",
    "controller-revision-hash",
    "pod-template-generation",
    "controller-uid",
    "batch.kubernetes.io/controller-uid",
    "job-name",
    "statefulset.kubernetes.io/pod-name",
];
/// Addresses that nobody was seen at: outside, and of a pod.
const STRANGERS: [&str; 3] = ["198.18.77.77", "fd00:77::1", "10.244.0.200"];

/// A pod of a workload, and the ports it declares.
type Known = (WorkloadRef, Pod, Vec<ContainerPort>);

/// The first pod of each workload and the last, without their addresses, since those lie in blocks about others by accident
/// only; one made from the template where it never had any.
fn pods(observation: &Observation, name: &str) -> Vec<Known> {
    let inventory = &observation.inventory;
    let workloads = inventory.workloads.iter().filter(|workload| !workload.host_network);
    workloads
        .flat_map(|declared| {
            let workload = &declared.workload;
            let own: Vec<_> = inventory.pods.iter().filter(|pod| pod.workload == *workload).collect();
            let (first, last) = (own.first(), own.last().filter(|_| own.len() > 1));
            let known = first.into_iter().chain(last).map(|pod| {
                let (labels, ports) = ((&pod.labels).into(), convert::named_ports(&pod.ports));
                let made = Pod { labels, ports, ..template_pod(observation, workload, name) };
                (workload.clone(), made, pod.ports.clone())
            });
            let none =
                own.is_empty().then(|| (workload.clone(), template_pod(observation, workload, name), Vec::new()));
            known.chain(none).collect::<Vec<_>>()
        })
        .collect()
}

/// Every address that plays a part, and some that play none.
fn addresses(observation: &Observation) -> BTreeSet<IpAddr> {
    let inventory = &observation.inventory;
    let of_edges = observation.edges.iter().flat_map(|edge| {
        let ends = [&edge.client, &edge.server].into_iter().filter_map(|end| match end {
            Endpoint::External { address } | Endpoint::LinkLocal { address } => Some(*address),
            _ => None,
        });
        ends.chain(edge.client_addresses.iter().copied()).chain(edge.server_addresses.iter().copied())
    });
    let services = inventory.services.iter();
    let of_services = services.flat_map(|service| {
        let backends = service.backends.iter().map(|backend| &backend.address.ip);
        service.cluster_ips.iter().chain(&service.external_ips).chain(backends).copied()
    });
    let nodes = inventory.nodes.iter().flat_map(|node| node.addresses.iter().copied());
    of_edges.chain(of_services).chain(nodes).chain(STRANGERS.map(address)).collect()
}

/// Asks about what one pod may do, as a server and as a client.
struct Asked<'a> {
    observation: &'a Observation,
    policies: &'a PolicySet,
    cluster: &'a Cluster,
    reading: &'a Reading<'a>,
    own: &'a Known,
}

impl Asked<'_> {
    fn compare(&self, far: &Far, party: &Party, far_ports: &[ContainerPort]) -> Result<(), TestCaseError> {
        let (workload, pod, own_ports) = self.own;
        let protocols = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp].into_iter();
        for (protocol, port) in protocols.flat_map(|protocol| PORTS.map(|port| (protocol, port))) {
            let asked = convert::protocol(protocol);
            let own = Party::Pod(pod);
            let ingress = self.policies.verdict(self.cluster, party, &own, asked, port).ingress.allows();
            let egress = self.policies.verdict(self.cluster, &own, party, asked, port).egress.allows();
            let server = if let Far::Pods(server) = far { server } else { workload };
            for (serves, found, server, ports) in
                [(true, ingress, workload, own_ports.as_slice()), (false, egress, server, far_ports)]
            {
                let expected = self.reading.allows(serves, workload, far, protocol, port);
                // A name in a rule closes to a pod the numbers that others mean by it.
                let tolerated = || !found && means_another(self.observation, server, ports, protocol, port);
                let question = || format!("{workload} serves: {serves}, with {far:?} on {port}/{protocol}");
                prop_assert!(found == expected || tolerated(), "{}: found {}", question(), found);
            }
        }
        Ok(())
    }
}

/// The workloads whose policies are for them alone, and those who get nothing that is meant for another.
fn apart<'a>(observation: &'a Observation, plan: &'a Plan) -> (BTreeSet<&'a WorkloadRef>, BTreeSet<&'a WorkloadRef>) {
    let shared: BTreeSet<&WorkloadRef> = plan.findings.widened.values().flatten().collect();
    let policies = plan.policies.iter().filter(|policy| policy.selection.widened.is_empty());
    let own = policies.map(|policy| &policy.workload).filter(|workload| !shared.contains(workload)).collect();
    let all = observation.inventory.workloads.iter().map(|declared| &declared.workload);
    (own, all.filter(|workload| !shared.contains(workload)).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_allowed_is_what_was_seen_and_what_the_cluster_needs(observation in observation()) {
        let plan = infer(&observation, &Options::default(), &Decided::default());
        let policies = policies(&observation, &plan);
        let cluster = convert::cluster(&observation.inventory.namespaces);
        let reading = Reading::new(&observation);
        let (protected, apart) = apart(&observation, &plan);
        let (owns, fars, addresses) = (pods(&observation, "own"), pods(&observation, "far"), addresses(&observation));
        for own in owns.iter().filter(|(workload, ..)| protected.contains(workload)) {
            let asked = Asked { observation: &observation, policies: &policies, cluster: &cluster, reading: &reading, own };
            for (workload, pod, ports) in fars.iter().filter(|(workload, ..)| apart.contains(workload)) {
                asked.compare(&Far::Pods(workload.clone()), &Party::Pod(pod), ports)?;
            }
            for address in &addresses {
                asked.compare(&Far::Address(*address), &Party::Address(*address), &[])?;
            }
        }
    }

    /// Pods of the next rollout or run are selected as those of this one were.
    #[test]
    fn nobody_is_selected_by_what_passes(observation in observation(), peers in 0..3usize) {
        use crate::infer::rules::Target;
        use crate::infer::widen::{OverPermission, PeerWidth};
        let peers = [PeerWidth::Workload, PeerWidth::Labels, PeerWidth::Namespace][peers];
        let options = Options { peers, over_permission: Some(OverPermission(50)), ..Options::default() };
        let plan = infer(&observation, &options, &Decided::default());
        let own = plan.policies.iter().map(|policy| &policy.selection.pods);
        let peers = plan.policies.iter().flat_map(|policy| policy.rules()).flat_map(|(_, rule)| &rule.peers);
        let peers = peers.filter_map(|peer| if let Target::Pods(pods) = &peer.target { Some(pods) } else { None });
        for (key, value) in own.chain(peers).flat_map(|pods| pods.labels.iter()) {
            prop_assert!(!PASSING.contains(&key.as_str()), "{}: {}", key, value);
            // The name of a Job that a person named, and not one with the number of a run.
            prop_assert!(key.as_str() != "batch.kubernetes.io/job-name" || !value.contains('-'), "{}: {}", key, value);
        }
    }
}
