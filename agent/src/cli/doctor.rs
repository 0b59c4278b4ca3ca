//! `netwright-agent doctor`: what this host lacks, and what would be degraded.

use super::capabilities::NEEDED;
use crate::identity::cgroups;
use crate::probe::{Config, Probe, btf, cookie_in_skb, has_sctp};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only look; do not try to load and attach the programs.
    #[arg(long)]
    dry: bool,
    /// Try it at this cgroup (v2): in a container, the node's, which is mounted there. Default: where cgroup v2 is mounted.
    #[arg(long, env = "NETWRIGHT_CGROUP", value_name = "PATH")]
    cgroup: Option<PathBuf>,
}

const OLDEST_KERNEL: (u32, u32) = (5, 15);
const MISSING: u8 = 3;

/// How a check came out.
enum Finding {
    Good(String),
    Degraded(String),
    Missing(String),
}

/// Runs the verb. Exit code 3 if something is missing without which nothing can be recorded.
pub(super) fn run(args: &Args, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let cgroup = args.cgroup.clone().or_else(mounted);
    let mut findings = vec![kernel(), cgroup2(cgroup.as_deref())];
    findings.extend(capabilities());
    findings.extend([kernel_types(), packet_cookies(), sctp()]);
    let ready = findings.iter().all(|finding| !matches!(finding, Finding::Missing(_)));
    if ready && !args.dry {
        findings.extend(cgroup.as_deref().map(trial));
    }
    let mut missing = false;
    for finding in &findings {
        let (mark, text) = match finding {
            Finding::Good(text) => ("ok      ", text),
            Finding::Degraded(text) => ("degraded", text),
            Finding::Missing(text) => ("missing ", text),
        };
        missing |= matches!(finding, Finding::Missing(_));
        writeln!(out, "{mark}  {text}")?;
    }
    Ok(if missing { ExitCode::from(MISSING) } else { ExitCode::SUCCESS })
}

fn kernel() -> Finding {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim();
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version >= OLDEST_KERNEL {
        Finding::Good(format!("kernel {release}"))
    } else {
        Finding::Missing(format!("kernel {release}: 5.15 or later is needed"))
    }
}

/// Where cgroup v2 is mounted, if it is.
fn mounted() -> Option<PathBuf> {
    cgroups::mount_point(&fs::read_to_string("/proc/self/mounts").unwrap_or_default())
}

fn cgroup2(path: Option<&Path>) -> Finding {
    match path {
        Some(path) if fs::read_dir(path).is_ok() => Finding::Good(format!("cgroup v2 at {}", path.display())),
        Some(path) => Finding::Missing(format!(
            "cgroup v2 at {} cannot be read: mount it into the container, read-only",
            path.display()
        )),
        None => Finding::Missing("no cgroup v2 hierarchy is mounted: mount -t cgroup2 none PATH".into()),
    }
}

fn capabilities() -> Vec<Finding> {
    NEEDED
        .into_iter()
        .map(|capability| match capability.is_held() {
            true => Finding::Good(capability.name.to_owned()),
            false => Finding::Missing(format!("{}: needed to {}", capability.name, capability.purpose)),
        })
        .collect()
}

fn kernel_types() -> Finding {
    match btf::offsets() {
        Ok(_) => Finding::Good("kernel types (BTF): accepted connections are named by cgroup".into()),
        Err(reason) => Finding::Degraded(format!(
            "kernel types (BTF): accepted connections are named by address only, and a connected UDP socket counts as used: {reason}"
        )),
    }
}

fn packet_cookies() -> Finding {
    if cookie_in_skb() {
        Finding::Good("network namespace cookies on packets".into())
    } else {
        Finding::Degraded(
            "no network namespace cookies on packets (before Linux 6.15): UDP flows are told apart by cgroup".into(),
        )
    }
}

fn sctp() -> Finding {
    Finding::Good(if has_sctp() {
        "the kernel has SCTP: each packet passes a program that looks for it".into()
    } else {
        "the kernel has no SCTP: it is not watched".into()
    })
}

/// Loads and attaches everything for a moment, to an empty cgroup of its own below `parent` if one can be made, else to `parent`.
fn trial(parent: &Path) -> Finding {
    let own = parent.join(format!("netwright-doctor-{}", std::process::id()));
    let made = fs::create_dir(&own).is_ok();
    let cgroup = if made { own.clone() } else { parent.to_owned() };
    let probe = Probe::load(&Config::new(cgroup.clone())).and_then(|mut probe| {
        probe.attach(&cgroup)?;
        Ok(probe)
    });
    let finding = match &probe {
        Ok(_) => Finding::Good("the programs load and attach".into()),
        Err(error) => Finding::Missing(format!("{error}")),
    };
    drop(probe);
    if made {
        // Empty, and made by us; a leftover would be harmless.
        let _ = fs::remove_dir(own);
    }
    finding
}
