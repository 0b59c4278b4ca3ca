//! Snapshots that wait to be read: files in a folder, of bounded number and age.

use crate::observation::observation;
use crate::store::Store;
use anyhow::Context as _;
use netwright_record::collector::Export;
use netwright_record::{Time, file};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Exports at a time: for one more, the oldest goes.
    pub number: usize,
    /// How long each is kept.
    pub age: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { number: 4, age: Duration::from_secs(3600) }
    }
}

/// The exports of this process.
#[derive(Debug)]
pub struct Exports {
    folder: PathBuf,
    limits: Limits,
    made: Mutex<BTreeMap<String, Made>>,
    /// One is made at a time: each holds all of the store's content in memory.
    making: tokio::sync::Mutex<()>,
}

#[derive(Debug, Clone)]
struct Made {
    export: Export,
    at: Instant,
}

impl Exports {
    /// Keeps them in `folder`, which is emptied: nobody knows of those of an earlier process.
    ///
    /// # Errors
    /// It cannot be emptied or made.
    pub fn new(folder: PathBuf, limits: Limits) -> anyhow::Result<Self> {
        let told = || format!("cannot make the folder {} for exports", folder.display());
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).with_context(told),
            _ => fs::create_dir_all(&folder).with_context(told)?,
        }
        Ok(Self { folder, limits, made: Mutex::default(), making: tokio::sync::Mutex::default() })
    }

    /// Makes one, of the store as it is now.
    ///
    /// # Errors
    /// The store cannot be read, or the file not be written.
    pub async fn make(&self, store: &Store, cluster: Option<String>) -> anyhow::Result<Export> {
        let _one = self.making.lock().await;
        self.forget_old(self.limits.number.saturating_sub(1));
        let mut snapshot = store.snapshot().await?;
        let observation = observation(&mut snapshot, cluster, Time::now()).await?;
        drop(snapshot);
        let id = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        let path = self.path(&id);
        let window = observation.header.window;
        let written = tokio::task::spawn_blocking(move || -> anyhow::Result<(u64, String)> {
            file::write_path(&observation, &path).with_context(|| format!("cannot write {}", path.display()))?;
            digest(&path).with_context(|| format!("cannot read {}", path.display()))
        });
        let (bytes, sha256) = written.await.context("the export was not finished")??;
        let export = Export { id: id.clone(), bytes, sha256, window };
        self.made().insert(id, Made { export: export.clone(), at: Instant::now() });
        Ok(export)
    }

    /// The export and its file.
    pub fn find(&self, id: &str) -> Option<(PathBuf, Export)> {
        self.forget_old(self.limits.number);
        self.made().get(id).map(|made| (self.path(id), made.export.clone()))
    }

    /// Ends an export. Who is reading it reads on.
    pub fn remove(&self, id: &str) -> bool {
        let known = self.made().remove(id).is_some();
        if known {
            self.remove_file(id);
        }
        known
    }

    /// Ends those that are too old, and the oldest until no more than `most` are left.
    pub fn forget_old(&self, most: usize) {
        let ended: Vec<String> = {
            let made = self.made();
            let mut by_age: Vec<(&Instant, &String)> = made.iter().map(|(id, made)| (&made.at, id)).collect();
            by_age.sort_unstable();
            let too_many = by_age.len().saturating_sub(most);
            let ended = by_age.iter().enumerate();
            ended
                .filter(|(place, (at, _))| *place < too_many || at.elapsed() > self.limits.age)
                .map(|(_, (_, id))| (*id).clone())
                .collect()
        };
        for id in ended {
            self.remove(&id);
        }
    }

    fn remove_file(&self, id: &str) {
        if let Err(error) = fs::remove_file(self.path(id)) {
            tracing::warn!(id, "an export that ended cannot be removed: {error}");
        }
    }

    fn path(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.jsonl.zst"))
    }

    fn made(&self) -> MutexGuard<'_, BTreeMap<String, Made>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Length and SHA-256 of a file.
fn digest(path: &Path) -> std::io::Result<(u64, String)> {
    let (mut file, mut hasher, mut bytes) = (fs::File::open(path)?, Sha256::new(), 0);
    let mut buffer = vec![0; 128 << 10];
    loop {
        let length = file.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        hasher.update(buffer.get(..length).unwrap_or_default());
        bytes += length as u64;
    }
    let hex = hasher.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Memory takes all.
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    Ok((bytes, hex))
}
