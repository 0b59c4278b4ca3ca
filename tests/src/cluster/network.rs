//! The networks of a cluster: namespaces, a bridge between nodes, routes between the pods of nodes, and a way outside.
//!
//! All of it is inside namespaces, the bridge included, so that the machine keeps its own routes and nothing of a cluster
//! is reachable from it but the API server (by `door`).

use super::command::output;
use super::names::Names;
use anyhow::{Context, Result};
use std::fs;
use std::process::Command;

/// Where `ip netns` keeps the names of network namespaces.
const NAMESPACES: &str = "/run/netns";
/// The bridge, in the namespace of the control plane.
const BRIDGE: &str = "nodes0";

/// What `nsenter` needs to enter a namespace.
pub(super) fn enter(namespace: &str) -> String {
    format!("--net={NAMESPACES}/{namespace}")
}

/// Opens a TCP connection from inside a namespace, and closes it.
pub(super) fn connects(namespace: &str, address: &str, port: u64) -> Result<()> {
    let script = format!("exec 3<>/dev/tcp/{address}/{port}");
    let mut command = Command::new("nsenter");
    command.args([&enter(namespace), "timeout", "1", "bash", "-c", &script]);
    output(&mut command, "").map(drop)
}

/// Makes the namespace of the control plane with the bridge, which also is the nodes' way outside.
pub(super) fn make_control(names: Names) -> Result<()> {
    let control = names.control();
    add(&control)?;
    batch(
        &control,
        &[
            format!("link add {BRIDGE} type bridge"),
            format!("address add {}/24 dev {BRIDGE}", names.control_address()),
            format!("address add {}/64 dev {BRIDGE} nodad", names.control_v6()),
            format!("link set {BRIDGE} up"),
        ],
    )?;
    make_outside(names)
}

fn make_outside(names: Names) -> Result<()> {
    let (control, outside) = (names.control(), names.outside());
    add(&outside)?;
    let router = names.outside_address(0);
    batch(
        &control,
        &[
            format!("link add {outside} type veth peer name eth0 netns {outside}"),
            format!("address add {router}/24 dev {outside}"),
            format!("link set {outside} up"),
        ],
    )?;
    batch(
        &outside,
        &["link set eth0 up".into(), format!("route add {router} dev eth0"), format!("route add default via {router}")],
    )
}

/// Gives the outside an address to serve on.
pub(super) fn hold_outside(names: Names, host: u8) -> Result<()> {
    batch(&names.outside(), &[format!("address replace {}/32 dev eth0", names.outside_address(host))])
}

/// Makes the namespace of node `number` of `count`, on the bridge, with routes to the pods of the others.
pub(super) fn make_node(names: Names, number: u8, count: u8) -> Result<()> {
    let (control, node) = (names.control(), names.node(number));
    let (v4, v6) = names.node_addresses(number);
    add(&node)?;
    batch(
        &control,
        &[
            format!("link add {node} type veth peer name eth0 netns {node}"),
            format!("link set {node} master {BRIDGE} up"),
            // The way back to pods, for the API server (webhooks, proxies) and for what is outside.
            format!("route add {}.0/24 via {v4}", names.pods_v4(number)),
        ],
    )?;
    let mut lines = vec![
        format!("address add {v4}/24 dev eth0"),
        format!("address add {v6}/64 dev eth0 nodad"),
        "link set eth0 up".to_owned(),
        format!("route add default via {}", names.control_address()),
        format!("route add default via {}", names.control_v6()),
    ];
    for other in (1..=count).filter(|other| *other != number) {
        let (v4, v6) = names.node_addresses(other);
        lines.push(format!("route add {}.0/24 via {v4}", names.pods_v4(other)));
        lines.push(format!("route add {}::/64 via {v6}", names.pods_v6(other)));
    }
    batch(&node, &lines)
}

/// Pulls a node's plug, or puts it back. Its own interface keeps its addresses and routes, as a real one would.
pub(super) fn plug(names: Names, node: &str, connected: bool) -> Result<()> {
    batch(&names.control(), &[format!("link set {node} {}", if connected { "up" } else { "down" })])
}

/// Removes the namespaces of a cluster; interfaces and routes go with them.
pub(super) fn remove(names: Names) -> Result<()> {
    namespaces(names)
        .iter()
        .try_for_each(|name| output(Command::new("ip").args(["netns", "delete", name]), "").map(drop))
}

/// The namespaces of a cluster that are there.
pub(super) fn namespaces(names: Names) -> Vec<String> {
    let Ok(entries) = fs::read_dir(NAMESPACES) else { return Vec::new() };
    let all = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    all.filter(|name| name.starts_with(&names.prefix())).collect()
}

fn add(name: &str) -> Result<()> {
    output(Command::new("ip").args(["netns", "add", name]), "")
        .with_context(|| format!("making the namespace {name}"))?;
    // /proc/sys/net shows the namespace of who reads it: only this one forwards. Without detection of duplicate addresses, a pod's
    // gateway answers from the start, and not a second after the pod runs: then its first IPv6 packets would be lost.
    let settings = "cd /proc/sys/net && echo 1 >ipv4/ip_forward && echo 1 >ipv6/conf/all/forwarding &&
        echo 0 >ipv6/conf/default/accept_dad && echo 0 >ipv6/conf/default/dad_transmits";
    output(Command::new("nsenter").args([&enter(name), "sh", "-c", settings]), "")?;
    batch(name, &["link set lo up".into()])
}

fn batch(namespace: &str, lines: &[String]) -> Result<()> {
    output(Command::new("ip").args(["-n", namespace, "-batch", "-"]), &lines.join("\n"))
        .with_context(|| format!("in the namespace {namespace}: {}", lines.join("; ")))
        .map(drop)
}
