//! What a world needs of the machine, and what of it is missing, in words.

use super::cgroup;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Programs from Debian packages, and the package each is in.
const PROGRAMS: [(&str, &str); 3] = [("ip", "iproute2"), ("nft", "nftables"), ("redis-server", "redis-server")];
/// The ranges that worlds use. A machine that routes one of them for itself is left alone.
const RANGES: [&str; 5] = ["10.244.0.0/16", "10.96.0.0/16", "198.18.0.0/15", "172.30.0.0/24", "fd00:244::/48"];

/// What is missing, one sentence each; empty where a world can be made.
pub fn missing() -> Vec<String> {
    if !is_root() {
        return vec!["not root: namespaces, cgroups and BPF programs need it; run as root".into()];
    }
    let mut missing = Vec::new();
    if let Err(error) = cgroup::mount() {
        missing.push(error.to_string());
    }
    for (program, package) in PROGRAMS {
        if find_in_path(program).is_none() {
            missing.push(format!("{program} is not installed: apt-get install {package}"));
        }
    }
    if missing.is_empty() {
        missing.extend(RANGES.iter().filter_map(|range| taken(range)));
    }
    missing
}

/// Whether the effective user is root.
pub fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    ids.and_then(|ids| ids.split_whitespace().nth(1)) == Some("0")
}

/// Where PATH has a program.
pub(crate) fn find_in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(program)).find(|candidate| candidate.is_file())
}

/// Says which route of the machine overlaps `range`, if one does other than the default route.
fn taken(range: &str) -> Option<String> {
    let routes = ["root", "match"].map(|relation| {
        let output = Command::new("ip").args([family(range), "route", "show", relation, range]).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
    });
    let route = routes.iter().flat_map(|text| text.lines()).find(|line| !line.starts_with("default"))?;
    Some(format!("this machine routes {:?}, which overlaps {range}", route.trim()))
}

fn family(range: &str) -> &'static str {
    if range.contains(':') { "-6" } else { "-4" }
}

/// The path of one of the project's own programs: in `NETWRIGHT_BIN_DIR`, else in the build folder that this process runs from.
///
/// # Errors
/// It is not built.
pub fn program(name: &str) -> Result<PathBuf> {
    let directories = match std::env::var_os("NETWRIGHT_BIN_DIR") {
        Some(directory) => vec![PathBuf::from(directory)],
        None => {
            let own = std::env::current_exe().context("finding this program's own path")?;
            // A test runs from `deps/`, one below the programs.
            own.ancestors().skip(1).take(2).map(PathBuf::from).collect()
        }
    };
    match directories.iter().map(|directory| directory.join(name)).find(|path| path.is_file()) {
        Some(path) => Ok(path),
        None => bail!("{name} is not built (looked in {directories:?}): `cargo build -p {}`", package(name)),
    }
}

fn package(program: &str) -> &str {
    match program {
        "netwright-actor" | "netwright-cluster" => "netwright-tests",
        other => other,
    }
}
