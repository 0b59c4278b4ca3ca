//! Who has which index. A claim is a symbolic link to the folder of the cluster.
//!
//! It is where a cluster is found again whose starter is gone, and its folder says who that was. Whoever claims or removes
//! holds a lock meanwhile: names follow from the index, and a late remover would take a new cluster for the old one.

use super::guard;
use super::names::{DIGITS, Names};
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

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

/// Waits for the lock, which is held until the file is dropped.
pub(super) fn lock() -> Result<File> {
    fs::create_dir_all(CLAIMS).with_context(|| format!("making {CLAIMS}"))?;
    let file = File::create(Path::new(CLAIMS).join("lock")).context("opening the lock of the clusters")?;
    file.lock().context("waiting for the lock of the clusters")?;
    Ok(file)
}

/// Claims an index, the first free one unless one is asked for, with a new folder. What is left of a cluster
/// whose starter is gone is removed first.
///
/// # Errors
/// None is free, or the folder is there already.
pub(super) fn claim(index: Option<u8>, directory: Option<&Path>, detached: bool) -> Result<Claim> {
    let _lock = lock()?;
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
        guard::remove(&held, names).with_context(|| format!("removing what is left of cluster {index}"))?;
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
    symlink(&directory, path(index)).context("claiming an index")?;
    Ok(Some(directory))
}

/// The folder that a cluster has unless another is asked for. It is new each time: what an earlier one left does no harm.
fn default_directory(index: u8) -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    let (process, number) = (std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    std::env::temp_dir().join(format!("netwright-cluster-{index}-{process}-{number}"))
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

/// Whether the index is still that of the cluster in `directory`.
pub(super) fn is_held(names: Names, directory: &Path) -> bool {
    fs::read_link(path(names.index())).is_ok_and(|held| held == directory)
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
