//! What a cluster needs of the machine, and what of it is missing, in words.

use crate::world::{cgroup, prerequisites};
use anyhow::{Context, Result};
use std::path::PathBuf;

/// Programs from Debian packages, and the package each is in.
const PROGRAMS: [(&str, &str); 11] = [
    ("containerd", "containerd"),
    ("conntrack", "conntrack"),
    ("ctr", "containerd"),
    ("etcd", "etcd-server"),
    ("ip", "iproute2"),
    ("ipset", "ipset"),
    ("iptables", "iptables"),
    ("nft", "nftables"),
    ("nsenter", "util-linux"),
    ("runc", "runc"),
    ("unshare", "util-linux"),
];
/// Where Debian, and others, put the plugins that give pods their network.
const PLUGINS: [&str; 2] = ["/usr/lib/cni", "/opt/cni/bin"];

/// Where the parts of a cluster are on this machine.
#[derive(Debug, Clone)]
pub(super) struct Tools {
    /// Kubernetes, all its programs in one.
    pub(super) hyperkube: PathBuf,
    /// The folder of images that every cluster has.
    pub(super) images: PathBuf,
    /// The folder of CNI plugins.
    pub(super) plugins: PathBuf,
}

impl Tools {
    /// Finds them.
    ///
    /// # Errors
    /// Something is missing; the message says all of it.
    pub(super) fn find() -> Result<Self> {
        let missing = missing();
        anyhow::ensure!(missing.is_empty(), "this machine cannot run a cluster:\n{}", missing.join("\n"));
        let variable = |name| std::env::var_os(name).map(PathBuf::from).with_context(|| format!("{name} is not set"));
        Ok(Self {
            hyperkube: variable("NETWRIGHT_HYPERKUBE")?,
            images: variable("NETWRIGHT_CLUSTER_IMAGES")?,
            plugins: plugins().context("no CNI plugins")?,
        })
    }
}

/// What is missing for a cluster, one sentence each; empty where one can be started.
pub fn missing() -> Vec<String> {
    if !prerequisites::is_root() {
        return vec!["not root: namespaces, cgroups and containers need it; run as root".into()];
    }
    let mut missing: Vec<String> = PROGRAMS
        .iter()
        .filter(|(program, _)| prerequisites::find_in_path(program).is_none())
        .map(|(program, package)| format!("{program} is not installed: apt-get install {package}"))
        .collect();
    if plugins().is_none() {
        missing.push("no CNI plugins: apt-get install containernetworking-plugins".into());
    }
    if let Err(error) = cgroup::mount() {
        missing.push(error.to_string());
    }
    for variable in ["NETWRIGHT_HYPERKUBE", "NETWRIGHT_CLUSTER_IMAGES"] {
        if !std::env::var_os(variable).is_some_and(|path| PathBuf::from(path).exists()) {
            missing.push(format!(
                "{variable} names nothing that is there (`scripts/setup.sh cluster` makes it, `source scripts/common.sh` sets it)"
            ));
        }
    }
    missing
}

fn plugins() -> Option<PathBuf> {
    PLUGINS.iter().map(PathBuf::from).find(|directory| directory.join("ptp").is_file())
}
