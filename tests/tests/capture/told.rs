//! Flows as short texts, so that a test says in one line a flow exactly what it expects.
//!
//! `client -> server UDP 8125: 1` is a conversation that `client` began, seen at `client`; `server <- client UDP 8125: 1` is the
//! same, seen at `server`; `<>` stands where nobody knows who began, with both ports. Appended, where they are not nothing: how many attempts
//! failed, bytes, and names. A pod's IPv6 address is its name and `/6`.

use crate::pod::Pod;
use netwright_record::{Direction, Flow, Local, Name};
use std::fmt::Write;
use std::net::IpAddr;

/// All flows, sorted.
pub(crate) fn flows(flows: &[Flow], pods: &[&Pod]) -> Vec<String> {
    let mut told: Vec<String> = flows.iter().map(|flow| tell(flow, pods)).collect();
    told.sort_unstable();
    told
}

fn tell(flow: &Flow, pods: &[&Pod]) -> String {
    let arrow = match flow.direction {
        Direction::Egress => "->",
        Direction::Ingress => "<-",
        Direction::Ambiguous => "<>",
    };
    let activity = &flow.activity;
    let (local, remote) = (local(&flow.local, pods), name(flow.remote, pods));
    let mut told = format!("{local} {arrow} {remote} {} {}", flow.protocol, flow.port);
    if let Some(port) = flow.remote_port {
        let _ = write!(told, "/{port}");
    }
    let _ = write!(told, ": {}", activity.connections);
    if activity.failed > 0 {
        let _ = write!(told, " failed {}", activity.failed);
    }
    if let Some(bytes) = activity.bytes {
        let _ = write!(told, " bytes {bytes}");
    }
    if !flow.names.is_empty() {
        let names: Vec<&str> = flow.names.iter().map(Name::as_str).collect();
        let _ = write!(told, " as {}", names.join(","));
    }
    told
}

/// The pod with that UID; what is odd about the address, if anything is, stands out.
fn local(local: &Local, pods: &[&Pod]) -> String {
    match local {
        Local::Pod { uid, ip } => match pods.iter().find(|pod| !pod.uid.is_empty() && pod.uid == *uid) {
            Some(pod) if ip.is_none_or(|ip| ip == pod.v4 || ip == pod.v6) => pod.name.clone(),
            _ => format!("(pod {uid} at {ip:?})"),
        },
        Local::Host { ip: Some(ip) } => format!("host({ip})"),
        other => format!("({other:?})"),
    }
}

fn name(ip: IpAddr, pods: &[&Pod]) -> String {
    let is = |pod: &&&Pod| pod.v4 == ip || pod.v6 == ip;
    match pods.iter().find(is) {
        Some(pod) if pod.v4 == ip => pod.name.clone(),
        Some(pod) => format!("{}/6", pod.name),
        None => ip.to_string(),
    }
}
