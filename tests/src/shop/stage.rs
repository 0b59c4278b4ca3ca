//! The shop in a world: its pods as namespaces, its containers as processes.

use super::inventory::{Timeline, inventory};
use super::model::{Call, Container, Kind, Manner, Resolver, Server, Service, Shop, Target};
use super::pods::{Pod, pods};
use crate::actor::Tally;
use crate::world::{Addresses, Place, Translation, World, prerequisites};
use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

/// The running shop.
#[derive(Debug)]
pub struct Stage {
    shop: Shop,
    world: World,
    places: BTreeMap<String, Place>,
    timeline: Timeline,
    actor: String,
}

impl Stage {
    /// Makes the world, starts every server and opens the connection that is older than the agent.
    ///
    /// # Errors
    /// What the machine lacks, or the process that did not come up, with its output.
    pub fn open(shop: Shop) -> Result<Self> {
        let outside: Vec<IpAddr> = shop.outside.iter().map(|host| host.address).collect();
        let world = World::new(shop.node.1, &outside)?;
        let actor = prerequisites::program("netwright-actor")?.display().to_string();
        let timeline = Timeline { started: Timestamp::now(), runs: Vec::new() };
        let mut stage = Self { shop, world, places: BTreeMap::new(), timeline, actor };
        stage.make_pods()?;
        stage.make_services()?;
        stage.write_zones()?;
        stage.start_servers()?;
        stage.start_calls(|call| call.manner == Manner::HeldFromBefore)?;
        stage.wait_for_calls(1, |call| call.manner == Manner::HeldFromBefore)?;
        Ok(stage)
    }

    /// The world it runs in.
    pub fn world(&mut self) -> &mut World {
        &mut self.world
    }

    /// The declaration.
    pub fn shop(&self) -> &Shop {
        &self.shop
    }

    /// The inventory as `kubectl get … -o yaml` would print it now.
    ///
    /// # Errors
    /// See [`inventory`].
    pub fn inventory(&self) -> Result<String> {
        inventory(&self.shop, &self.timeline)
    }

    /// Starts every client that calls while the agent watches.
    ///
    /// # Errors
    /// A process could not be started.
    pub fn start_clients(&mut self) -> Result<()> {
        self.start_calls(|call| call.manner != Manner::HeldFromBefore)
    }

    /// Runs the next pod of each CronJob to its end: about two seconds.
    ///
    /// # Errors
    /// It did not end in time, or failed.
    pub fn run_jobs(&mut self) -> Result<()> {
        let run = self.timeline.runs.len();
        let shop = self.shop.clone();
        let of_run = |pod: &Pod<'_>| pod.workload.kind == Kind::CronJob && pod.index == run;
        self.timeline.runs.push((Timestamp::now(), None));
        for pod in pods(&shop).iter().filter(|pod| of_run(pod)) {
            self.make_pod(pod)?;
            for container in &pod.workload.containers {
                let Container::Calls { name, call } = container else { continue };
                let place = self.place(pod, name)?;
                let mut command = self.call_command(call)?;
                command.extend(["count=4".into(), "linger=1200".into()]);
                let status = self.world.spawn(&place, &pod.process(name), &command)?.wait(PATIENCE)?;
                if !status.success() {
                    bail!("the job {} ended with {status}", pod.name);
                }
            }
        }
        if let Some(last) = self.timeline.runs.last_mut() {
            last.1 = Some(Timestamp::now());
        }
        Ok(())
    }

    /// Has every client finish its last call and waits for that.
    ///
    /// # Errors
    /// A client did not finish.
    pub fn stop_clients(&mut self) -> Result<()> {
        fs::write(self.stop_file(), "")?;
        let labels = self.clients(|_| true);
        for process in self.world.processes() {
            if labels.iter().any(|label| label == process.label()) {
                process.wait(PATIENCE)?;
            }
        }
        Ok(())
    }

    /// What each client did, by the label of its process.
    pub fn tallies(&self) -> BTreeMap<String, Tally> {
        let tally = |label: String| (label.clone(), Tally::read(&self.world.log(&label)));
        self.clients(|_| true).into_iter().map(tally).collect()
    }

    /// Waits until every client has got through `attempts` times.
    ///
    /// # Errors
    /// One did not: its label, and what it printed.
    pub fn wait_for_attempts(&mut self, attempts: u64) -> Result<()> {
        self.wait_for_calls(attempts, |_| true)
    }

    fn wait_for_calls(&mut self, attempts: u64, which: fn(&Call) -> bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        for label in self.clients(which) {
            let log = self.world.log(&label);
            loop {
                let tally = Tally::read(&log);
                if tally.attempts - tally.errors >= attempts {
                    break;
                }
                if Instant::now() > deadline {
                    let output = fs::read_to_string(&log).unwrap_or_default();
                    bail!("{label} did not get through {attempts} times within {PATIENCE:?}:\n{output}");
                }
                sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }

    /// The labels of all clients that have been started, CronJob runs included.
    fn clients(&self, which: fn(&Call) -> bool) -> Vec<String> {
        let shop = &self.shop;
        let mut labels = Vec::new();
        for pod in pods(shop) {
            if pod.workload.kind == Kind::CronJob && pod.index >= self.timeline.runs.len() {
                continue;
            }
            for container in &pod.workload.containers {
                match container {
                    Container::Calls { name, call } if which(call) => labels.push(pod.process(name)),
                    _ => {}
                }
            }
        }
        labels.extend(shop.node_processes.iter().filter(|(_, call)| which(call)).map(|(unit, _)| (*unit).to_owned()));
        for host in &shop.outside {
            match &host.container {
                Some(Container::Calls { call, .. }) if which(call) => labels.push(format!("outside/{}", host.name)),
                _ => {}
            }
        }
        labels
    }

    fn make_pods(&mut self) -> Result<()> {
        let shop = self.shop.clone();
        for pod in pods(&shop).iter().filter(|pod| pod.workload.kind != Kind::CronJob) {
            self.make_pod(pod)?;
        }
        Ok(())
    }

    fn make_pod(&mut self, pod: &Pod<'_>) -> Result<()> {
        let mut network = None;
        for container in &pod.workload.containers {
            let (Container::Serves { name, .. } | Container::Calls { name, .. }) = container;
            let cgroup = pod.cgroup(name);
            let place = match (&network, pod.workload.kind) {
                (_, Kind::HostNetworkDaemonSet) => self.world.on_node(&cgroup)?,
                (None, _) => self.world.add_pod(&pod.name, pod.addresses, &cgroup)?,
                (Some(first), _) => self.world.beside_in_pod(first, &cgroup)?,
            };
            network = Some(place.clone());
            self.places.insert(pod.process(name), place);
        }
        Ok(())
    }

    fn place(&self, pod: &Pod<'_>, container: &str) -> Result<Place> {
        let label = pod.process(container);
        self.places.get(&label).cloned().with_context(|| format!("{label} has no place"))
    }

    fn make_services(&self) -> Result<()> {
        let all = pods(&self.shop);
        let mut translations = Vec::new();
        for service in &self.shop.services {
            let addresses = service.address.map(|address| (address, service.port)).into_iter();
            for (address, port) in addresses.chain(service.load_balancer.map(|address| (address, service.port))) {
                translations.push(Translation {
                    service: SocketAddr::new(address, port),
                    protocol: service.protocol,
                    backends: backends(&all, service, address.is_ipv6()),
                    target_port: service.target_port,
                });
            }
        }
        self.world.translate(&translations)?;
        let shopper = self.shop.outside.iter().find(|host| matches!(host.container, Some(Container::Calls { .. })));
        for address in self.shop.services.iter().filter_map(|service| service.load_balancer) {
            let source = shopper.context("a load balancer without a client outside")?.address;
            self.world.route_from_outside(address, source)?;
        }
        Ok(())
    }

    fn write_zones(&self) -> Result<()> {
        let name = |service: &Service| format!("{}.{}.svc.cluster.local", service.name, service.namespace);
        let cluster = self.shop.services.iter().filter_map(|service| Some((name(service), service.address?)));
        let cluster: Vec<String> = cluster.map(|(name, address)| format!("{name} {address}")).collect();
        fs::write(self.zone("cluster"), cluster.join("\n"))?;
        let mut outside = Vec::new();
        for (chain, address) in &self.shop.outside_names {
            let address = address.to_string();
            let targets = chain.iter().skip(1).copied().chain([address.as_str()]);
            outside.extend(chain.iter().zip(targets).map(|(from, to)| format!("{from} {to}")));
        }
        Ok(fs::write(self.zone("outside"), outside.join("\n"))?)
    }

    fn start_servers(&mut self) -> Result<()> {
        let shop = self.shop.clone();
        for host in &shop.outside {
            if let Some(Container::Serves { server, .. }) = &host.container {
                let place = self.world.on_outside();
                self.start_server(&place, &format!("outside/{}", host.name), *server, host.address)?;
            }
        }
        for pod in pods(&shop).iter().filter(|pod| pod.workload.kind != Kind::CronJob) {
            for container in &pod.workload.containers {
                let Container::Serves { name, server } = container else { continue };
                let place = self.place(pod, name)?;
                self.start_server(&place, &pod.process(name), *server, listen_address(&shop, pod.addresses, *server))?;
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

    fn start_calls(&mut self, which: fn(&Call) -> bool) -> Result<()> {
        let shop = self.shop.clone();
        for pod in pods(&shop).iter().filter(|pod| pod.workload.kind != Kind::CronJob) {
            for container in &pod.workload.containers {
                match container {
                    Container::Calls { name, call } if which(call) => {
                        let place = self.place(pod, name)?;
                        self.start_call(&place, &pod.process(name), call)?;
                    }
                    _ => {}
                }
            }
        }
        for (unit, call) in shop.node_processes.iter().filter(|(_, call)| which(call)) {
            let place = self.world.on_node(&format!("system.slice/{unit}"))?;
            self.start_call(&place, unit, call)?;
        }
        for host in &shop.outside {
            match &host.container {
                Some(Container::Calls { call, .. }) if which(call) => {
                    let place = self.world.on_outside();
                    self.start_call(&place, &format!("outside/{}", host.name), call)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn start_call(&mut self, place: &Place, label: &str, call: &Call) -> Result<()> {
        let command = self.call_command(call)?;
        self.world.spawn(place, label, &command).map(|_| ())
    }

    fn call_command(&self, call: &Call) -> Result<Vec<String>> {
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
            let service = super::expected::service(&self.shop, namespace, name);
            if service.and_then(|service| service.address).is_some_and(|address| address.is_ipv6()) {
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
                let service = super::expected::service(&self.shop, namespace, name);
                let address = service.and_then(|service| service.load_balancer);
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

    fn zone(&self, of: &str) -> PathBuf {
        self.world.directory().join(format!("{of}.zone"))
    }

    fn stop_file(&self) -> PathBuf {
        self.world.directory().join("stop")
    }
}

fn backends(pods: &[Pod<'_>], service: &Service, v6: bool) -> Vec<IpAddr> {
    let selected =
        pods.iter().filter(|pod| pod.workload.namespace == service.namespace && pod.workload.name == service.workload);
    selected.map(|pod| if v6 { pod.addresses.v6.into() } else { pod.addresses.v4.into() }).collect()
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
