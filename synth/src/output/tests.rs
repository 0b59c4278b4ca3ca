//! Publishing over whatever may stand at the destination.

use super::destination::entries;
use super::*;
use crate::render::Files;
use proptest::prelude::*;

impl Staged {
    fn with(out: &Path, edited: Edited, files: &Files) -> Result<Self, OutputError> {
        let staged = Self::new(out, edited)?;
        files.iter().try_for_each(|(name, text)| staged.write(name, text))?;
        Ok(staged)
    }

    /// The text of every YAML file that will stand at the destination.
    fn read_back(&self) -> Result<Vec<(String, String)>, OutputError> {
        let names = self.names().into_iter().filter(|name| Form::of(name) == Some(Form::Yaml));
        names.map(|name| Ok((name.clone(), self.text(&name)?))).collect()
    }
}

fn files(names: &[&str]) -> Files {
    names.iter().map(|name| ((*name).to_owned(), text(name, 0))).collect()
}

/// One of several texts of a file.
fn text(name: &str, version: usize) -> Vec<u8> {
    match Form::of(name) {
        Some(Form::Json) => format!("{{\n  \"name\": \"{name}\",\n  \"version\": {version}\n}}\n").into_bytes(),
        Some(Form::Markdown) => format!("# {name}\n\n{version}\n").into_bytes(),
        _ => format!("name: {name}\nversion: {version}\n").into_bytes(),
    }
}

fn published(out: &Path, names: &[&str]) -> Result<Published, OutputError> {
    Staged::with(out, Edited::Keep, &files(names))?.publish()
}

fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = entries(folder).unwrap().into_iter().map(|(name, _)| name).collect();
    names.sort();
    names
}

fn read(path: PathBuf) -> String {
    fs::read_to_string(path).unwrap()
}

/// A new folder, and the output folder in it.
fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    (folder, out)
}

#[test]
fn what_is_no_longer_produced_is_removed_and_what_is_not_ours_stays() {
    let (folder, out) = place();
    published(&out, &["a/x.yaml", "b/y.yaml", "c/z.yaml", "kustomization.yaml", "rollout.md", "evidence.json"])
        .unwrap();
    fs::write(out.join("a/README"), "mine").unwrap();
    fs::write(out.join("b/mine.yaml"), "kind: Mine\n").unwrap();
    fs::write(out.join("review.yaml"), fs::read(out.join("b/y.yaml")).unwrap()).unwrap();
    let done = published(&out, &["a/x.yaml", "kustomization.yaml"]).unwrap();
    assert_eq!(done.removed, ["b/y.yaml", "c/z.yaml", "evidence.json", "rollout.md"]);
    assert_eq!((done.written, done.unchanged, done.left.len()), (0, 2, 0));
    assert_eq!(names_in(&out), ["a", "b", "kustomization.yaml", "review.yaml"]);
    assert_eq!(names_in(&out.join("b")), ["mine.yaml"]);
    assert_eq!(names_in(&out.join("a")), ["README", "x.yaml"]);
    assert_eq!(names_in(folder.path()), ["out"]);
}

#[test]
fn an_output_folder_inside_the_folder_is_left_alone() {
    let (_folder, out) = place();
    let names = ["a/x.yaml", "kustomization.yaml", "evidence.json"];
    published(&out.join("east"), &names).unwrap();
    let done = published(&out, &names).unwrap();
    assert!(done.removed.is_empty(), "{done:?}");
    assert_eq!(names_in(&out.join("east")), ["a", "evidence.json", "kustomization.yaml"]);
}

#[test]
fn a_folder_that_is_not_there_has_no_parent_to_write_to() {
    let (_folder, out) = place();
    assert!(published(&out.join("missing/.."), &["kustomization.yaml"]).is_err());
    assert!(!out.exists());
}

#[test]
fn what_was_edited_is_kept_and_read_back_in_place_of_ours() {
    let (_folder, out) = place();
    let names = ["a/edited.yaml", "a/foreign.yaml", "a/plain.yaml", "evidence.json", "kustomization.yaml"];
    published(&out, &names).unwrap();
    for name in ["a/edited.yaml", "evidence.json"] {
        fs::write(out.join(name), read(out.join(name)) + "\n").unwrap();
    }
    fs::write(out.join("a/foreign.yaml"), "kind: Mine\n").unwrap();
    let (edited, again) = (read(out.join("a/edited.yaml")), names.map(|name| (name.to_owned(), text(name, 1))));
    let staged = Staged::with(&out, Edited::Keep, &again.clone().into()).unwrap();
    let back: BTreeMap<String, String> = staged.read_back().unwrap().into_iter().collect();
    assert_eq!((&back["a/edited.yaml"], back["a/foreign.yaml"].as_str()), (&edited, "kind: Mine\n"));
    assert!(back["a/plain.yaml"].contains("version: 1") && !back.contains_key("evidence.json"));
    let done = staged.publish().unwrap();
    let kept: Vec<(&str, Kept)> = done.kept.iter().map(|(name, why)| (name.as_str(), *why)).collect();
    let expected =
        [("a/edited.yaml", Kept::Edited), ("a/foreign.yaml", Kept::Foreign), ("evidence.json", Kept::Edited)];
    assert_eq!((kept.as_slice(), done.written), (expected.as_slice(), 2));
    assert_eq!(read(out.join("a/edited.yaml")), edited);
    let done = Staged::with(&out, Edited::Replace, &again.into()).unwrap().publish().unwrap();
    assert_eq!(done.kept, [("a/foreign.yaml".to_owned(), Kept::Foreign)].into());
    assert!(read(out.join("a/edited.yaml")).contains("version: 1"));
    assert_eq!(read(out.join("a/foreign.yaml")), "kind: Mine\n");
}

#[test]
fn an_edited_file_that_nothing_stands_for_is_left_and_reported() {
    let (_folder, out) = place();
    published(&out, &["a/x.yaml", "a/y.yaml"]).unwrap();
    fs::write(out.join("a/y.yaml"), read(out.join("a/y.yaml")).replace("version: 0", "version: 7")).unwrap();
    let done = Staged::with(&out, Edited::Replace, &files(&["a/x.yaml"])).unwrap().publish().unwrap();
    assert_eq!((done.left, done.removed.len()), (vec!["a/y.yaml".to_owned()], 0));
    assert!(read(out.join("a/y.yaml")).contains("version: 7"));
}

#[test]
fn the_same_again_touches_nothing() {
    let (_folder, out) = place();
    let names = ["a/x.yaml", "kustomization.yaml", "rollout.json"];
    published(&out, &names).unwrap();
    let times = || names.map(|name| fs::metadata(out.join(name)).unwrap().modified().unwrap());
    let before = times();
    let done = published(&out, &names).unwrap();
    assert_eq!((done.written, done.unchanged), (0, 3));
    assert_eq!(times(), before);
}

#[test]
fn an_unchanged_or_edited_top_kustomization_survives_other_changes() {
    let (_folder, out) = place();
    let top = "kustomization.yaml";
    published(&out, &["a/x.yaml", top]).unwrap();
    let ours = read(out.join(top));
    published(&out, &["b/y.yaml", top]).unwrap();
    assert_eq!((read(out.join(top)), names_in(&out)), (ours.clone(), vec!["b".to_owned(), top.to_owned()]));
    fs::write(out.join(top), ours.clone() + "# mine\n").unwrap();
    assert_eq!(published(&out, &["c/z.yaml", top]).unwrap().kept.len(), 1);
    assert_eq!(read(out.join(top)), ours + "# mine\n");
}

#[test]
fn a_folder_of_which_all_was_outdated_can_take_new_files() {
    let (_folder, out) = place();
    published(&out, &["a/old.yaml"]).unwrap();
    assert_eq!(published(&out, &["a/new.yaml"]).unwrap().removed, ["a/old.yaml"]);
    assert_eq!(names_in(&out.join("a")), ["new.yaml"]);
}

#[test]
fn a_file_written_in_pieces_is_the_same_as_one_written_at_once() {
    let (_folder, out) = place();
    for name in ["evidence.json", "a/x.yaml", "rollout.md"] {
        let long = [text(name, 0), vec![b'\n'; 300_000]].concat();
        for pieces in [1, 7, 100_000] {
            for text in [&long, &text(name, 0)] {
                let staged = Staged::new(&out, Edited::Keep).unwrap();
                let mut writer = staged.writer(name).unwrap();
                text.chunks(pieces).for_each(|piece| writer.write_all(piece).unwrap());
                writer.finish().unwrap();
                staged.publish().unwrap();
                let again = Staged::with(&out, Edited::Keep, &[(name.to_owned(), text.clone())].into()).unwrap();
                assert_eq!(again.publish().unwrap().unchanged, 1, "{name} {pieces}");
            }
        }
    }
    let staged = Staged::new(&out, Edited::Keep).unwrap();
    let mut writer = staged.writer("list.json").unwrap();
    assert_eq!(writer.write_all(b"[]").unwrap_err().kind(), std::io::ErrorKind::InvalidData);
    assert!(matches!(writer.finish(), Err(OutputError::Name { .. })));
    let mut writer = staged.writer("rollout.md").unwrap();
    writer.write_all(&text("rollout.md", 0)).unwrap();
    fs::write(out.join("rollout.md"), "mine").unwrap();
    writer.finish().unwrap();
    assert_eq!(staged.kept(), [("rollout.md".to_owned(), Kept::Foreign)].into());
}

#[test]
fn several_threads_write_at_once() {
    let (_folder, out) = place();
    for version in 0..2 {
        let staged = Staged::new(&out, Edited::Keep).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let staged = &staged;
                scope.spawn(move || {
                    for number in 0..50 {
                        let name = format!("n{}/w{thread}-{number}.yaml", number % 5);
                        staged.write(&name, &text(&name, version)).unwrap();
                    }
                });
            }
        });
        assert_eq!(staged.publish().unwrap().written, 200);
    }
    assert!(read(out.join("n3/w2-13.yaml")).contains("version: 1"));
}

#[test]
fn what_is_no_file_or_folder_is_refused_and_nothing_changes() {
    let (folder, out) = place();
    published(&out, &["a/x.yaml", "kustomization.yaml"]).unwrap();
    fs::create_dir(out.join("a/y.yaml")).unwrap();
    fs::write(out.join("b"), "a file").unwrap();
    for (name, said) in [("a/y.yaml", "it is a folder"), ("b/z.yaml", "it is a file")] {
        let error = published(&out, &["a/new.yaml", name]).unwrap_err();
        assert!(matches!(error, OutputError::InTheWay { .. }) && error.to_string().contains(said), "{error}");
    }
    assert_eq!(names_in(&out.join("a")), ["x.yaml", "y.yaml"]);
    assert_eq!(names_in(folder.path()), ["out"]);
}

#[cfg(unix)]
#[test]
fn symbolic_links_are_not_written_through() {
    let (folder, out) = place();
    published(&out, &["a/x.yaml"]).unwrap();
    let elsewhere = folder.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let ours = fs::read(out.join("a/x.yaml")).unwrap();
    fs::write(elsewhere.join("z.yaml"), &ours).unwrap();
    std::os::unix::fs::symlink(&elsewhere, out.join("b")).unwrap();
    std::os::unix::fs::symlink(elsewhere.join("z.yaml"), out.join("a/z.yaml")).unwrap();
    for name in ["b/z.yaml", "a/z.yaml"] {
        let error = published(&out, &[name]).unwrap_err().to_string();
        assert!(error.contains("it is a symbolic link"), "{error}");
    }
    assert_eq!(published(&out, &["a/new.yaml"]).unwrap().removed, ["a/x.yaml"]);
    assert_eq!(fs::read(elsewhere.join("z.yaml")).unwrap(), ours, "not pruned through the link");
}

#[cfg(unix)]
#[test]
fn what_cannot_be_read_is_an_error_and_nothing_changes() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, out) = place();
    published(&out, &["a/x.yaml", "a/y.yaml"]).unwrap();
    fs::set_permissions(out.join("a/x.yaml"), fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(out.join("a/x.yaml")).is_ok() {
        eprintln!("skipped: this user may read every file");
        return;
    }
    for names in [["a/x.yaml"], ["a/z.yaml"]] {
        let error = published(&out, &names).unwrap_err().to_string();
        assert!(error.contains("cannot read") && error.contains("x.yaml"), "{error}");
    }
    assert_eq!(names_in(&out.join("a")), ["x.yaml", "y.yaml"]);
}

#[test]
fn what_changes_during_the_proof_is_noticed_before_anything_is_moved() {
    let (_folder, out) = place();
    published(&out, &["a/x.yaml", "a/z.yaml"]).unwrap();
    type Change = fn(&Path);
    let changes: [Change; 4] = [
        |out| fs::write(out.join("a/x.yaml"), "mine").unwrap(),
        |out| fs::write(out.join("a/new.yaml"), "mine").unwrap(),
        |out| fs::create_dir(out.join("b")).unwrap(),
        |out| fs::remove_file(out.join("a/z.yaml")).unwrap(),
    ];
    for change in changes {
        let mut texts = files(&["a/x.yaml", "a/z.yaml"]);
        for name in ["a/new.yaml", "b/y.yaml"].iter().filter(|name| !out.join(name).exists()) {
            texts.insert((*name).to_owned(), text(name, 1));
        }
        let staged = Staged::with(&out, Edited::Keep, &texts).unwrap();
        change(&out);
        let before = tree(&out);
        assert!(matches!(staged.publish(), Err(OutputError::Changed { .. })));
        assert_eq!(tree(&out), before);
        let _ = fs::remove_dir(out.join("b"));
        published(&out, &["a/x.yaml", "a/z.yaml"]).unwrap();
    }
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let (folder, out) = place();
    let staged = Staged::new(&out, Edited::Keep).unwrap();
    for name in ["../x.yaml", "/x.yaml", "a//x.yaml", "a/./x.yaml", "x", "x.sh", "a\\..\\x.yaml"] {
        assert!(matches!(staged.write(name, b"a: b\n"), Err(OutputError::Name { .. })), "{name}");
    }
    staged.write("x.yaml", b"a: b\n").unwrap();
    assert!(staged.write("x.yaml", b"a: c\n").is_err(), "twice");
    drop(staged);
    assert!(names_in(folder.path()).is_empty(), "what is not published leaves nothing");
}

/// Folders in folders are moved once, with what is in them.
#[test]
fn deeper_folders_are_made_and_moved_too() {
    let (_folder, out) = place();
    published(&out, &["a/x.yaml"]).unwrap();
    let done = published(&out, &["a/b/c/y.yaml", "a/b/z.yaml", "a/x.yaml", "d/e/w.yaml"]).unwrap();
    assert_eq!((done.written, done.unchanged), (3, 1));
    let names: Vec<String> = tree(&out).into_keys().collect();
    assert_eq!(names, ["a/b/c/y.yaml", "a/b/z.yaml", "a/x.yaml", "d/e/w.yaml"]);
}

/// The output is a volume mounted into a container: the folder beside it is on another file system.
#[cfg(target_os = "linux")]
#[test]
fn an_output_on_another_file_system_is_written_too() {
    let (beside, Ok(out)) = (tempfile::tempdir().unwrap(), tempfile::tempdir_in("/dev/shm")) else {
        eprintln!("skipped: there is no /dev/shm to stand for another file system");
        return;
    };
    for version in 0..2 {
        let names = ["a/x.yaml", "kustomization.yaml"];
        let texts: Files = names.iter().map(|name| ((*name).to_owned(), text(name, version))).collect();
        let staged = Staged::new(&beside.path().join("out"), Edited::Keep).unwrap();
        let staged = Staged { out: out.path().to_owned(), ..staged };
        texts.iter().for_each(|(name, text)| staged.write(name, text).unwrap());
        let renamed = fs::rename(staged.path().join("a/x.yaml"), out.path().join("x.yaml"));
        assert_eq!(renamed.unwrap_err().kind(), std::io::ErrorKind::CrossesDevices, "this needs two file systems");
        assert_eq!(staged.publish().unwrap().written, 2);
        assert_eq!(names_in(out.path()), ["a", "kustomization.yaml"]);
        assert!(read(out.path().join("a/x.yaml")).contains(&format!("version: {version}")));
    }
}

#[test]
fn a_file_cannot_be_the_output_folder() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("file");
    fs::write(&out, "x").unwrap();
    assert!(matches!(published(&out, &["x.yaml"]), Err(OutputError::NotAFolder { .. })));
}

#[cfg(unix)]
#[test]
fn others_may_read_what_was_published_as_any_new_folder() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, out) = place();
    published(&out, &["a/x.yaml"]).unwrap();
    let plain = folder.path().join("plain");
    fs::create_dir(&plain).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!((mode(&out), mode(&out.join("a"))), (mode(&plain), mode(&plain)));
}

/// Every file below a folder.
fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for (name, kind) in entries(folder).unwrap() {
        let path = folder.join(&name);
        if kind.is_dir() {
            files.extend(tree(&path).into_iter().map(|(below, bytes)| (format!("{name}/{below}"), bytes)));
        } else {
            files.insert(name, fs::read(path).unwrap());
        }
    }
    files
}

const NAMES: [&str; 8] = [
    "a/x.yaml",
    "a/y.yaml",
    "a/kustomization.yaml",
    "b/x.yaml",
    "c/z.yaml",
    "evidence.json",
    "kustomization.yaml",
    "rollout.md",
];

/// What a person may do to a folder between two runs.
#[derive(Debug, Clone)]
enum Hand {
    Append(&'static str, u8),
    Overwrite(&'static str),
    Unseal(&'static str),
    Remove(&'static str),
    Add(&'static str),
}

fn hand() -> impl Strategy<Value = Hand> {
    let name = || prop::sample::select(NAMES.to_vec());
    let other = prop::sample::select(vec!["a/mine.yaml", "mine.json", "b/README", "review.yaml", "d/x.yaml", "x.md"]);
    prop_oneof![
        (name(), b'a'..=b'z').prop_map(|(name, byte)| Hand::Append(name, byte)),
        name().prop_map(Hand::Overwrite),
        name().prop_map(Hand::Unseal),
        name().prop_map(Hand::Remove),
        other.prop_map(Hand::Add),
    ]
}

/// Does it; the file that is somebody's own from then on.
fn act(out: &Path, hand: &Hand) -> Option<&'static str> {
    let put = |name: &'static str, text: Vec<u8>| {
        fs::create_dir_all(out.join(name).parent().unwrap()).unwrap();
        fs::write(out.join(name), text).unwrap();
        Some(name)
    };
    let old = |name: &str| fs::read(out.join(name)).ok();
    match hand {
        Hand::Append(name, byte) => put(name, [old(name)?, vec![*byte]].concat()),
        Hand::Overwrite(name) | Hand::Add(name) => put(name, b"kind: Mine\n".to_vec()),
        Hand::Unseal(name) => {
            let text = String::from_utf8(old(name)?).unwrap();
            let unsealed = text.lines().filter(|line| !line.contains("netwright (digest")).collect::<Vec<_>>();
            // What never was sealed is as it was.
            (unsealed.len() < text.lines().count()).then(|| put(name, unsealed.join("\n").into_bytes())).flatten()
        }
        Hand::Remove(name) => {
            let _ = fs::remove_file(out.join(name));
            None
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Whatever people do between runs, what they wrote stays byte by byte, and all else is as the last run has it.
    #[test]
    fn what_is_not_ours_is_neither_removed_nor_changed(
        runs in prop::collection::vec(
            (prop::collection::vec(hand(), 0..5), prop::collection::btree_map(0..NAMES.len(), 0..3usize, 0..8)), 1..5,
        ),
    ) {
        let (folder, out) = place();
        let mut theirs: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for (hands, texts) in runs {
            for hand in hands {
                if let Hand::Remove(name) = hand {
                    theirs.remove(name);
                }
                if let Some(name) = act(&out, &hand) {
                    theirs.insert(name.to_owned(), fs::read(out.join(name)).unwrap());
                }
            }
            let texts: Files =
                texts.into_iter().map(|(name, version)| (NAMES[name].to_owned(), text(NAMES[name], version))).collect();
            let staged = Staged::with(&out, Edited::Keep, &texts).unwrap();
            let back: BTreeMap<String, String> = staged.read_back().unwrap().into_iter().collect();
            let done = staged.publish().unwrap();
            let after = tree(&out);
            for (name, bytes) in &theirs {
                prop_assert_eq!(after.get(name), Some(bytes), "{}", name);
            }
            let expected: Vec<&String> = texts.keys().chain(theirs.keys()).collect::<std::collections::BTreeSet<_>>().into_iter().collect();
            prop_assert_eq!(after.keys().collect::<Vec<_>>(), expected);
            for name in texts.keys() {
                prop_assert_eq!(done.kept.contains_key(name), theirs.contains_key(name), "{}", name);
                if let Some(text) = back.get(name) {
                    prop_assert_eq!(text.as_bytes(), after.get(name).unwrap().as_slice(), "what is read back is what stands there");
                }
            }
            prop_assert_eq!(done.written + done.unchanged + done.kept.len(), texts.len());
            prop_assert!(names_in(folder.path()).iter().all(|name| name == "out"));
        }
    }
}
