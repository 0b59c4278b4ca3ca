//! What to watch and how: the arguments that every verb that records has in common.

use super::capabilities;
use crate::identity::cgroups;
use crate::probe::{Config, UdpHooks};
use crate::recorder::Recorder;
use anyhow::{Context as _, bail};
use netwright_record::Name;
use netwright_service::value;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

const NO_CGROUPS: &str =
    "no cgroup v2 hierarchy is mounted: mount one (mount -t cgroup2 none PATH); `netwright-agent doctor` tells more";

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct CaptureArgs {
    /// Watch this cgroup (v2) and what is below it, and nothing else. Default: the whole node.
    #[arg(long, env = "NETWRIGHT_CGROUP", value_name = "PATH")]
    pub(super) cgroup: Option<PathBuf>,
    /// The node's name, as Kubernetes has it. Default: the host's name.
    #[arg(long, env = "NODE_NAME")]
    pub(super) node: Option<String>,
    /// The cluster's name, for the header.
    #[arg(long, env = "NETWRIGHT_CLUSTER")]
    pub(super) cluster: Option<String>,
    /// How often the kernel's counters are read and a segment is written.
    #[arg(long, env = "NETWRIGHT_INTERVAL", value_name = "DURATION", default_value = "10s", value_parser = value::duration)]
    pub(super) interval: Duration,
    /// Where the host's /proc is.
    #[arg(long, env = "NETWRIGHT_PROC", value_name = "PATH", default_value = "/proc")]
    pub(super) proc: PathBuf,
    /// Entries of the kernel's flow map: 88 bytes and about 60 of overhead each.
    #[arg(
        long,
        env = "NETWRIGHT_FLOW_ENTRIES",
        value_name = "N",
        default_value_t = 16384,
        value_parser = clap::value_parser!(u32).range(1..=4_194_304)
    )]
    flow_entries: u32,
    /// Bytes of the kernel's announcement ring: a power of two, at least 4096.
    #[arg(
        long,
        env = "NETWRIGHT_ANNOUNCEMENT_BYTES",
        value_name = "BYTES",
        default_value_t = 256 * 1024,
        value_parser = ring_bytes
    )]
    announcement_bytes: u32,
    /// How to see UDP: at the sockets, on each packet (dearer; counts bytes), or not at all.
    #[arg(long, env = "NETWRIGHT_UDP", value_enum)]
    udp: Option<UdpHooks>,
    /// Watch SCTP although this kernel does not seem to have it (raw sockets can speak it).
    #[arg(long, env = "NETWRIGHT_SCTP")]
    sctp: bool,
}

fn ring_bytes(text: &str) -> Result<u32, String> {
    let bytes: u32 = text.parse().map_err(|error| format!("{error}"))?;
    if bytes >= 4096 && bytes.is_power_of_two() {
        Ok(bytes)
    } else {
        Err("must be a power of two and at least 4096".into())
    }
}

impl CaptureArgs {
    /// The node's name: as given, else the host's.
    pub(super) fn node(&self) -> anyhow::Result<Name> {
        Ok(Name::from(self.node.clone().map_or_else(host_name, Ok)?))
    }

    /// The cgroup to watch: as given, else where cgroup v2 is mounted.
    pub(super) fn watched(&self) -> anyhow::Result<PathBuf> {
        self.cgroup.clone().map_or_else(mount, Ok)
    }

    /// Attaches the programs.
    pub(super) fn record(&self, node: Name) -> anyhow::Result<Recorder> {
        let watched = self.watched()?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").context("cannot read /proc/self/mountinfo")?;
        let begin = cgroups::paths_begin_at(&mounts, &watched)
            .with_context(|| format!("{} is in no cgroup v2 hierarchy that is mounted here", watched.display()))?;
        let mut config = Config::new(watched.clone());
        config.flow_entries = self.flow_entries;
        config.announcement_bytes = self.announcement_bytes;
        config.udp = self.udp;
        config.sctp = self.sctp.then_some(true);
        let recorder = Recorder::start(config, node.clone(), &self.proc, &begin).map_err(capabilities::explain)?;
        for note in recorder.notes() {
            tracing::warn!("degraded: {note}");
        }
        tracing::info!(cgroup = %watched.display(), node = node.as_str(), "watching");
        Ok(recorder)
    }
}

fn mount() -> anyhow::Result<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("cannot read /proc/self/mounts")?;
    cgroups::mount_point(&mounts).context(NO_CGROUPS)
}

fn host_name() -> anyhow::Result<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").context("cannot read the host's name; give --node")?;
    let name = name.trim();
    if name.is_empty() {
        bail!("the host has no name; give --node");
    }
    Ok(name.to_owned())
}
