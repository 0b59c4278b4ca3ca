//! The addresses of a network namespace, from `/proc/PID/net`: for pods that speak UDP only, whose sockets show none.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// The addresses of the namespace that the process is in, without loopback and link-local ones. Empty if it is gone.
pub fn of_process(proc: &Path, pid: u32) -> Vec<IpAddr> {
    let net = proc.join(pid.to_string()).join("net");
    let read = |file: &str| fs::read_to_string(net.join(file)).unwrap_or_default();
    let ipv4 = parse_fib_trie(&read("fib_trie")).into_iter().map(IpAddr::V4);
    let ipv6 = parse_if_inet6(&read("if_inet6")).into_iter().map(IpAddr::V6);
    ipv4.chain(ipv6).collect()
}

/// The local addresses in `fib_trie`: the leaf before each line `/32 host LOCAL`.
fn parse_fib_trie(text: &str) -> Vec<Ipv4Addr> {
    let mut leaf = None;
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse().ok();
        } else if line == "/32 host LOCAL" {
            found.extend(leaf.filter(|ip: &Ipv4Addr| !ip.is_loopback() && !ip.is_link_local() && !found.contains(ip)));
        }
    }
    found
}

/// The addresses in `if_inet6`: 32 hexadecimal digits at the start of each line.
fn parse_if_inet6(text: &str) -> Vec<Ipv6Addr> {
    text.lines()
        .filter_map(|line| u128::from_str_radix(line.split_whitespace().next()?, 16).ok())
        .map(Ipv6Addr::from)
        .filter(|ip| !ip.is_loopback() && !ip.is_unicast_link_local())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_addresses_are_read_from_the_routing_table() {
        let text = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     |-- 10.244.0.7\n        \
                    /32 host LOCAL\n     |-- 10.244.0.255\n        /32 link BROADCAST\nLocal:\n     |-- 127.0.0.1\n        /32 host LOCAL\n     \
                    |-- 10.244.0.7\n        /32 host LOCAL\n";
        assert_eq!(parse_fib_trie(text), ["10.244.0.7".parse::<Ipv4Addr>().unwrap()]);
    }

    #[test]
    fn ipv6_addresses_are_read_without_loopback_and_link_local() {
        let text = "00000000000000000000000000000001 01 80 10 80       lo\n\
                    fd002440000000000000000000000005 02 40 00 80     eth0\n\
                    fe800000000000000000000000000001 02 40 20 80     eth0\nnonsense\n";
        assert_eq!(parse_if_inet6(text), ["fd00:2440::5".parse::<Ipv6Addr>().unwrap()]);
    }
}
