//! What kube-proxy does: Service addresses translated to backends, by nftables in the node's namespace.

use super::net;
use anyhow::{Context, Result};
use netwright_record::Protocol;
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::process::Command;

/// A Service's address and port, and the backends behind it. All backends are of the family of the address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translation {
    /// The Service's address and port, as clients connect to them.
    pub service: SocketAddr,
    /// The protocol.
    pub protocol: Protocol,
    /// The pods behind it, taken in turn.
    pub backends: Vec<IpAddr>,
    /// Their port.
    pub target_port: u16,
}

/// Installs the translations in the namespace `node`, and masquerades what its pods send outside.
pub(super) fn apply(node: &str, translations: &[Translation]) -> Result<()> {
    let mut command = Command::new("ip");
    net::feed(command.args(["netns", "exec", node, "nft", "-f", "-"]), &rules(translations))
        .context("installing the translation of Services")
}

fn rules(translations: &[Translation]) -> String {
    let mut rules = String::new();
    for (family, v4) in [("ip", true), ("ip6", false)] {
        let of_family = translations.iter().filter(|translation| translation.service.is_ipv4() == v4);
        let lines: String = of_family.map(|translation| rule(family, translation)).collect();
        let _ = write!(
            rules,
            "table {family} services {{\n\
             chain prerouting {{\ntype nat hook prerouting priority dstnat;\n{lines}}}\n\
             chain postrouting {{\ntype nat hook postrouting priority srcnat;\n\
             oifname \"up0\" masquerade\n}}\n}}\n"
        );
    }
    rules
}

fn rule(family: &str, translation: &Translation) -> String {
    let Translation { service, protocol, backends, target_port } = translation;
    let elements: Vec<String> =
        backends.iter().enumerate().map(|(index, backend)| format!("{index} : {backend}")).collect();
    format!(
        "{family} daddr {} {} dport {} dnat to numgen inc mod {} map {{ {} }} : {target_port}\n",
        service.ip(),
        protocol.as_str().to_ascii_lowercase(),
        service.port(),
        backends.len(),
        elements.join(", "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_with_two_backends_takes_turns() {
        let translation = Translation {
            service: "10.96.1.10:80".parse().unwrap(),
            protocol: Protocol::Tcp,
            backends: vec!["10.244.0.11".parse().unwrap(), "10.244.0.12".parse().unwrap()],
            target_port: 9090,
        };
        assert_eq!(
            rule("ip", &translation),
            "ip daddr 10.96.1.10 tcp dport 80 dnat to numgen inc mod 2 map { 0 : 10.244.0.11, 1 : 10.244.0.12 } : 9090\n"
        );
    }
}
