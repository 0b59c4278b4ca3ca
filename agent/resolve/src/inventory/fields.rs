//! Single fields of Kubernetes objects, checked: ports, protocols, addresses.

use super::error::Fault;
use k8s_openapi::api::core::v1::{Container, PodSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time as ApiTime;
use netwright_record::inventory::{ContainerPort, Labels};
use netwright_record::{Name, Protocol, Time};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A port number: 1 to 65535.
pub(super) fn port(number: i32, field: impl FnOnce() -> String) -> Result<u16, Fault> {
    match u16::try_from(number) {
        Ok(port) if port != 0 => Ok(port),
        _ => Err(Fault::new(field(), format_args!("{number} is no port: expected 1 to 65535"))),
    }
}

/// A protocol; TCP where none is given, as the API has it.
pub(super) fn protocol(text: Option<&str>, field: impl FnOnce() -> String) -> Result<Protocol, Fault> {
    match text {
        None | Some("") => Ok(Protocol::Tcp),
        Some(text) => text.parse().map_err(|error| Fault::new(field(), error)),
    }
}

/// An address, with IPv4 mapped into IPv6 in its plain form.
pub(super) fn address(text: &str, field: impl FnOnce() -> String) -> Result<IpAddr, Fault> {
    match text.parse::<IpAddr>() {
        Ok(ip) => Ok(ip.to_canonical()),
        Err(_) => Err(Fault::new(field(), format_args!("{text:?} is no IP address"))),
    }
}

/// A name where there is one: the API writes the absence of some as an empty string.
pub(super) fn name(text: Option<&String>) -> Option<Name> {
    text.filter(|text| !text.is_empty()).map(Name::from)
}

pub(super) fn labels(labels: Option<&BTreeMap<String, String>>) -> Labels {
    labels.into_iter().flatten().collect()
}

pub(super) fn time(time: Option<&ApiTime>) -> Option<Time> {
    time.map(|time| time.0)
}

/// The ports that the containers of a pod declare, those of sidecars among the init containers too. `path` is the
/// path to `spec`.
pub(super) fn container_ports(spec: &PodSpec, path: &str) -> Result<Vec<ContainerPort>, Fault> {
    let restarts = |container: &&Container| container.restart_policy.as_deref() == Some("Always");
    let sidecars = spec.init_containers.iter().flatten().filter(restarts);
    let mut ports = Vec::new();
    for container in spec.containers.iter().chain(sidecars) {
        for (index, declared) in container.ports.iter().flatten().enumerate() {
            let field =
                |last: &str| format!("{path}.containers[{}].ports[{index}].{last}", container.name.escape_debug());
            ports.push(ContainerPort {
                name: name(declared.name.as_ref()),
                protocol: protocol(declared.protocol.as_deref(), || field("protocol"))?,
                port: port(declared.container_port, || field("containerPort"))?,
            });
        }
    }
    ports.sort();
    ports.dedup();
    Ok(ports)
}
