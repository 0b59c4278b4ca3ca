//! A file stands whole under its name, or not at all.

use crate::sample::{empty, read_bytes, sample};
use netwright_record::file::{LONGEST_LINE, read_path, write_atomically, write_path, write_plain};
use netwright_record::inventory::Namespace;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn full_disk(file: &mut fs::File) -> io::Result<()> {
    file.write_all(b"half")?;
    Err(io::Error::new(io::ErrorKind::StorageFull, "no space left"))
}

#[test]
fn the_file_is_there_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("observation");
    write_path(&empty(), &path).unwrap();
    write_path(&sample(), &path).unwrap();
    assert_eq!(names(folder.path()), ["observation"]);
    assert_eq!(read_path(&path).unwrap(), (sample(), Vec::new()));
}

#[test]
fn an_error_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    assert_eq!(write_atomically(&path, full_disk).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert!(names(folder.path()).is_empty());
    fs::write(&path, "old").unwrap();
    assert_eq!(write_atomically(&path, full_disk).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(names(folder.path()), ["file"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
}

#[test]
fn so_does_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, "old").unwrap();
    let panicked = std::panic::catch_unwind(|| write_atomically(&path, |_| panic!("on purpose")));
    assert!(panicked.is_err());
    assert_eq!(names(folder.path()), ["file"]);
}

#[test]
fn what_a_process_of_the_same_number_left_is_no_obstacle_and_no_trap() {
    let folder = tempfile::tempdir().unwrap();
    let victim = folder.path().join("victim");
    fs::write(&victim, "untouched").unwrap();
    let path = folder.path().join("file");
    let partial = folder.path().join(format!(".file.{}.partial", std::process::id()));
    #[cfg(unix)]
    std::os::unix::fs::symlink(&victim, &partial).unwrap();
    #[cfg(not(unix))]
    fs::write(&partial, "left over").unwrap();
    write_atomically(&path, |file| file.write_all(b"new")).unwrap();
    assert_eq!(names(folder.path()), ["file", "victim"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    // Below a file or in no folder nobody can write, root included.
    for parent in [file, folder.path().join("missing")] {
        let error = write_path(&sample(), &parent.join("observation")).unwrap_err();
        let message = error.to_string();
        assert!(message.starts_with("cannot create ") && message.contains(parent.to_str().unwrap()), "{message}");
    }
    let error = write_path(&sample(), folder.path()).unwrap_err();
    assert!(error.to_string().ends_with("is a folder: name a file in it"), "{error}");
    assert!(write_path(&sample(), Path::new("/")).is_err());
    assert!(write_path(&sample(), Path::new("")).is_err());
    assert_eq!(names(folder.path()), ["file"]);
}

#[cfg(unix)]
#[test]
fn a_device_is_written_to_and_stays_one() {
    use std::os::unix::fs::FileTypeExt;
    // A link, so that a mistake costs no real device.
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("null");
    std::os::unix::fs::symlink("/dev/null", &link).unwrap();
    write_path(&sample(), &link).unwrap();
    assert!(fs::metadata(&link).unwrap().file_type().is_char_device());
    assert_eq!(names(folder.path()), ["null"]);
}

#[test]
fn a_record_that_no_reader_takes_is_not_written() {
    let mut observation = empty();
    let overhead = r#"{"record":"namespace","name":"","labels":{}}"#.len();
    observation.inventory.namespaces =
        vec![Namespace { name: "a".repeat(LONGEST_LINE - overhead).into(), labels: Default::default() }];
    let mut text = Vec::new();
    write_plain(&observation, &mut text).unwrap();
    assert_eq!(read_bytes(text).unwrap().0, observation);
    observation.inventory.namespaces[0].name = "a".repeat(LONGEST_LINE - overhead + 1).into();
    let error = write_plain(&observation, io::sink()).unwrap_err();
    assert!(error.to_string().contains("longer than a reader takes"), "{error}");
    assert!(error.to_string().len() < 500);
}
