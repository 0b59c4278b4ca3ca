//! Services as objects, with their EndpointSlices.

use super::{Timeline, seconds};
use crate::shop::model::{Service, Shop};
use crate::shop::naming;
use crate::shop::pods::Pod;
use serde_json::{Value, json};
use std::net::IpAddr;

pub(super) fn service_objects(service: &Service, pods: &[Pod<'_>], timeline: &Timeline) -> Vec<Value> {
    let (namespace, name) = (service.namespace, service.name);
    let cluster_ip = service.address.map_or_else(|| "None".to_owned(), |address| address.to_string());
    let balanced = service.load_balancer.is_some();
    let spec = json!({
        "clusterIP": cluster_ip,
        "clusterIPs": [cluster_ip],
        "externalTrafficPolicy": balanced.then_some("Local"),
        "ipFamilies": [family(service.address)],
        "ipFamilyPolicy": "SingleStack",
        "ports": [{
            "name": "main",
            "nodePort": balanced.then_some(30080),
            "port": service.port,
            "protocol": service.protocol.as_str(),
            "targetPort": service.target_port,
        }],
        "selector": {"app.kubernetes.io/name": service.workload},
        "type": if balanced { "LoadBalancer" } else { "ClusterIP" },
    });
    let ingress = service.load_balancer.map(|address| json!([{"ip": address, "ipMode": "VIP"}]));
    let object = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "creationTimestamp": seconds(timeline.started),
            "labels": {"app.kubernetes.io/name": service.workload},
            "name": name,
            "namespace": namespace,
            "uid": naming::uid(&format!("Service/{namespace}/{name}")),
        },
        "spec": spec,
        "status": {"loadBalancer": {"ingress": ingress}},
    });
    vec![object, endpoint_slice(service, pods, timeline)]
}

fn endpoint_slice(service: &Service, pods: &[Pod<'_>], timeline: &Timeline) -> Value {
    let (namespace, name) = (service.namespace, service.name);
    let selected = |pod: &&Pod<'_>| pod.workload.namespace == namespace && pod.workload.name == service.workload;
    let v6 = service.address.is_some_and(|address| address.is_ipv6());
    let endpoint = |pod: &Pod<'_>| {
        let address: IpAddr = if v6 { pod.addresses.v6.into() } else { pod.addresses.v4.into() };
        json!({
            "addresses": [address],
            "conditions": {"ready": true, "serving": true, "terminating": false},
            "nodeName": "node-a",
            "targetRef": {"kind": "Pod", "name": pod.name, "namespace": namespace, "uid": pod.uid},
        })
    };
    json!({
        "addressType": family(service.address),
        "apiVersion": "discovery.k8s.io/v1",
        "endpoints": pods.iter().filter(selected).map(endpoint).collect::<Vec<_>>(),
        "kind": "EndpointSlice",
        "metadata": {
            "creationTimestamp": seconds(timeline.started),
            "generateName": format!("{name}-"),
            "labels": {
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
                "kubernetes.io/service-name": name,
            },
            "name": format!("{name}-{}", naming::suffix(&format!("{namespace}/{name}"), 5)),
            "namespace": namespace,
        },
        "ports": [{"name": "main", "port": service.target_port, "protocol": service.protocol.as_str()}],
    })
}

/// `default/kubernetes`, which every cluster has; nobody in the shop calls it.
pub(super) fn api_server(shop: &Shop, timeline: &Timeline) -> [Value; 2] {
    let created = seconds(timeline.started);
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "creationTimestamp": created,
            "labels": {"component": "apiserver", "provider": "kubernetes"},
            "name": "kubernetes",
            "namespace": "default",
        },
        "spec": {
            "clusterIP": "10.96.0.1",
            "clusterIPs": ["10.96.0.1"],
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}],
            "type": "ClusterIP",
        },
        "status": {"loadBalancer": {}},
    });
    let slice = json!({
        "addressType": "IPv4",
        "apiVersion": "discovery.k8s.io/v1",
        "endpoints": [{"addresses": [shop.node.1.v4], "conditions": {"ready": true}}],
        "kind": "EndpointSlice",
        "metadata": {
            "creationTimestamp": created,
            "labels": {"kubernetes.io/service-name": "kubernetes"},
            "name": "kubernetes",
            "namespace": "default",
        },
        "ports": [{"name": "https", "port": 6443, "protocol": "TCP"}],
    });
    [service, slice]
}

fn family(address: Option<IpAddr>) -> &'static str {
    if address.is_some_and(|address| address.is_ipv6()) { "IPv6" } else { "IPv4" }
}
