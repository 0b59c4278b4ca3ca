//! A download that is not complete: the bytes so far, and beside them which export they are of.
//!
//! `observation.jsonl.zst` is `.observation.jsonl.zst.pull` while it arrives, with `.observation.jsonl.zst.pull.json`. A later call finds
//! both and goes on. Only the complete, checked file gets the name that was asked for.

use super::CollectorError;
use netwright_record::collector::Export;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// Which export the bytes are of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The collector (see `Door::source`).
    pub source: String,
    /// The pod that keeps the export, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// The export.
    pub export: Export,
}

/// The bytes so far, locked against other processes.
#[derive(Debug)]
pub struct Partial {
    target: PathBuf,
    bytes: PathBuf,
    beside: PathBuf,
    file: File,
    length: u64,
}

impl Partial {
    /// Opens what there is beside `target`, or makes it.
    ///
    /// # Errors
    /// It cannot be written, or another process writes it.
    pub fn open(target: &Path) -> Result<Self, CollectorError> {
        let (bytes, beside) = (hidden(target, ".pull")?, hidden(target, ".pull.json")?);
        if target.is_dir() {
            let source = io::Error::new(io::ErrorKind::IsADirectory, "it is a folder: name a file in it");
            return Err(CollectorError::File { what: "write", path: target.into(), source });
        }
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&bytes);
        let mut file = file.map_err(failed("write", &bytes))?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => CollectorError::Busy(target.into()),
            TryLockError::Error(source) => CollectorError::File { what: "lock", path: bytes.clone(), source },
        })?;
        let length = file.seek(SeekFrom::End(0)).map_err(failed("read", &bytes))?;
        Ok(Self { target: target.into(), bytes, beside, file, length })
    }

    /// How many bytes there are.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Which export they are of, if that is known.
    pub fn origin(&self) -> Option<Origin> {
        let origin: Origin = serde_json::from_slice(&fs::read(&self.beside).ok()?).ok()?;
        (self.length <= origin.export.bytes).then_some(origin)
    }

    /// Begins anew, with bytes of another export.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn begin(&mut self, origin: &Origin) -> Result<(), CollectorError> {
        // First the bytes, then what they are of: an end between the two leaves none under a wrong name.
        self.file.set_len(0).and_then(|()| self.file.rewind()).map_err(failed("write", &self.bytes))?;
        self.length = 0;
        let text = serde_json::to_vec(origin).map_err(io::Error::other);
        text.and_then(|text| fs::write(&self.beside, text)).map_err(failed("write", &self.beside))
    }

    /// Adds what arrived.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn add(&mut self, chunk: &[u8]) -> Result<(), CollectorError> {
        self.file.write_all(chunk).map_err(failed("write", &self.bytes))?;
        self.length += chunk.len() as u64;
        Ok(())
    }

    /// Checks all bytes against what was announced, and gives them their name. What is damaged is removed.
    ///
    /// # Errors
    /// It is not what was announced, or cannot be read or renamed.
    pub fn finish(mut self, export: &Export) -> Result<(), CollectorError> {
        let found = self.digest().map_err(failed("read", &self.bytes))?;
        if found != export.sha256 {
            self.remove()?;
            return Err(CollectorError::Damaged { announced: export.sha256.clone(), found });
        }
        self.file.sync_all().map_err(failed("write", &self.bytes))?;
        // Windows renames no open file.
        drop(self.file);
        fs::rename(&self.bytes, &self.target).map_err(failed("write", &self.target))?;
        // Without bytes it means nothing.
        let _ = fs::remove_file(&self.beside);
        Ok(())
    }

    /// Removes both files.
    ///
    /// # Errors
    /// They cannot be removed.
    pub fn remove(&self) -> Result<(), CollectorError> {
        let _ = fs::remove_file(&self.beside);
        fs::remove_file(&self.bytes).map_err(failed("remove", &self.bytes))
    }

    fn digest(&mut self) -> io::Result<String> {
        self.file.rewind()?;
        let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
        loop {
            let read = self.file.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            hasher.update(buffer.get(..read).unwrap_or_default());
        }
        Ok(hasher.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
            // Memory takes all.
            let _ = write!(hex, "{byte:02x}");
            hex
        }))
    }
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CollectorError + use<> {
    let path = path.to_owned();
    move |source| CollectorError::File { what, path, source }
}

fn hidden(target: &Path, suffix: &str) -> Result<PathBuf, CollectorError> {
    let name = target.file_name().ok_or_else(|| {
        let source = io::Error::new(io::ErrorKind::InvalidInput, "it does not name a file");
        CollectorError::File { what: "write", path: target.into(), source }
    })?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(suffix);
    Ok(target.with_file_name(hidden))
}
