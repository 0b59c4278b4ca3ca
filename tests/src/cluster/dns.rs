//! The cluster's DNS server: CoreDNS as a Deployment, with the roles it needs.

use super::kubectl::Kubectl;
use super::names::Names;
use anyhow::Result;
use std::time::Duration;

const MANIFESTS: &str = include_str!("../../cluster/coredns.yaml");

/// Has CoreDNS run, on some node. `corefile` is added to its server block.
pub(super) fn start(kubectl: &Kubectl, names: Names, corefile: &str) -> Result<()> {
    let block: Vec<String> = corefile.lines().map(|line| format!("      {line}")).collect();
    let [a, b, c, _] = names.outside_address(0).octets();
    let block = block.join("\n").replace("@OUTSIDE@", &format!("{a}.{b}.{c}"));
    let manifests =
        MANIFESTS.replace("@ADDRESS@", &names.dns_service().to_string()).replace("      @COREFILE@", &block);
    kubectl.apply(&manifests).map(drop)
}

/// Waits until it answers.
pub(super) fn wait(kubectl: &Kubectl) -> Result<()> {
    kubectl.wait("kube-system", &["deployment/coredns"], "condition=Available", Duration::from_secs(90))
}
