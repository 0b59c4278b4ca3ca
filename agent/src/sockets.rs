//! Sockets that exist already: `/proc/PID/net/{tcp,udp}{,6}` of one process a pod.
//!
//! Hooks see what happens, not what is. Connections older than the agent, and the ports that servers hold, are read here
//! at the start; connections that stay open are read here again from time to time, so that their activity does not end with their beginning.

use crate::identity::{Cgroups, Owner};
use netwright_record::Protocol;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

/// A socket, as one process's view of its network namespace shows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OpenSocket {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// What it does.
    pub state: State,
    /// The local address.
    pub local: IpAddr,
    /// The local port.
    pub local_port: u16,
    /// The remote address; unspecified unless connected.
    pub remote: IpAddr,
    /// The remote port; 0 unless connected.
    pub remote_port: u16,
}

/// What a socket does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Connected to a peer.
    Connected,
    /// Waiting for peers: TCP listening, UDP bound or sent from.
    Waiting,
    /// On its way to or from one of these.
    Other,
}

/// The sockets of one namespace and whose they are.
#[derive(Debug, Clone)]
pub struct Namespace {
    /// Who owns the process it was read through.
    pub owner: Owner,
    /// The cgroups of this owner's processes.
    pub cgroups: BTreeSet<PathBuf>,
    /// A process in it.
    pub pid: u32,
    /// Its sockets.
    pub sockets: Vec<OpenSocket>,
}

impl Namespace {
    /// The TCP ports somebody listens on.
    pub fn listening(&self) -> BTreeSet<u16> {
        self.sockets
            .iter()
            .filter(|socket| socket.protocol == Protocol::Tcp && socket.state == State::Waiting)
            .map(|socket| socket.local_port)
            .collect()
    }
}

/// Every namespace that has a process below the cgroups' root, each read once. Processes that end meanwhile are passed over.
///
/// `proc` is `/proc`, or where the host's is mounted; `mount` is where the paths of processes' cgroups begin
/// ([`cgroups::paths_begin_at`](crate::identity::cgroups::paths_begin_at)). Only namespaces of owners that are `wanted`. O(processes), plus the sockets of each namespace.
pub fn read(proc: &Path, cgroups: &Cgroups, mount: &Path, wanted: impl Fn(&Owner) -> bool) -> Vec<Namespace> {
    let mut found: HashMap<(Owner, String), Namespace> = HashMap::new();
    for pid in processes(proc) {
        let directory = proc.join(pid.to_string());
        let Some(path) = cgroup_path(&directory, mount).filter(|path| path.starts_with(cgroups.root())) else {
            continue;
        };
        let Some((_, cgroup)) = cgroups.at(&path).filter(|(_, cgroup)| wanted(&cgroup.owner)) else { continue };
        // Not readable without more rights than the agent has in a pod; then a pod's processes are taken to share one.
        let namespace = fs::read_link(directory.join("ns/net")).unwrap_or_default().to_string_lossy().into_owned();
        found
            .entry((cgroup.owner.clone(), namespace))
            .or_insert_with(|| Namespace {
                owner: cgroup.owner.clone(),
                cgroups: BTreeSet::new(),
                pid,
                sockets: tables(&directory.join("net")),
            })
            .cgroups
            .insert(path);
    }
    found.into_values().collect()
}

pub(crate) fn processes(proc: &Path) -> impl Iterator<Item = u32> {
    fs::read_dir(proc).into_iter().flatten().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The directory of a process's cgroup: the line `0::/path` of `/proc/PID/cgroup` is the one of cgroup v2.
pub(crate) fn cgroup_path(process: &Path, mount: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string(process.join("cgroup")).ok()?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    Some(below(mount, path))
}

/// `path` as seen from `mount`. What is outside of a cgroup namespace is named by way of `..`.
fn below(mount: &Path, path: &str) -> PathBuf {
    let mut directory = mount.to_owned();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        match part {
            ".." => _ = directory.pop(),
            part => directory.push(part),
        }
    }
    directory
}

/// Each socket once: where some come and go while the kernel prints its table page by page, it prints others twice.
fn tables(net: &Path) -> Vec<OpenSocket> {
    let mut seen = HashSet::new();
    [("tcp", Protocol::Tcp), ("tcp6", Protocol::Tcp), ("udp", Protocol::Udp), ("udp6", Protocol::Udp)]
        .into_iter()
        .flat_map(|(file, protocol)| parse(&fs::read_to_string(net.join(file)).unwrap_or_default(), protocol))
        .filter(|socket| seen.insert(socket.clone()))
        .collect()
}

/// Parses one table (Documentation/networking/proc_net_tcp.rst). Lines that do not parse are passed over: the heading is one.
fn parse(table: &str, protocol: Protocol) -> Vec<OpenSocket> {
    table.lines().filter_map(|line| parse_line(line, protocol)).collect()
}

fn parse_line(line: &str, protocol: Protocol) -> Option<OpenSocket> {
    let mut fields = line.split_whitespace().skip(1);
    let (local, local_port) = end(fields.next()?)?;
    let (remote, remote_port) = end(fields.next()?)?;
    let state = match (protocol, u8::from_str_radix(fields.next()?, 16).ok()?) {
        (_, 0x01) => State::Connected,
        (Protocol::Tcp, 0x0a) | (Protocol::Udp, 0x07) => State::Waiting,
        _ => State::Other,
    };
    Some(OpenSocket { protocol, state, local, local_port, remote, remote_port })
}

/// `0100007F:0035`: the address as words in host byte order, the port as a number, all hexadecimal.
fn end(text: &str) -> Option<(IpAddr, u16)> {
    let (address, port) = text.split_once(':')?;
    let words: Option<Vec<[u8; 4]>> = (0..address.len() / 8)
        .map(|index| u32::from_str_radix(address.get(index * 8..index * 8 + 8)?, 16).ok().map(u32::to_ne_bytes))
        .collect();
    let ip = match *words?.as_slice() {
        [word] => IpAddr::V4(Ipv4Addr::from(word)),
        [a, b, c, d] => {
            let bytes: [u8; 16] = [a, b, c, d].concat().try_into().ok()?;
            IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical()
        }
        _ => return None,
    };
    Some((ip, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_endian = "little")]
    #[test]
    fn tables_are_parsed_as_the_kernel_prints_them() {
        let tcp = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
                   0: 0100F40A:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0\n   \
                   1: 0100F40A:C350 0200F40A:1538 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0 20 4 30 10 -1\n";
        let sockets = parse(tcp, Protocol::Tcp);
        let expected = OpenSocket {
            protocol: Protocol::Tcp,
            state: State::Connected,
            local: "10.244.0.1".parse().unwrap(),
            local_port: 50000,
            remote: "10.244.0.2".parse().unwrap(),
            remote_port: 5432,
        };
        assert_eq!(sockets.len(), 2);
        assert_eq!(sockets.last(), Some(&expected));
        assert_eq!(sockets.first().map(|socket| (socket.state, socket.local_port)), Some((State::Waiting, 8080)));
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn mapped_addresses_are_ipv4() {
        let tcp6 = "   0: 0000000000000000FFFF00000100F40A:1F90 0000000000000000FFFF00000200F40A:C350 01 0 0\n";
        let sockets = parse(tcp6, Protocol::Tcp);
        assert_eq!(sockets.first().map(|socket| socket.local), Some("10.244.0.1".parse().unwrap()));
    }

    #[test]
    fn cgroups_outside_of_the_own_namespace_are_found() {
        let own = Path::new("/host/cgroup/kubepods/pod1/a");
        assert_eq!(below(own, ""), own);
        assert_eq!(below(own, "../../burstable/pod2/b"), Path::new("/host/cgroup/kubepods/burstable/pod2/b"));
    }

    #[test]
    fn damaged_lines_are_passed_over() {
        for line in [
            "",
            "0:",
            "0: zz:1 00000000:0000 01",
            "0: 0100007F 00000000:0000 0A",
            "0: 01:02 03:04 05",
            "a b c d e",
            "é: é:é é:é é",
        ] {
            assert!(parse(line, Protocol::Tcp).is_empty(), "{line}");
        }
    }
}
