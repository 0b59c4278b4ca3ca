//! Services, and behind each the endpoints that its EndpointSlices list.

use super::error::{Fault, InventoryError};
use super::fields;
use super::objects::{Entry, Objects, Report};
use super::pods;
use k8s_openapi::api::core::v1::{Service as ApiService, ServiceSpec};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use netwright_record::Name;
use netwright_record::inventory::{Backend, ContainerPort, HeldAddress, Service, ServicePort};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The label of an EndpointSlice that names its Service.
pub(crate) const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// The endpoints of one Service: address and pod UID, and the ports there.
pub(crate) type Endpoints = BTreeMap<(IpAddr, Option<Name>), BTreeSet<ContainerPort>>;

/// All Services, with their endpoints whether ready or not: a connection may have been made before or after.
pub(super) fn read(objects: &Objects, report: &mut Report) -> Result<Vec<Service>, InventoryError> {
    let mut endpoints = endpoints(objects, report)?;
    let mut services = Vec::new();
    for ((namespace, name, _), Entry { place, object }) in &objects.services {
        match service(object, namespace, name) {
            Ok(mut service) => {
                let found = endpoints.remove(&(namespace.clone(), name.clone())).unwrap_or_default();
                service.backends = found.into_iter().map(backend).collect();
                services.push(service);
            }
            Err(fault) => report.fault(place, fault)?,
        }
    }
    Ok(services)
}

/// A slice says what is behind a Service now. That it was so over the whole window is an assumption; the
/// workloads behind a Service change far less often than its pods.
fn backend(((ip, pod_uid), ports): ((IpAddr, Option<Name>), BTreeSet<ContainerPort>)) -> Backend {
    Backend { address: HeldAddress { ip, from: None, until: None }, pod_uid, ports: ports.into_iter().collect() }
}

/// One Service, without its backends.
pub(crate) fn service(object: &ApiService, namespace: &str, name: &str) -> Result<Service, Fault> {
    let spec = object.spec.as_ref().ok_or_else(|| Fault::new("spec", "is missing"))?;
    Ok(Service {
        namespace: namespace.into(),
        name: name.into(),
        service_type: fields::name(spec.type_.as_ref()).unwrap_or_else(|| "ClusterIP".into()),
        cluster_ips: cluster_ips(spec)?,
        external_ips: external_ips(object, spec)?,
        external_traffic_policy: fields::name(spec.external_traffic_policy.as_ref()),
        selector: fields::labels(spec.selector.as_ref()),
        ports: ports(spec)?,
        backends: Vec::new(),
    })
}

fn cluster_ips(spec: &ServiceSpec) -> Result<Vec<IpAddr>, Fault> {
    let listed = spec.cluster_ips.iter().flatten().chain(&spec.cluster_ip);
    addresses(listed.filter(|text| text.as_str() != "None"), "spec.clusterIPs")
}

fn external_ips(object: &ApiService, spec: &ServiceSpec) -> Result<Vec<IpAddr>, Fault> {
    let balancer = object.status.iter().filter_map(|status| status.load_balancer.as_ref());
    let ingress = balancer.flat_map(|balancer| balancer.ingress.iter().flatten());
    let mut found = addresses(spec.external_ips.iter().flatten(), "spec.externalIPs")?;
    for ip in addresses(ingress.filter_map(|ingress| ingress.ip.as_ref()), "status.loadBalancer.ingress")? {
        if !found.contains(&ip) {
            found.push(ip);
        }
    }
    Ok(found)
}

fn addresses<'a>(texts: impl Iterator<Item = &'a String>, path: &str) -> Result<Vec<IpAddr>, Fault> {
    let mut found = Vec::new();
    for (index, text) in texts.filter(|text| !text.is_empty()).enumerate() {
        let ip = fields::address(text, || format!("{path}[{index}]"))?;
        if !found.contains(&ip) {
            found.push(ip);
        }
    }
    Ok(found)
}

fn ports(spec: &ServiceSpec) -> Result<Vec<ServicePort>, Fault> {
    let listed = spec.ports.iter().flatten().enumerate();
    listed
        .map(|(index, listed)| {
            let field = |last: &str| format!("spec.ports[{index}].{last}");
            let node_port = listed.node_port.filter(|port| *port != 0);
            Ok(ServicePort {
                name: fields::name(listed.name.as_ref()),
                protocol: fields::protocol(listed.protocol.as_deref(), || field("protocol"))?,
                port: fields::port(listed.port, || field("port"))?,
                node_port: node_port.map(|port| fields::port(port, || field("nodePort"))).transpose()?,
            })
        })
        .collect()
}

fn endpoints(objects: &Objects, report: &mut Report) -> Result<BTreeMap<(String, String), Endpoints>, InventoryError> {
    let uids = running_uids(objects);
    let mut services: BTreeMap<(String, String), Endpoints> = BTreeMap::new();
    for ((namespace, _, _), Entry { place, object }) in &objects.slices {
        let Some(service) = object.metadata.labels.as_ref().and_then(|labels| labels.get(SERVICE_NAME)) else {
            let fault = Fault::new(format!("metadata.labels.{SERVICE_NAME}"), "is missing");
            report.left_out(place, fault, "it belongs to no Service");
            continue;
        };
        if object.address_type == "FQDN" {
            let fault = Fault::new("addressType", "is FQDN");
            report.left_out(place, fault, "connections to its names are seen as connections to their addresses");
            continue;
        }
        let found = services.entry((namespace.clone(), service.clone())).or_default();
        let running = |uid: Name| uids.get(uid.as_str()).cloned().unwrap_or(uid);
        if let Err(fault) = add_slice(object, running, found) {
            report.fault(place, fault)?;
        }
    }
    Ok(services)
}

/// The UID of each pod in the API, and the one it runs under: see [`pods::uid`].
fn running_uids(objects: &Objects) -> BTreeMap<&str, Name> {
    let pods = objects.pods.values();
    pods.filter_map(|entry| Some((entry.object.metadata.uid.as_deref()?, pods::uid(&entry.object)?))).collect()
}

/// Adds the endpoints of one slice. `uid` turns the UID of a pod in the API into the one it runs under.
pub(crate) fn add_slice(slice: &EndpointSlice, uid: impl Fn(Name) -> Name, found: &mut Endpoints) -> Result<(), Fault> {
    let ports = slice_ports(slice)?;
    for (index, endpoint) in slice.endpoints.iter().enumerate() {
        let pod_uid = pod_uid(endpoint).map(&uid);
        for text in &endpoint.addresses {
            let ip = fields::address(text, || format!("endpoints[{index}].addresses"))?;
            found.entry((ip, pod_uid.clone())).or_default().extend(ports.iter().cloned());
        }
    }
    Ok(())
}

fn pod_uid(endpoint: &Endpoint) -> Option<Name> {
    let target = endpoint.target_ref.as_ref().filter(|target| target.kind.as_deref() == Some("Pod"))?;
    fields::name(target.uid.as_ref())
}

/// A port without a number stands for all ports, which no EndpointSlice of a Service has: it names none here.
fn slice_ports(slice: &EndpointSlice) -> Result<Vec<ContainerPort>, Fault> {
    let numbered = slice.ports.iter().flatten().enumerate().filter_map(|(i, listed)| Some((i, listed, listed.port?)));
    numbered
        .map(|(index, listed, number)| {
            Ok(ContainerPort {
                name: fields::name(listed.name.as_ref()),
                protocol: fields::protocol(listed.protocol.as_deref(), || format!("ports[{index}].protocol"))?,
                port: fields::port(number, || format!("ports[{index}].port"))?,
            })
        })
        .collect()
}
