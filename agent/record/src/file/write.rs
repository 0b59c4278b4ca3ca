//! Writes an observation: the same bytes for the same content, and never half a file where a whole one stood.

use super::{LONGEST_LINE, RecordRef};
use crate::Observation;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

const ZSTD_LEVEL: i32 = 3;

/// Writes `observation` to `path`, sorted, compressed and atomically. See [`write_atomically`].
pub fn write_path(observation: &Observation, path: &Path) -> io::Result<()> {
    write_atomically(path, |output| write(observation, output))
}

/// Writes `observation`, compressed and with a checksum. The order of the lines, and so every byte, depends on the content alone.
pub fn write(observation: &Observation, output: impl Write) -> io::Result<()> {
    let mut encoder = zstd::stream::write::Encoder::new(output, ZSTD_LEVEL)?;
    encoder.include_checksum(true)?;
    write_plain(observation, &mut encoder)?;
    encoder.finish()?.flush()
}

/// Writes `observation` as plain lines. A record too long for any reader is an error.
pub fn write_plain(observation: &Observation, output: impl Write) -> io::Result<()> {
    let mut output = BufWriter::new(output);
    let mut line = Vec::new();
    let mut records = 0;
    observation.each_record(|record| {
        records += 1;
        write_record(record, &mut line, &mut output)
    })?;
    write_record(&RecordRef::End { records }, &mut line, &mut output)?;
    output.flush()
}

/// Writes one line; `line` is scratch space.
fn write_record(record: &RecordRef, line: &mut Vec<u8>, output: &mut impl Write) -> io::Result<()> {
    line.clear();
    serde_json::to_writer(&mut *line, record)?;
    if line.len() > LONGEST_LINE {
        let start = String::from_utf8_lossy(line.get(..200).unwrap_or_default());
        let reason =
            format!("a record of {} bytes is longer than a reader takes ({LONGEST_LINE}): {start}…", line.len());
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    }
    line.push(b'\n');
    output.write_all(line)
}

/// Writes a file beside `path`, syncs it and renames it over `path`: a reader finds the old file or the whole new one.
/// On an error the file beside is removed and `path` is as it was. What is no file (a terminal, a pipe, `/dev/null`) is written to
/// directly, since it cannot be replaced.
pub fn write_atomically(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            let reason = format!("{} is a folder: name a file in it", path.display());
            return Err(io::Error::new(io::ErrorKind::IsADirectory, reason));
        }
        Ok(found) if !found.is_file() => return write(&mut OpenOptions::new().write(true).open(path)?),
        _ => {}
    }
    let (mut file, partial) = Partial::create(beside(path)?)?;
    write(&mut file)?;
    file.sync_all()?;
    // Windows renames no open file.
    drop(file);
    partial.rename(path)
}

/// A file that is removed unless it is renamed.
struct Partial {
    path: PathBuf,
    renamed: bool,
}

impl Partial {
    /// Makes it anew: what a process of the same number has left is removed, and no symbolic link is followed.
    fn create(path: PathBuf) -> io::Result<(File, Self)> {
        let create = || OpenOptions::new().write(true).create_new(true).open(&path);
        let created = match create() {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                fs::remove_file(&path).and_then(|()| create())
            }
            created => created,
        };
        match created {
            Ok(file) => Ok((file, Self { path, renamed: false })),
            Err(error) => Err(io::Error::new(error.kind(), format!("cannot create {}: {error}", path.display()))),
        }
    }

    fn rename(mut self, path: &Path) -> io::Result<()> {
        fs::rename(&self.path, path)?;
        self.renamed = true;
        sync_folder_of(path)
    }
}

/// Makes a rename outlast a power cut.
#[cfg(unix)]
fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// Elsewhere a folder cannot be synced by itself.
#[cfg(not(unix))]
fn sync_folder_of(_path: &Path) -> io::Result<()> {
    Ok(())
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.renamed {
            // An earlier error is the one to report; a file left over is named so that it is recognised.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("{} does not name a file", path.display()))
    })?;
    let mut beside = OsString::from(".");
    beside.push(name);
    beside.push(format!(".{}.partial", std::process::id()));
    Ok(path.with_file_name(beside))
}
