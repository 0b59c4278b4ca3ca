//! The API server as a peer, and what it calls: webhooks and aggregated APIs, which an observation may well have missed.
//!
//! It arrives from the addresses of the control plane's nodes or of its own endpoints; which of several it is changes
//! from one connection to the next, so all are named.

use super::nodes::Nodes;
use super::peers::Naming;
use super::rules::Whom;
use super::services::Services;
use crate::index::Index;
use netwright_record::Protocol;
use netwright_record::inventory::{Inventory, WorkloadRef};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What the API server may call, by the port of the workload that serves it; the numbers are positions in `api_extensions`.
pub type Called<'a> = BTreeMap<(&'a WorkloadRef, Protocol, u16), Vec<usize>>;

/// The API server as a server: all its endpoints.
pub fn server(index: &Index, seen: &BTreeSet<IpAddr>) -> Naming {
    Naming::blocks(seen | index.api_server_addresses(), &Whom::ApiServer)
}

/// The API server as a client: wherever a call of it may come from.
pub fn client(index: &Index, nodes: &Nodes, seen: &BTreeSet<IpAddr>) -> Naming {
    let known = &(seen | index.api_server_addresses()) | nodes.control_plane();
    Naming::blocks(known, &Whom::ApiServer)
}

/// What the webhooks and APIServices of `inventory` lead to, and those of which that is not known.
pub fn called<'a>(inventory: &Inventory, services: &Services<'a>) -> (Called<'a>, Vec<usize>) {
    let (mut called, mut unknown) = (Called::new(), Vec::new());
    for (number, extension) in inventory.api_extensions.iter().enumerate() {
        let targets = services.targets(&extension.service);
        if targets.is_empty() {
            unknown.push(number);
        }
        for target in targets {
            called.entry(target).or_default().push(number);
        }
    }
    (called, unknown)
}
