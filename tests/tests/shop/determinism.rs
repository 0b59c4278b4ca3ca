//! The same content gives the same bytes, in whatever order it comes.

use crate::{Recorded, both, synth};
use netwright_record::file::write_plain;
use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

#[test]
fn writing_policies_twice_gives_the_same_bytes() {
    for it in both() {
        let first = files(&it.policies);
        let again = it.directory.join("again");
        // The second time the files are there already.
        for _ in 0..2 {
            synth(&it.file, &again);
            assert_same(&first, &files(&again));
        }
    }
}

#[test]
fn shuffling_the_lines_of_the_observation_changes_no_byte() {
    for it in both() {
        shuffled_lines_change_nothing(it);
    }
}

fn shuffled_lines_change_nothing(it: &Recorded) {
    let mut text = Vec::new();
    write_plain(&it.observation, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let (header, records) = text.split_once('\n').unwrap();
    for seed in 0..3 {
        let mut lines: Vec<&str> = records.lines().collect();
        lines.sort_by_key(|line| shuffle_key(seed, line));
        assert_ne!(lines, records.lines().collect::<Vec<_>>(), "a shuffle that leaves all in place shows nothing");
        let shuffled = it.directory.join(format!("shuffled-{seed}.jsonl"));
        fs::write(&shuffled, format!("{header}\n{}\n", lines.join("\n"))).unwrap();
        let out = it.directory.join(format!("shuffled-{seed}"));
        synth(&shuffled, &out);
        assert_same(&files(&it.policies), &files(&out));
    }
}

fn shuffle_key(seed: u64, line: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (seed, line).hash(&mut hasher);
    hasher.finish()
}

/// Every file below `directory`, by its path there.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut pending = vec![directory.to_owned()];
    while let Some(next) = pending.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => pending.push(path),
                false => {
                    let name = path.strip_prefix(directory).unwrap().to_owned();
                    found.insert(name, fs::read(&path).unwrap());
                }
            }
        }
    }
    assert!(!found.is_empty(), "{} is empty", directory.display());
    found
}

fn assert_same(one: &BTreeMap<PathBuf, Vec<u8>>, other: &BTreeMap<PathBuf, Vec<u8>>) {
    assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>(), "other files");
    for (name, bytes) in one {
        assert!(other.get(name) == Some(bytes), "{} differs", name.display());
    }
}
