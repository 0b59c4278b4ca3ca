//! A second opinion on policies: PyPI's network-config-analyzer, which shares no code with this project.

mod batch;

pub use batch::{Question, ask_all};

use anyhow::{Context, Result, bail};
use netwright_record::Protocol;
use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names the program where `make setup` did not put it.
const VARIABLE: &str = "NETWRIGHT_NCA";

/// Which protocol, and which ports of it; no protocol where everything is permitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    protocol: Option<Protocol>,
    ports: Vec<RangeInclusive<u16>>,
}

impl Permission {
    /// Whether it covers that port.
    pub fn covers(&self, protocol: Protocol, port: u16) -> bool {
        let ports = || self.ports.is_empty() || self.ports.iter().any(|range| range.contains(&port));
        self.protocol.is_none_or(|own| own == protocol && ports())
    }
}

/// Address ranges, and what each may use or offer.
type Ranges = Vec<(RangeInclusive<IpAddr>, Permission)>;

/// What network-config-analyzer says is permitted. Pods are called `namespace/pod`.
#[derive(Debug, Clone, Default)]
pub struct Oracle {
    /// (client, server) as in the lines, either of them possibly a list of address ranges.
    pairs: BTreeMap<(String, String), Vec<Permission>>,
    /// Server to client addresses.
    clients: BTreeMap<String, Ranges>,
    /// Client to server addresses.
    servers: BTreeMap<String, Ranges>,
}

impl Oracle {
    /// The program, where it is installed.
    pub fn program() -> Option<PathBuf> {
        std::env::var_os(VARIABLE).map(PathBuf::from).filter(|path| path.is_file())
    }

    /// Asks about the policies in a folder, for the pods and namespaces of an inventory. What is asked is kept beside the inventory.
    ///
    /// # Errors
    /// The program fails, or prints something that cannot be understood.
    pub fn ask(program: &Path, policies: &Path, inventory: &Path) -> Result<Self> {
        let question = inventory.with_extension("pods.yaml");
        let text = fs::read_to_string(inventory).with_context(|| format!("reading {}", inventory.display()))?;
        fs::write(&question, namespaces_and_pods(&text)?)?;
        let output = Command::new(program)
            .arg("--connectivity")
            .arg(policies)
            .args(["--output_format", "txt_no_fw_rules", "--output_endpoints", "pods", "--return_0"])
            .arg("--ns_list")
            .arg(&question)
            .arg("--pod_list")
            .arg(&question)
            .output()
            .with_context(|| format!("running {}", program.display()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            bail!("{} failed:\n{text}{}", program.display(), String::from_utf8_lossy(&output.stderr));
        }
        Self::parse(&text)
    }

    /// Whether a connection from one pod to another is permitted.
    pub fn permits(&self, client: &str, server: &str, protocol: Protocol, port: u16) -> bool {
        self.between(client, server).iter().any(|it| it.covers(protocol, port))
    }

    /// All that is permitted from one pod to another; none from a pod to itself, of which the tool says nothing.
    pub fn between(&self, client: &str, server: &str) -> &[Permission] {
        self.pairs.get(&(client.to_owned(), server.to_owned())).map_or(&[], Vec::as_slice)
    }

    /// All that is permitted from an address outside to a pod.
    pub fn from_address(&self, client: IpAddr, server: &str) -> Vec<Permission> {
        holding(self.clients.get(server), client)
    }

    /// All that is permitted from a pod to an address outside.
    pub fn to_address(&self, client: &str, server: IpAddr) -> Vec<Permission> {
        holding(self.servers.get(client), server)
    }

    /// How many pairs have some permission.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether nothing is permitted at all.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Reads lines such as `shop/front => shop/api : {protocols:TCP,dst_ports:80,90-99}`, of which there has to be one.
    fn parse(text: &str) -> Result<Self> {
        let oracle = Self::read(text)?;
        if oracle.is_empty() {
            bail!("network-config-analyzer printed no pair at all:\n{text}");
        }
        Ok(oracle)
    }

    /// The same, where nothing at all may be permitted.
    fn read(text: &str) -> Result<Self> {
        let mut oracle = Self::default();
        for line in text.lines() {
            let Some((client, rest)) = line.split_once(" => ") else { continue };
            let (server, what) = rest.split_once(" : ").with_context(|| format!("no connections in {line:?}"))?;
            let permissions = permissions(what.trim()).with_context(|| format!("in {line:?}"))?;
            oracle.permit(client.trim(), server.trim(), permissions);
        }
        Ok(oracle)
    }

    fn permit(&mut self, client: &str, server: &str, permissions: Vec<Permission>) {
        let each = |range: RangeInclusive<IpAddr>| permissions.iter().map(move |it| (range.clone(), it.clone()));
        self.clients.entry(server.to_owned()).or_default().extend(addresses(client).into_iter().flat_map(each));
        self.servers.entry(client.to_owned()).or_default().extend(addresses(server).into_iter().flat_map(each));
        self.pairs.entry((client.to_owned(), server.to_owned())).or_default().extend(permissions);
    }
}

fn holding(ranges: Option<&Ranges>, address: IpAddr) -> Vec<Permission> {
    let found = ranges.into_iter().flatten().filter(|(range, _)| range.contains(&address));
    found.map(|(_, permission)| permission.clone()).collect()
}

/// `10.0.0.0-10.0.0.9, 10.0.0.11`; none where it is the name of a pod.
fn addresses(text: &str) -> Vec<RangeInclusive<IpAddr>> {
    let range = |text: &str| {
        let (first, last) = text.trim().split_once('-').unwrap_or((text.trim(), text.trim()));
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    text.split(',').filter_map(range).collect()
}

/// Namespaces and pods alone, without owners: of several pods with one owner the tool would show only some.
fn namespaces_and_pods(inventory: &str) -> Result<String> {
    let mut list: serde_json::Value = serde_yaml::from_str(inventory).context("reading the inventory")?;
    let items = list.get_mut("items").and_then(|items| items.as_array_mut()).context("the inventory is no list")?;
    items.retain(|item| matches!(item.get("kind").and_then(|kind| kind.as_str()), Some("Namespace" | "Pod")));
    for metadata in items.iter_mut().filter_map(|item| item.get_mut("metadata")?.as_object_mut()) {
        metadata.remove("ownerReferences");
        metadata.remove("generateName");
    }
    // JSON is YAML too.
    Ok(serde_json::to_string(&list)?)
}

/// `{protocols:TCP, UDP,dst_ports:53}` is one permission for each protocol.
fn permissions(what: &str) -> Result<Vec<Permission>> {
    if what == "All connections" {
        return Ok(vec![Permission { protocol: None, ports: Vec::new() }]);
    }
    let fields = what.strip_prefix("{protocols:").and_then(|rest| rest.strip_suffix('}'));
    let fields = fields.with_context(|| format!("{what:?} is not understood"))?;
    let (protocols, ports) = fields.split_once(",dst_ports:").unwrap_or((fields, ""));
    let ports: Vec<_> = ports.split(',').filter(|range| !range.is_empty()).map(range).collect::<Result<_>>()?;
    let permission = |protocol: &str| Ok(Permission { protocol: Some(protocol.trim().parse()?), ports: ports.clone() });
    protocols.split(',').map(permission).collect()
}

fn range(text: &str) -> Result<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Ok(first.parse()?..=last.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_permissions() {
        let oracle =
            Oracle::parse("a/x => b/y : {protocols:TCP,dst_ports:80,90-99}\na/x => b/dns : {protocols:TCP, UDP,dst_ports:53}\na/x => a/z : All connections").unwrap();
        assert!(oracle.permits("a/x", "b/y", Protocol::Tcp, 95));
        assert!(!oracle.permits("a/x", "b/y", Protocol::Udp, 80));
        assert!(oracle.permits("a/x", "b/dns", Protocol::Udp, 53));
        assert!(!oracle.permits("b/y", "a/x", Protocol::Tcp, 80));
        assert!(oracle.permits("a/x", "a/z", Protocol::Udp, 1));
    }

    #[test]
    fn ranges_of_addresses_are_looked_into() {
        let text =
            "10.0.0.0-10.0.0.9, 10.0.0.11 => b/y : {protocols:TCP,dst_ports:80}\na/x => 2001:db8::1 : All connections";
        let oracle = Oracle::parse(text).unwrap();
        let from = |text: &str| oracle.from_address(text.parse().unwrap(), "b/y").len();
        assert_eq!([from("10.0.0.9"), from("10.0.0.10"), from("10.0.0.11"), from("::a00:9")], [1, 0, 1, 0]);
        assert_eq!(oracle.to_address("a/x", "2001:db8::1".parse().unwrap()).len(), 1);
        assert!(oracle.to_address("b/y", "2001:db8::1".parse().unwrap()).is_empty());
    }

    #[test]
    fn output_without_pairs_is_an_error() {
        assert!(Oracle::parse("Total run time: 0.02 seconds").is_err());
        assert!(Oracle::parse("a => b : something new").is_err());
    }
}
