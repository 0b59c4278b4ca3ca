//! `seen.yaml`: what the agents of a case's nodes recorded, in few words. Serves whoever writes a case.
//!
//! One line is one connection (or several alike), and becomes the flows of both ends that an agent watched.

use anyhow::{Context, Result, bail};
use netwright_record::activity::hour_of;
use netwright_record::inventory::{HeldAddress, Inventory, Pod};
use netwright_record::{Activity, Direction, FlatSet, Flow, Hours, Local, Name, Protocol, Time, Window};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

/// What was seen, by whom, and when.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seen {
    /// The window's beginning: midnight.
    #[serde(default = "first_midnight")]
    pub(crate) from: Time,
    /// The window's length.
    #[serde(default = "two_weeks")]
    pub(crate) days: u16,
    /// Nodes without an agent.
    #[serde(default)]
    pub(crate) unwatched: BTreeSet<Name>,
    /// What was seen.
    #[serde(default)]
    pub(crate) flows: Vec<Connection>,
    /// Who held an address when, where objects of today cannot say it.
    #[serde(default)]
    held: Vec<Held>,
}

/// One connection, or several alike. A client or server is `NAMESPACE/POD` or `node NAME`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Connection {
    /// Whose socket opened it; without one, no agent watched the client.
    client: Option<String>,
    /// What the client's socket was connected to, `ADDRESS:PORT[/PROTOCOL]`. By default the server itself.
    to: Option<String>,
    /// Whose socket accepted it, `SERVER:PORT[/PROTOCOL]`; without one, no agent watched the server.
    server: Option<String>,
    /// Where the server's socket saw it come from. By default the client itself.
    from: Option<IpAddr>,
    /// UDP between two bound sockets of which nobody saw the first word.
    ambiguous: Option<[String; 2]>,
    /// The DNS names by which the client had learned the address.
    names: FlatSet<Name>,
    /// How many connections; one where it is not said.
    times: Option<u64>,
    /// How many of them were never answered.
    failed: u64,
    /// The days of the window, counted from 1; the first where it is not said. At noon, or at `hour`.
    days: Vec<u16>,
    /// The hour of those days.
    hour: Option<i8>,
}

/// From when until when a pod had its address: days of the window, counted from 1, whose beginning is meant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Held {
    pod: String,
    from: Option<u16>,
    until: Option<u16>,
}

fn first_midnight() -> Time {
    Time::from_second(1_793_491_200).unwrap_or(Time::UNIX_EPOCH)
}

fn two_weeks() -> u16 {
    14
}

impl Seen {
    /// The stretch that was watched.
    pub(crate) fn window(&self) -> Window {
        Window { from: self.from, until: self.midnight(self.days.saturating_add(1)) }
    }

    /// The flows, as the agents would have sent them.
    pub(crate) fn flows(&self, inventory: &Inventory) -> Result<Vec<Flow>> {
        let mut flows = Vec::new();
        for (index, connection) in self.flows.iter().enumerate() {
            let own = connection.flows(self, inventory).with_context(|| format!("flow {} of seen.yaml", index + 1))?;
            flows.extend(own);
        }
        flows.retain(|flow| !self.unwatched.contains(&flow.node));
        Ok(flows)
    }

    /// Writes the address history into the inventory.
    pub(crate) fn remember(&self, inventory: &mut Inventory) -> Result<()> {
        for held in &self.held {
            let name = held.pod.as_str();
            let pod = inventory.pods.iter_mut().find(|pod| is_called(pod, name));
            let pod = pod.with_context(|| format!("held: no pod {name} in cluster.yaml"))?;
            let (from, until) = (held.from.map(|day| self.midnight(day)), held.until.map(|day| self.midnight(day)));
            pod.addresses.iter_mut().for_each(|address| *address = HeldAddress { ip: address.ip, from, until });
        }
        Ok(())
    }

    /// The beginning of a day of the window, counted from 1.
    fn midnight(&self, day: u16) -> Time {
        self.time(day, 0)
    }

    fn time(&self, day: u16, hour: i8) -> Time {
        let hours = (i64::from(day) - 1) * 24 + i64::from(hour);
        Time::from_second(self.from.as_second() + hours * 3600).unwrap_or(self.from)
    }
}

impl Connection {
    fn flows(&self, seen: &Seen, inventory: &Inventory) -> Result<Vec<Flow>> {
        let activity = self.activity(seen);
        if let Some([one, other]) = &self.ambiguous {
            let (one, other) = (End::at_port(one, inventory)?, End::at_port(other, inventory)?);
            return Ok(vec![one.speaks_with(&other, &activity)?, other.speaks_with(&one, &activity)?]);
        }
        let client = self.client.as_deref().map(|name| End::find(name, inventory)).transpose()?;
        let server = self.server.as_deref().map(|name| End::at_port(name, inventory)).transpose()?;
        let mut flows = Vec::new();
        if let Some(client) = &client {
            flows.push(self.egress(client, server.as_ref(), &activity)?);
        }
        if let Some(server) = &server {
            flows.push(self.ingress(client.as_ref(), server, activity)?);
        }
        if flows.is_empty() {
            bail!("neither `client` nor `server`: no agent saw it");
        }
        Ok(flows)
    }

    fn egress(&self, client: &End, server: Option<&End>, activity: &Activity) -> Result<Flow> {
        let (remote, port, protocol) = match (&self.to, server) {
            (Some(to), _) => address_and_port(to)?,
            (None, Some(server)) => (server.address(None)?, server.port, server.protocol),
            (None, None) => bail!("`to` or `server` has to say where the client connected to"),
        };
        let local = client.local(client.address(Some(remote))?);
        let activity = activity.clone();
        let names = self.names.clone();
        let direction = Direction::Egress;
        Ok(Flow {
            node: client.node.clone(),
            direction,
            protocol,
            local,
            remote,
            port,
            remote_port: None,
            names,
            activity,
        })
    }

    /// What the server's agent saw: what was never answered did not arrive.
    fn ingress(&self, client: Option<&End>, server: &End, mut activity: Activity) -> Result<Flow> {
        let remote = match (self.from, client) {
            (Some(from), _) => from,
            (None, Some(client)) => client.address(server.address(None).ok())?,
            (None, None) => bail!("`from` or `client` has to say where it came from"),
        };
        activity.connections = activity.connections.saturating_sub(activity.failed).max(1);
        activity.failed = 0;
        Ok(Flow {
            node: server.node.clone(),
            direction: Direction::Ingress,
            protocol: server.protocol,
            local: server.local(server.address(Some(remote))?),
            remote,
            port: server.port,
            remote_port: None,
            names: FlatSet::new(),
            activity,
        })
    }

    fn activity(&self, seen: &Seen) -> Activity {
        let days = if self.days.is_empty() { &[1][..] } else { &self.days };
        let times: Vec<Time> = days.iter().map(|day| seen.time(*day, self.hour.unwrap_or(12))).collect();
        let (first, last) = (times.iter().min(), times.iter().max());
        let hours: Hours = times.iter().map(|time| hour_of(*time)).collect();
        let connections = self.times.unwrap_or(1).max(self.failed);
        let (first, last) = (first.copied().unwrap_or(seen.from), last.copied().unwrap_or(seen.from));
        Activity { first, last, connections, failed: self.failed, bytes: None, hours }
    }
}

/// A pod or a node of the cluster.
struct End {
    node: Name,
    /// None for a process of the node itself.
    uid: Option<Name>,
    addresses: Vec<IpAddr>,
    port: u16,
    protocol: Protocol,
}

impl End {
    /// `WHO:PORT[/PROTOCOL]`
    fn at_port(text: &str, inventory: &Inventory) -> Result<Self> {
        let (who, port) = text.rsplit_once(':').with_context(|| format!("{text:?}: no `:PORT` at its end"))?;
        let (port, protocol) = port_and_protocol(port)?;
        Ok(Self { port, protocol, ..Self::find(who, inventory)? })
    }

    fn find(who: &str, inventory: &Inventory) -> Result<Self> {
        let of_node = |name: &str| {
            let node = inventory.nodes.iter().find(|node| node.name == name);
            node.map(|node| node.addresses.clone()).with_context(|| format!("no node {name} in cluster.yaml"))
        };
        if let Some(name) = who.strip_prefix("node ") {
            let addresses = of_node(name)?;
            return Ok(Self { node: name.into(), uid: None, addresses, port: 0, protocol: Protocol::Tcp });
        }
        let pod = inventory.pods.iter().find(|pod| is_called(pod, who));
        let pod = pod.with_context(|| format!("no pod {who} in cluster.yaml"))?;
        let node = pod.node.clone().with_context(|| format!("pod {who} runs on no node"))?;
        let held = || pod.addresses.iter().map(|held| held.ip).collect();
        let addresses = if pod.host_network { of_node(&node)? } else { held() };
        Ok(Self { node, uid: Some(pod.uid.clone()), addresses, port: 0, protocol: Protocol::Tcp })
    }

    /// Its first address, of the family of `peer` if that is given.
    fn address(&self, peer: Option<IpAddr>) -> Result<IpAddr> {
        let fits = |address: &&IpAddr| peer.is_none_or(|peer| peer.to_canonical().is_ipv6() == address.is_ipv6());
        self.addresses.iter().find(fits).copied().context("an end has no address of that family")
    }

    fn local(&self, ip: IpAddr) -> Local {
        match &self.uid {
            Some(uid) => Local::Pod { uid: uid.clone(), ip: Some(ip) },
            None => Local::Host { ip: Some(ip) },
        }
    }

    fn speaks_with(&self, other: &Self, activity: &Activity) -> Result<Flow> {
        let remote = other.address(None)?;
        Ok(Flow {
            node: self.node.clone(),
            direction: Direction::Ambiguous,
            protocol: self.protocol,
            local: self.local(self.address(Some(remote))?),
            remote,
            port: self.port,
            remote_port: Some(other.port),
            names: FlatSet::new(),
            activity: activity.clone(),
        })
    }
}

fn is_called(pod: &Pod, name: &str) -> bool {
    name.split_once('/') == Some((pod.namespace.as_str(), pod.name.as_str()))
}

/// `ADDRESS:PORT[/PROTOCOL]`, an IPv6 address in brackets.
fn address_and_port(text: &str) -> Result<(IpAddr, u16, Protocol)> {
    let (end, protocol) = text.split_once('/').unwrap_or((text, "TCP"));
    let socket: SocketAddr = end.parse().with_context(|| format!("{text:?} is no ADDRESS:PORT[/PROTOCOL]"))?;
    Ok((socket.ip(), socket.port(), protocol.parse()?))
}

/// `PORT[/PROTOCOL]`, TCP where it is not said.
pub(crate) fn port_and_protocol(text: &str) -> Result<(u16, Protocol)> {
    let (port, protocol) = text.split_once('/').unwrap_or((text, "TCP"));
    Ok((port.parse().with_context(|| format!("{text:?} is no PORT[/PROTOCOL]"))?, protocol.parse()?))
}
