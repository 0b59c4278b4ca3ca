//! Network namespaces, routed veths and addresses, by iproute2.
//!
//! Pods are routed, not bridged: each has a veth to the node with a /32 (/128) route, so that every
//! packet passes the node's nftables and its answer passes there again. A bridge would send the answer of a Service's backend straight to
//! a client on the same bridge, past the translation.

use super::Addresses;
use anyhow::{Context, Result, bail};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Command, Stdio};

/// What every pod has as its gateway, on its own veth: no address of the pod range is used up.
const GATEWAY_V4: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);
const GATEWAY_V6: &str = "fe80::1";
/// The outside's end of the link to the node.
const ROUTER_V4: &str = "172.30.0.1";
const ROUTER_V6: &str = "fd00:30::1";

/// Makes the node's namespace, which forwards.
pub(super) fn make_node(node: &str, addresses: Addresses) -> Result<()> {
    add(node)?;
    forward(node)?;
    let Addresses { v4, v6 } = addresses;
    batch(node, &[format!("address add {v4}/32 dev lo"), format!("address add {v6}/128 dev lo")])
}

/// Makes the outside, which holds `held` and routes everything else to the node. It does not forward: a packet to an
/// address that it does not hold vanishes.
pub(super) fn make_outside(node: &str, outside: &str, addresses: Addresses, held: &[IpAddr]) -> Result<()> {
    add(outside)?;
    let Addresses { v4, v6 } = addresses;
    batch(
        node,
        &[
            format!("link add up0 type veth peer name up0 netns {outside}"),
            "link set up0 up".into(),
            format!("route add {ROUTER_V4}/32 dev up0 src {v4}"),
            format!("route add default via {ROUTER_V4} src {v4}"),
        ],
    )?;
    let mut lines = vec![
        format!("address add {ROUTER_V4}/32 dev up0"),
        format!("address add {ROUTER_V6}/128 dev up0 nodad"),
        "link set up0 up".into(),
        format!("route add {v4}/32 dev up0"),
        format!("route add default via {v4}"),
        format!("route add {v6}/128 dev up0"),
    ];
    lines.extend(held.iter().map(|address| format!("address add {} dev lo", host(*address))));
    batch(outside, &lines)
}

/// Routes `address` to the node, with `source` as the address of those who connect to it.
pub(super) fn route_to_node(node: &str, outside: &str, address: IpAddr, source: IpAddr) -> Result<()> {
    let gateway = node_address(node)?;
    batch(outside, &[format!("route add {} via {gateway} src {source}", host(address))])
}

/// Makes a pod's namespace and the veth `pod<number>` to it.
pub(super) fn make_pod(node: &str, pod: &str, number: u32, addresses: Addresses) -> Result<()> {
    add(pod)?;
    let Addresses { v4, v6 } = addresses;
    let link = format!("pod{number}");
    batch(
        node,
        &[
            format!("link add {link} type veth peer name eth0 netns {pod}"),
            format!("address add {GATEWAY_V4}/32 dev {link}"),
            format!("address add {GATEWAY_V6}/64 dev {link} nodad"),
            format!("link set {link} up"),
            // Without a source the gateway's link-local address would be that of the node's own connections.
            format!("route add {v4}/32 dev {link} src {}", node_address(node)?),
            format!("route add {v6}/128 dev {link}"),
        ],
    )?;
    batch(
        pod,
        &[
            format!("address add {v4}/32 dev eth0"),
            format!("address add {v6}/128 dev eth0 nodad"),
            "link set eth0 up".into(),
            format!("route add {GATEWAY_V4} dev eth0 scope link"),
            format!("route add default via {GATEWAY_V4}"),
            format!("route add default via {GATEWAY_V6} dev eth0"),
        ],
    )
}

/// The address that the node uses for its own connections, as its default route says.
fn node_address(node: &str) -> Result<String> {
    let output = Command::new("ip").args(["-n", node, "route", "show", "default"]).output().context("running ip")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut words = text.split_whitespace().skip_while(|word| *word != "src");
    words.nth(1).map(str::to_owned).with_context(|| format!("{node} has no default route with a source: {text:?}"))
}

/// Removes a namespace; its interfaces go with it.
pub(super) fn remove(name: &str) -> Result<()> {
    run(Command::new("ip").args(["netns", "delete", name]))
}

fn add(name: &str) -> Result<()> {
    run(Command::new("ip").args(["netns", "add", name]))?;
    batch(name, &["link set lo up".into()])
}

fn forward(name: &str) -> Result<()> {
    // /proc/sys/net shows the namespace of who reads it: only this one forwards.
    let set = "echo 1 >/proc/sys/net/ipv4/ip_forward && echo 1 >/proc/sys/net/ipv6/conf/all/forwarding";
    run(Command::new("ip").args(["netns", "exec", name, "sh", "-c", set]))
}

fn host(address: IpAddr) -> String {
    format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 })
}

fn batch(namespace: &str, lines: &[String]) -> Result<()> {
    let mut command = Command::new("ip");
    feed(command.args(["-n", namespace, "-batch", "-"]), &lines.join("\n"))
        .with_context(|| format!("in the namespace {namespace}: {}", lines.join("; ")))
}

/// Runs a command with `input` on its standard input.
pub(super) fn feed(command: &mut Command, input: &str) -> Result<()> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("running {command:?}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    match output.status.success() {
        true => Ok(()),
        false => bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr).trim()),
    }
}

fn run(command: &mut Command) -> Result<()> {
    feed(command, "")
}
