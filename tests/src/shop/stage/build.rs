//! What stands before anything runs: pods as namespaces, Services as translations, the names that DNS knows.

use super::Stage;
use crate::shop::model::{Container, Kind, Service};
use crate::shop::pods::{Pod, pods};
use crate::world::{Place, Translation};
use anyhow::{Context, Result};
use std::fs;
use std::net::{IpAddr, SocketAddr};

impl Stage {
    pub(super) fn make_pods(&mut self) -> Result<()> {
        let shop = self.shop.clone();
        for pod in pods(&shop).iter().filter(|pod| pod.workload.kind != Kind::CronJob) {
            self.make_pod(pod)?;
        }
        Ok(())
    }

    pub(super) fn make_pod(&mut self, pod: &Pod<'_>) -> Result<()> {
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

    /// The place of the process with that label.
    pub(super) fn place(&self, label: &str) -> Result<Place> {
        self.places.get(label).cloned().with_context(|| format!("{label} has no place"))
    }

    pub(super) fn make_services(&self) -> Result<()> {
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

    pub(super) fn write_zones(&self) -> Result<()> {
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
}

fn backends(pods: &[Pod<'_>], service: &Service, v6: bool) -> Vec<IpAddr> {
    let selected =
        pods.iter().filter(|pod| pod.workload.namespace == service.namespace && pod.workload.name == service.workload);
    selected.map(|pod| if v6 { pod.addresses.v6.into() } else { pod.addresses.v4.into() }).collect()
}
