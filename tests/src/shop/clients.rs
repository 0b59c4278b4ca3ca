//! Every client of the shop, wherever it runs: what the stage starts, and what the expected edges begin at.

use super::model::{Call, Container, Kind, OutsideHost, Shop, Workload};
use super::pods::pods;

/// One client process.
#[derive(Debug, Clone)]
pub(super) struct Client<'a> {
    /// The label of its process, under which its log is found.
    pub(super) label: String,
    /// Where it runs.
    pub(super) seat: Seat<'a>,
    /// What it calls.
    pub(super) call: &'a Call,
}

/// Where a client runs.
#[derive(Debug, Clone, Copy)]
pub(super) enum Seat<'a> {
    /// In a pod of a workload; for a CronJob, in the run of that number.
    Pod(&'a Workload, usize),
    /// On the node, as a unit of its service manager.
    Node(&'static str),
    /// Outside the cluster.
    Outside(&'a OutsideHost),
}

impl Client<'_> {
    /// The CronJob run it belongs to, if it does.
    pub(super) fn run(&self) -> Option<usize> {
        match self.seat {
            Seat::Pod(workload, run) if workload.kind == Kind::CronJob => Some(run),
            _ => None,
        }
    }
}

/// All clients, those of CronJob runs included.
pub(super) fn clients(shop: &Shop) -> Vec<Client<'_>> {
    let mut clients = Vec::new();
    for pod in pods(shop) {
        for container in &pod.workload.containers {
            let Container::Calls { name, call } = container else { continue };
            let seat = Seat::Pod(pod.workload, pod.index);
            clients.push(Client { label: pod.process(name), seat, call });
        }
    }
    for (unit, call) in &shop.node_processes {
        clients.push(Client { label: (*unit).to_owned(), seat: Seat::Node(unit), call });
    }
    for host in &shop.outside {
        if let Some(Container::Calls { call, .. }) = &host.container {
            clients.push(Client { label: host.label(), seat: Seat::Outside(host), call });
        }
    }
    clients
}
