//! The command lines: which process plays which container.

use super::{PATIENCE, Stage};
use crate::shop::clients::{Seat, clients};
use crate::shop::expected::service;
use crate::shop::model::{Call, Container, Kind, Manner, Resolver, Server, Service, Shop, Target};
use crate::shop::pods::pods;
use crate::world::{Addresses, Place};
use anyhow::{Context, Result};
use std::net::{IpAddr, SocketAddr};

impl Stage {
    pub(super) fn start_servers(&mut self) -> Result<()> {
        let shop = self.shop.clone();
        for host in &shop.outside {
            if let Some(Container::Serves { server, .. }) = &host.container {
                let place = self.world.on_outside();
                self.start_server(&place, &host.label(), *server, host.address)?;
            }
        }
        for pod in pods(&shop).iter().filter(|pod| pod.workload.kind != Kind::CronJob) {
            for container in &pod.workload.containers {
                let Container::Serves { name, server } = container else { continue };
                let label = pod.process(name);
                let place = self.place(&label)?;
                self.start_server(&place, &label, *server, listen_address(&shop, pod.addresses, *server))?;
            }
        }
        Ok(())
    }

    fn start_server(&mut self, place: &Place, label: &str, server: Server, address: IpAddr) -> Result<()> {
        let on = format!("on={}", SocketAddr::new(address, server.port()));
        let actor = |role: &str| vec![self.actor.clone(), role.to_owned(), on.clone()];
        let (command, ready) = match server {
            Server::Redis(port) => (redis(port), "Ready to accept connections"),
            Server::Http(_) => (actor("http-serve"), "listening"),
            Server::Echo(_) => (actor("tcp-serve"), "listening"),
            Server::Statsd(_) => (actor("statsd-serve"), "listening"),
            Server::Ntp(_) => (actor("ntp-serve"), "listening"),
            Server::ClusterDns(_) => {
                let forward = format!("forward={}", SocketAddr::new(self.shop.resolvers.1, 53));
                let zone = format!("zone={}", self.zone("cluster").display());
                ([actor("dns-serve"), vec![zone, forward]].concat(), "listening")
            }
            Server::OutsideDns(_) => {
                let zone = format!("zone={}", self.zone("outside").display());
                ([actor("dns-serve"), vec![zone]].concat(), "listening")
            }
        };
        self.world.spawn(place, label, &command)?.wait_for(ready, PATIENCE)
    }

    /// Starts the clients that `which` picks, except those of CronJob runs.
    pub(super) fn start_calls(&mut self, which: fn(&Call) -> bool) -> Result<()> {
        let shop = self.shop.clone();
        for client in clients(&shop).iter().filter(|client| client.run().is_none() && which(client.call)) {
            let place = match client.seat {
                Seat::Pod(..) => self.place(&client.label)?,
                Seat::Node(unit) => self.world.on_node(&format!("system.slice/{unit}"))?,
                Seat::Outside(_) => self.world.on_outside(),
            };
            let command = self.call_command(client.call)?;
            self.world.spawn(&place, &client.label, &command)?;
        }
        Ok(())
    }

    pub(super) fn call_command(&self, call: &Call) -> Result<Vec<String>> {
        let role = match call.manner {
            Manner::Http => "http-call",
            Manner::Redis(_) => "redis-call",
            Manner::Statsd => "statsd-send",
            Manner::Ntp => "ntp-query",
            Manner::HeldFromBefore => "hold",
            Manner::Refused => "refused",
            Manner::Unanswered => "unanswered",
        };
        let mut command = vec![self.actor.clone(), role.to_owned()];
        command.push(format!("to={}", self.destination(call.to)?));
        command.push(format!("every={}", call.every));
        command.push(format!("stop={}", self.stop_file().display()));
        if let Manner::Redis(words) = call.manner {
            command.push(format!("command={words}"));
        }
        match call.resolver {
            Resolver::Nobody => {}
            Resolver::Cluster => command.push(format!("resolver={}", SocketAddr::new(self.shop.resolvers.0, 53))),
            Resolver::Outside => {
                command.push(format!("resolver={}", SocketAddr::new(self.shop.resolvers.1, 53)));
                command.push("warm=4".into());
            }
        }
        if let Target::Service(namespace, name, _) = call.to {
            let found = service(&self.shop, namespace, name);
            if found.and_then(|service| service.address).is_some_and(|address| address.is_ipv6()) {
                command.push("family=6".into());
            }
        }
        Ok(command)
    }

    /// HOST:PORT as the client is told it.
    fn destination(&self, target: Target) -> Result<String> {
        Ok(match target {
            Target::Service(namespace, name, port) => format!("{name}.{namespace}.svc.cluster.local:{port}"),
            Target::OutsideName(name, port) => format!("{name}:{port}"),
            Target::OutsideAddress(address, port) => SocketAddr::new(address, port).to_string(),
            Target::Node(_, _, port) => SocketAddr::new(self.shop.node.1.v4.into(), port).to_string(),
            Target::LoadBalancer(namespace, name, port) => {
                let found = service(&self.shop, namespace, name);
                let address = found.and_then(|service| service.load_balancer);
                SocketAddr::new(address.with_context(|| format!("{name} has no load balancer"))?, port).to_string()
            }
            Target::Pod(namespace, name, port) => {
                let all = pods(&self.shop);
                let pod = all.iter().find(|pod| pod.workload.namespace == namespace && pod.workload.name == name);
                let pod = pod.with_context(|| format!("{namespace}/{name} is not declared"))?;
                SocketAddr::new(pod.addresses.v4.into(), port).to_string()
            }
        })
    }
}

/// The family that the workload's Service has, so that the IPv6 pair is one in truth.
fn listen_address(shop: &Shop, addresses: Addresses, server: Server) -> IpAddr {
    let is_v6 = |service: &&Service| service.address.is_some_and(|address| address.is_ipv6());
    match shop.services.iter().filter(is_v6).any(|service| service.target_port == server.port()) {
        true => addresses.v6.into(),
        false => addresses.v4.into(),
    }
}

fn redis(port: u16) -> Vec<String> {
    let port = port.to_string();
    ["redis-server", "--port", &port, "--bind", "0.0.0.0", "--protected-mode", "no", "--save", "", "--appendonly", "no"]
        .map(str::to_owned)
        .into()
}
