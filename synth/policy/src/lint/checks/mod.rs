//! The register of checks. One file a check, or a few that differ in one condition.

mod ambient_mesh;
mod calico;
mod cilium;
mod egress_without_dns;
mod every_namespace;
mod every_peer;
mod every_pod;
mod every_port;
mod except;
mod half_connection;
mod host_network_only;
mod host_network_peer;
mod ignored_rules;
mod ipblock_cluster_ip;
mod ipblock_pods;
mod kube_router;
mod metadata_address;
mod named_port;
mod namespace_selects_nothing;
mod node_ingress;
mod not_isolated;
mod one_family;
mod overlapping_workloads;
mod ovn;
mod peer_selects_nothing;
mod selects_nothing;
mod service_port;
mod shadowed_rule;
mod some_nodes;
mod statefulset_peers;
mod subset_of_policy;
mod unstable_label;
mod vpc;
mod whole_internet;

use super::check::Check;

/// Every check, those of single profiles last.
pub static CHECKS: &[Check] = &[
    selects_nothing::CHECK,
    host_network_only::CHECK,
    peer_selects_nothing::CHECK,
    namespace_selects_nothing::CHECK,
    host_network_peer::CHECK,
    overlapping_workloads::CHECK,
    subset_of_policy::CHECK,
    unstable_label::CHECK,
    ipblock_pods::CHECK,
    ipblock_cluster_ip::CHECK,
    some_nodes::CHECK,
    node_ingress::CHECK,
    service_port::CHECK,
    named_port::MISSING,
    named_port::OTHER_PROTOCOL,
    ignored_rules::CHECK,
    shadowed_rule::CHECK,
    half_connection::CHECK,
    egress_without_dns::CHECK,
    every_peer::EVERYTHING,
    every_peer::EVERY_PEER,
    every_pod::CHECK,
    every_namespace::EVERY_POD,
    every_namespace::BY_LABEL,
    whole_internet::CHECK,
    every_port::CHECK,
    metadata_address::CHECK,
    except::EVERYTHING,
    except::REPEATED,
    except::READMITTED,
    not_isolated::CHECK,
    one_family::CHECK,
    statefulset_peers::CHECK,
    ambient_mesh::CHECK,
    cilium::IPBLOCK,
    cilium::SCTP,
    calico::OWN_NODE,
    vpc::SERVICE_PORT,
    vpc::BARE_POD,
    vpc::PORT_LIMIT,
    vpc::IP_FAMILY,
    ovn::NAMED_PORT,
    ovn::HOST_NETWORK,
    kube_router::BOTH_TYPES,
    kube_router::IPV6,
];
