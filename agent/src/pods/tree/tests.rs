//! Directories as the kubelet and container runtimes make them. (That the kernel tells of cgroups as it does of folders is tested
//! where there are some.)

use super::*;
use std::fs;
use std::path::Path;
use std::sync::mpsc::Receiver;

const A: &str = "0f6d7a53-7b8e-4c39-9a3e-1d2c3b4a5f60";
const B: &str = "1f6d7a53-7b8e-4c39-9a3e-1d2c3b4a5f61";

fn next(happened: &Receiver<Happened>) -> Happened {
    happened.recv_timeout(Duration::from_secs(5)).expect("something happened")
}

fn first_look(happened: &Receiver<Happened>) -> HashMap<Name, HashSet<String>> {
    match next(happened) {
        Happened::Look { present, since: None, .. } => present,
        other => panic!("{other:?}"),
    }
}

fn make(path: &Path) {
    fs::create_dir_all(path).unwrap();
}

#[test]
fn what_is_there_is_told_first() {
    let root = tempfile::tempdir().unwrap();
    let slice = root.path().join("kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice");
    let pod = slice.join(format!("kubelet-kubepods-besteffort-pod{}.slice", A.replace('-', "_")));
    make(&pod.join("crio-1f.scope"));
    make(&pod.join("crio-conmon-1f.scope"));
    make(&root.path().join("system.slice/sshd.service"));
    let happened = watch(root.path().into()).unwrap();
    assert_eq!(first_look(&happened), [(A.into(), HashSet::from(["crio-1f.scope".to_owned()]))].into());
}

#[test]
fn pods_come_and_go_in_order() {
    let root = tempfile::tempdir().unwrap();
    let happened = watch(root.path().into()).unwrap();
    assert!(first_look(&happened).is_empty());
    let pods = root.path().join("kubepods/burstable");
    let (a, b) = (pods.join(format!("pod{A}")), pods.join(format!("pod{B}")));
    // All at once, above pods too: whoever is late to watch tells it nevertheless.
    make(&a.join("sandbox"));
    let Happened::Made { uid, container, at: began } = next(&happened) else { panic!() };
    assert_eq!((uid.as_str(), container.as_str()), (A, "sandbox"));
    fs::remove_dir(a.join("sandbox")).unwrap();
    make(&b.join("sandbox"));
    fs::remove_dir(&a).unwrap();
    let mut told: Vec<Happened> = (0..3).map(|_| next(&happened)).collect();
    // It may have been told twice: by the watch, and since the folder was new.
    while told.iter().filter(|one| matches!(one, Happened::PodRemoved { .. })).count() == 0 {
        told.push(next(&happened));
    }
    let ended = told.iter().find_map(|one| match one {
        Happened::Removed { uid, at, .. } if uid == A => Some(*at),
        _ => None,
    });
    let began_after = told.iter().find_map(|one| match one {
        Happened::Made { uid, at, .. } if uid == B => Some(*at),
        _ => None,
    });
    assert!(began <= ended.unwrap() && ended <= began_after, "{told:?}");
}

#[test]
fn a_root_within_the_kubelets_folder_is_watched_too() {
    let root = tempfile::tempdir().unwrap();
    let burstable = root.path().join("kubepods/burstable");
    make(&burstable);
    let happened = watch(burstable.clone()).unwrap();
    assert!(first_look(&happened).is_empty());
    make(&burstable.join(format!("pod{A}/c")));
    assert!(matches!(next(&happened), Happened::Made { uid, .. } if uid == A));
}

#[test]
fn a_scan_tells_all_that_is_there_and_since_when_it_may_have_been() {
    let root = tempfile::tempdir().unwrap();
    make(&root.path().join(format!("kubepods/pod{A}/c")));
    let (sender, receiver) = mpsc::channel();
    let path = root.path().to_owned();
    let scanning = std::thread::spawn(move || scan::follow(&path, Duration::from_millis(5), &sender));
    assert!(first_look(&receiver).contains_key(A));
    let Happened::Look { since: Some(since), at, .. } = next(&receiver) else { panic!() };
    assert!(since <= at);
    drop(receiver);
    scanning.join().unwrap();
}
