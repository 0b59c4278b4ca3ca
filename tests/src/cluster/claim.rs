//! Who has which index. A claim is a symbolic link, which only one can make, to the folder of the cluster.
//!
//! It is where a cluster is found again whose starter is gone, and its folder says who that was.

use super::guard;
use super::names::{DIGITS, Names};
use anyhow::{Context, Result, bail};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Where claims are.
const CLAIMS: &str = "/run/netwright-clusters";
/// In the folder of a cluster: its index, and who started it.
const OWNER: &str = "owner";
/// What stands for the owner of a cluster that is to outlive its starter.
const NOBODY: &str = "nobody";

/// An index and a folder that are now ours.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) names: Names,
    pub(super) directory: PathBuf,
}

/// Claims an index, the first free one unless one is asked for, with a new folder. What is left of a cluster
/// whose starter is gone is removed first.
///
/// # Errors
/// None is free, or the folder is there already.
pub(super) fn claim(index: Option<u8>, directory: Option<&Path>, detached: bool) -> Result<Claim> {
    fs::create_dir_all(CLAIMS).with_context(|| format!("making {CLAIMS}"))?;
    let candidates = index.map_or(DIGITS, |index| index..=index);
    for index in candidates.clone() {
        let names = Names::new(index)?;
        if let Some(directory) = attempt(names, directory, detached)? {
            return Ok(Claim { names, directory });
        }
    }
    let held: Vec<String> =
        candidates.filter_map(|index| fs::read_link(path(index)).ok()).map(|path| path.display().to_string()).collect();
    bail!(
        "every index is in use, by the clusters in {}; `netwright-cluster down DIRECTORY` removes one",
        held.join(", ")
    )
}

fn attempt(names: Names, directory: Option<&Path>, detached: bool) -> Result<Option<PathBuf>> {
    let index = names.index();
    if let Ok(held) = fs::read_link(path(index)) {
        if is_alive(&held) {
            return Ok(None);
        }
        // Its own guard, or another who found it, may be removing it at this moment; then it is not free yet.
        if guard::remove(&held, names).is_err() {
            return Ok(None);
        }
    }
    let directory = directory.map_or_else(|| default_directory(index), Path::to_owned);
    // The folder first, with its owner: a claim without one looks left over.
    fs::create_dir(&directory).with_context(|| format!("making {}, which must be new", directory.display()))?;
    let directory = directory.canonicalize()?;
    if ["/run", "/var"].iter().any(|hidden| directory.starts_with(hidden)) {
        fs::remove_dir(&directory)?;
        bail!(
            "{}: nodes have a /run and a /var of their own and would not see it; choose another folder",
            directory.display()
        );
    }
    let owner =
        if detached { NOBODY.to_owned() } else { owner(std::process::id()).context("reading /proc/self/stat")? };
    fs::write(directory.join(OWNER), format!("{index} {owner}\n"))?;
    match symlink(&directory, path(index)) {
        Ok(()) => Ok(Some(directory)),
        Err(error) => {
            fs::remove_dir_all(&directory)?;
            // Someone was faster.
            if error.kind() == ErrorKind::AlreadyExists { Ok(None) } else { Err(error).context("claiming an index") }
        }
    }
}

/// The folder that a cluster has unless another is asked for. It is new each time: what an earlier one left does no harm.
fn default_directory(index: u8) -> PathBuf {
    std::env::temp_dir().join(format!("netwright-cluster-{index}-{}", std::process::id()))
}

/// The names of the cluster in `directory`.
///
/// # Errors
/// There is no cluster.
pub(super) fn names(directory: &Path) -> Result<Names> {
    let path = directory.join(OWNER);
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}: there is no cluster", path.display()))?;
    let index = text.split_whitespace().next().and_then(|index| index.parse().ok());
    Names::new(index.with_context(|| format!("{} begins with no index", path.display()))?)
}

/// Gives an index back.
pub(super) fn release(names: Names) -> Result<()> {
    match fs::remove_file(path(names.index())) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error).context("giving an index back"),
        _ => Ok(()),
    }
}

fn path(index: u8) -> PathBuf {
    Path::new(CLAIMS).join(index.to_string())
}

/// Whether the starter of the cluster in `directory` is there, or is not needed.
fn is_alive(directory: &Path) -> bool {
    let Ok(text) = fs::read_to_string(directory.join(OWNER)) else { return false };
    let Some((_, who)) = text.trim().split_once(' ') else { return false };
    let pid = who.split(' ').next().and_then(|pid| pid.parse().ok());
    who == NOBODY || pid.and_then(owner).is_some_and(|now| now == who)
}

/// A process, by pid and start: the pid alone may be somebody else's by now.
fn owner(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program, in brackets, may itself have blanks and brackets. The start is field 22.
    let start = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?;
    Some(format!("{pid} {start}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_from_an_earlier_one_with_its_pid() {
        let own = owner(std::process::id()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        for (owner, alive) in [(own.as_str(), true), (&format!("{own}7"), false), (NOBODY, true), ("0 0", false)] {
            fs::write(directory.path().join(OWNER), format!("3 {owner}\n")).unwrap();
            assert_eq!(is_alive(directory.path()), alive, "{owner}");
        }
        assert_eq!(names(directory.path()).unwrap().index(), 3);
    }
}
