//! From what the kernel counted to what the node records. Pure: fed with map contents and announcements, asked for flows.

pub mod names;
pub mod table;

pub use names::Names;
pub use table::{Delta, Table};

use netwright_record::flow::Flow;
use netwright_record::{Direction, Name, Protocol};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Takes out the UDP flows that are only a search for a source address: getaddrinfo and Go's resolver connect a UDP socket
/// to each address of a name, send nothing, and open a TCP connection to one of them. So: never established, and the same local
/// end has a TCP flow to that address, or to another with the same name. Returns how many flows went. O(flows).
pub fn drop_address_selection(flows: &mut Vec<Flow>) -> usize {
    let mut addresses: BTreeSet<(String, IpAddr)> = BTreeSet::new();
    let mut names: BTreeSet<(String, Name)> = BTreeSet::new();
    for flow in flows.iter().filter(|flow| flow.protocol == Protocol::Tcp && flow.direction == Direction::Egress) {
        let local = local_key(flow);
        names.extend(flow.names.iter().map(|name| (local.clone(), name.clone())));
        addresses.insert((local, flow.remote));
    }
    let before = flows.len();
    flows.retain(|flow| {
        let unused =
            flow.protocol == Protocol::Udp && flow.direction == Direction::Egress && !flow.activity.established();
        !unused || {
            let local = local_key(flow);
            let by_name = flow.names.iter().any(|name| names.contains(&(local.clone(), name.clone())));
            !by_name && !addresses.contains(&(local, flow.remote))
        }
    });
    before - flows.len()
}

/// Who the local end is, whatever address the socket had.
fn local_key(flow: &Flow) -> String {
    use netwright_record::Local;
    match &flow.local {
        Local::Pod { uid, .. } => format!("pod {uid}"),
        Local::Host { .. } => "host".into(),
        Local::Address { ip } => ip.to_string(),
        Local::Unknown { netns_cookie } => format!("netns {netns_cookie}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netwright_record::{Activity, Local, Time};

    fn flow(protocol: Protocol, remote: &str, name: Option<&str>, failed: u64) -> Flow {
        let mut activity = Activity::once(Time::UNIX_EPOCH);
        activity.failed = failed;
        Flow {
            node: "n".into(),
            direction: Direction::Egress,
            protocol,
            local: Local::Pod { uid: "a".into(), ip: None },
            remote: remote.parse().unwrap(),
            port: 443,
            remote_port: None,
            names: name.map(Name::from).into_iter().collect(),
            activity,
        }
    }

    #[test]
    fn the_search_for_a_source_address_is_no_flow() {
        let mut flows = vec![
            flow(Protocol::Tcp, "198.18.0.1", Some("api.example"), 0),
            flow(Protocol::Udp, "198.18.0.1", Some("api.example"), 1),
            flow(Protocol::Udp, "198.18.0.2", Some("api.example"), 1),
        ];
        assert_eq!(drop_address_selection(&mut flows), 2);
        assert_eq!(flows.len(), 1);
    }

    #[test]
    fn what_was_used_or_stands_alone_stays() {
        let mut flows = vec![
            flow(Protocol::Tcp, "198.18.0.1", Some("api.example"), 0),
            flow(Protocol::Udp, "198.18.0.1", Some("api.example"), 0),
            flow(Protocol::Udp, "198.18.0.9", Some("other.example"), 1),
        ];
        assert_eq!(drop_address_selection(&mut flows), 0);
    }
}
