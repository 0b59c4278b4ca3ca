//! Snapshots as files: few, and not for long.

use anyhow::Context as _;
use netwright_record::collector::Export;
use netwright_record::{Time, Window};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many are kept.
const MOST: usize = 4;
/// For how long.
const KEPT: Duration = Duration::from_secs(3600);

struct Kept {
    export: Export,
    path: PathBuf,
    since: Instant,
}

/// The snapshots of this process.
pub struct Exports {
    folder: PathBuf,
    kept: Mutex<Vec<Kept>>,
}

impl Exports {
    /// Keeps them in `folder`. What an earlier process left there is removed: nobody knows it any more.
    ///
    /// # Errors
    /// The folder cannot be made or emptied.
    pub fn new(folder: &Path) -> anyhow::Result<Self> {
        let context = || format!("the folder for snapshots, {}", folder.display());
        if folder.exists() {
            fs::remove_dir_all(folder).with_context(context)?;
        }
        fs::create_dir_all(folder).with_context(context)?;
        Ok(Self { folder: folder.to_owned(), kept: Mutex::default() })
    }

    /// Has `write` write a snapshot of `window`, and keeps it.
    pub(super) fn add(&self, window: Window, write: impl FnOnce(&Path) -> io::Result<()>) -> anyhow::Result<Export> {
        self.forget_old();
        let path = self.folder.join("making");
        write(&path).with_context(|| format!("cannot write {}", path.display()))?;
        let (bytes, sha256) = digest(&path)?;
        let id = format!("{}-{}", Time::now().as_millisecond(), sha256.get(..16).unwrap_or_default());
        let named = self.folder.join(&id);
        fs::rename(&path, &named)?;
        let export = Export { id, bytes, sha256, window };
        let kept = Kept { export: export.clone(), path: named, since: Instant::now() };
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
        Ok(export)
    }

    /// Path and length of one.
    pub(super) fn find(&self, id: &str) -> Option<(PathBuf, u64)> {
        self.forget_old();
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|kept| kept.export.id == id).map(|kept| (kept.path.clone(), kept.export.bytes))
    }

    /// Removes one. Returns whether there was one.
    pub(super) fn remove(&self, id: &str) -> bool {
        self.forget(|kept| kept.export.id == id) > 0
    }

    fn forget_old(&self) {
        self.forget(|kept| kept.since.elapsed() > KEPT);
        let too_many = {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            let excess = kept.len().saturating_sub(MOST - 1);
            kept.iter().take(excess).map(|kept| kept.export.id.clone()).collect::<Vec<_>>()
        };
        self.forget(|kept| too_many.contains(&kept.export.id));
    }

    fn forget(&self, which: impl Fn(&Kept) -> bool) -> usize {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let gone: Vec<Kept> = kept.extract_if(.., |kept| which(kept)).collect();
        for gone in &gone {
            // Who is reading it goes on to the end.
            let _ = fs::remove_file(&gone.path);
        }
        gone.len()
    }
}

/// Opens a file at some byte.
pub(super) fn open(path: &Path, from: u64) -> io::Result<File> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    Ok(file)
}

fn digest(path: &Path) -> anyhow::Result<(u64, String)> {
    let (mut file, mut hasher, mut bytes) = (File::open(path)?, Sha256::new(), 0u64);
    let mut chunk = vec![0; 128 << 10];
    loop {
        let read = file.read(&mut chunk)?;
        if read == 0 {
            break;
        }
        bytes += u64::try_from(read).unwrap_or(0);
        hasher.update(chunk.get(..read).unwrap_or_default());
    }
    let hexadecimal = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((bytes, hexadecimal))
}
