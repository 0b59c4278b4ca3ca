//! The configuration of a node's programs, as files in its /run and /var.

use super::manifests::BUSYBOX;
use super::names::Names;
use super::node::Plan;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// The Node object as a cloud's controller would make it: with the range of its pods. The kubelet adds what it knows.
pub(super) fn object(names: Names, number: u8) -> Value {
    let ranges = [format!("{}.0/24", names.pods_v4(number)), format!("{}::/64", names.pods_v6(number))];
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": names.node(number)},
        "spec": {"podCIDR": ranges.first(), "podCIDRs": ranges},
    })
}

/// Writes the configuration of the node's programs where they find it.
pub(super) fn write(plan: Plan, number: u8, directory: &Path) -> Result<()> {
    let Plan { names, authority, .. } = plan;
    let name = names.node(number);
    let server = format!("https://{}", names.api_server());
    let kubelet = authority.kubeconfig(&server, &format!("system:node:{name}"), Some("system:nodes"))?;
    let proxy = authority.kubeconfig(&server, "system:kube-proxy", None)?;
    let cni = directory.join("run/containerd/cni");
    fs::create_dir_all(&cni)?;
    for (path, text) in [
        ("run/containerd/config.toml", containerd(&plan.tools.plugins)),
        ("run/containerd/cni/10-pods.conflist", pod_network(names, number, plan.options.pod_addresses).to_string()),
        ("var/lib/kubelet/ca.crt", fs::read_to_string(authority.file("ca.crt"))?),
        ("var/lib/kubelet/kubeconfig", kubelet),
        ("var/lib/kubelet/config.json", kubelet_configuration(names, number).to_string()),
        ("var/lib/kubelet/proxy.kubeconfig", proxy),
        ("var/lib/kubelet/proxy.json", proxy_configuration(names, number).to_string()),
    ] {
        let path = directory.join(path);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

fn containerd(plugins: &Path) -> String {
    // Without the right to lower an OOM score, which a container may lack, runc would fail at each start.
    format!(
        r#"version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{BUSYBOX}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{}"
    conf_dir = "/run/containerd/cni"
"#,
        plugins.display()
    )
}

/// Pods are routed, each by a veth of its own: a bridge would need netfilter's help for Services between its pods.
fn pod_network(names: Names, number: u8, addresses: u8) -> Value {
    let (v4, v6) = (names.pods_v4(number), names.pods_v6(number));
    let last = 10 + u16::from(addresses.clamp(1, 200)) - 1;
    json!({
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [
            {"type": "ptp", "ipMasq": false, "ipam": {
                "type": "host-local",
                "ranges": [
                    [{"subnet": format!("{v4}.0/24"), "rangeStart": format!("{v4}.10"), "rangeEnd": format!("{v4}.{last}")}],
                    [{"subnet": format!("{v6}::/64"), "rangeStart": format!("{v6}::a"), "rangeEnd": format!("{v6}::{last:x}")}],
                ],
                "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
            }},
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ],
    })
}

fn kubelet_configuration(names: Names, number: u8) -> Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": names.node_addresses(number).0,
        "authentication": {"anonymous": {"enabled": false}, "webhook": {"enabled": false},
            "x509": {"clientCAFile": "/var/lib/kubelet/ca.crt"}},
        "authorization": {"mode": "AlwaysAllow"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{}", names.node(number)),
        "clusterDNS": [names.dns_service()],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "resolvConf": "",
        // What the machine may lack and a test does not need: limits for pods as a whole, swap off, room on disk.
        "enforceNodeAllocatable": [],
        "failCgroupV1": false,
        "failSwapOn": false,
        "localStorageCapacityIsolation": false,
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "0%", "imagefs.available": "0%"},
        "imageGCHighThresholdPercent": 100,
        "oomScoreAdj": 0,
        "maxPods": 200,
        // A process that forks without end must not use up the machine's pids.
        "podPidsLimit": 256,
        // Tests wait for what the kubelet does.
        "syncFrequency": "10s",
        "nodeStatusUpdateFrequency": "4s",
        "shutdownGracePeriod": "0s",
    })
}

fn proxy_configuration(names: Names, number: u8) -> Value {
    let (address, _) = names.node_addresses(number);
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "hostnameOverride": names.node(number),
        "clientConnection": {"kubeconfig": "/var/lib/kubelet/proxy.kubeconfig"},
        "clusterCIDR": "10.244.0.0/16,fd00:244::/32",
        "conntrack": {"maxPerCore": 0, "min": 0},
        "oomScoreAdj": 0,
        "healthzBindAddress": format!("{address}:10256"),
        "metricsBindAddress": "127.0.0.1:10249",
        "iptables": {"minSyncPeriod": "100ms"},
    })
}
