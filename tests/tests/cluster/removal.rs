//! Several clusters side by side, and nothing that is left of them.
//!
//! Indexes are the highest ones: others take the lowest that is free, and would take one that is free again.

use super::skipped;
use netwright_tests::cluster::{Cluster, Names, Options, Step, wait};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::scope;
use std::time::Duration;

#[test]
fn two_stand_side_by_side_and_leave_nothing() {
    if skipped() {
        return;
    }
    let options = |index| Options { index: Some(index), nodes: 1, ..Options::default() };
    let clusters: Vec<Cluster> = scope(|scope| {
        let starts = [8, 9].map(|index| scope.spawn(move || Cluster::start(&options(index)).unwrap()));
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    let [first, second] = clusters.as_slice() else { panic!("{} clusters", clusters.len()) };
    for cluster in &clusters {
        let listed = cluster.kubectl().run(&["get", "nodes", "--output=name"]).unwrap();
        assert_eq!(listed, format!("node/{}\n", cluster.node(1).unwrap().name));
    }
    let (gone, stays) = (first.names(), second.names());
    let directory = first.directory().to_owned();
    let [first, second] = <[Cluster; 2]>::try_from(clusters).unwrap();
    first.stop().unwrap();
    assert_eq!(left(gone, &directory), Vec::<String>::new());
    assert!(!left(stays, second.directory()).is_empty());
    second.kubectl().run(&["get", "--raw", "/readyz"]).unwrap();
    let directory = second.directory().to_owned();
    drop(second);
    assert_eq!(left(stays, &directory), Vec::<String>::new());
}

/// Each takes an index of its own, however close together they start, and keeps to its own when it goes.
#[test]
fn many_at_once_do_not_get_in_each_others_way() {
    if skipped() {
        return;
    }
    let options = Options { nodes: 1, ..Options::default() };
    scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..2 {
                    let cluster = Cluster::start(&options).unwrap();
                    assert!(cluster.nodes().len() == 1 && cluster.kubectl().run(&["get", "nodes"]).is_ok());
                }
            });
        }
    });
}

#[test]
fn a_starter_that_is_killed_leaves_nothing() {
    if skipped() {
        return;
    }
    let directory = std::env::temp_dir().join(format!("netwright-killed-{}", std::process::id()));
    let program = netwright_tests::world::prerequisites::program("netwright-cluster").unwrap();
    let mut starter = Command::new(program)
        .args(["run", "--nodes=1", "--index=7"])
        .arg(&directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said: Vec<String> =
        BufReader::new(starter.stdout.take().unwrap()).lines().take(2).map(Result::unwrap).collect();
    assert!(said.last().unwrap().starts_with("export KUBECONFIG="), "{said:?}");
    let names = index_of(&directory);
    assert!(!left(names, &directory).is_empty());
    starter.kill().unwrap();
    starter.wait().unwrap();
    wait("the end of the cluster", Duration::from_secs(30), || {
        let left = left(names, &directory);
        Ok(if left.is_empty() { Step::Done(()) } else { Step::NotYet(left.join(", ")) })
    })
    .unwrap();
}

fn index_of(directory: &Path) -> Names {
    let owner = fs::read_to_string(directory.join("owner")).unwrap();
    Names::new(owner.split(' ').next().unwrap().parse().unwrap()).unwrap()
}

/// What of a cluster is there: its folder, claim, namespaces, cgroups, mounts and processes.
fn left(names: Names, directory: &Path) -> Vec<String> {
    let prefix = format!("nwk{}-", names.index());
    let named = |path: &str| -> Vec<String> {
        let entries = fs::read_dir(path).into_iter().flatten().map(|entry| entry.unwrap().path());
        entries
            .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(&prefix))
            .map(|path| path.display().to_string())
            .collect()
    };
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    let paths = mounts.lines().filter(|line| line.contains(" cgroup")).map(|line| line.split(' ').nth(1).unwrap());
    let mut left: Vec<String> = paths.flat_map(&named).chain(named("/run/netns")).collect();
    let whole = directory.display().to_string();
    left.extend(mounts.lines().filter(|line| line.contains(&whole)).map(str::to_owned));
    let claims = PathBuf::from("/run/netwright-clusters").join(names.index().to_string());
    left.extend(
        [directory, &claims]
            .iter()
            .filter(|path| path.symlink_metadata().is_ok())
            .map(|path| path.display().to_string()),
    );
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| Some(entry.ok()?.path()));
    left.extend(processes.filter(|path| runs_in(path, &prefix)).map(|path| path.display().to_string()));
    left
}

/// Whether a process is in a cgroup of the cluster. One that has ended and is only still listed is not.
fn runs_in(process: &Path, prefix: &str) -> bool {
    let cgroups = fs::read_to_string(process.join("cgroup")).unwrap_or_default();
    let state = fs::read_to_string(process.join("stat")).unwrap_or_default();
    cgroups.contains(&format!(":/{prefix}")) && !state.contains(") Z ")
}
