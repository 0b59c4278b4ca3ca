//! Feeds files to the body of a target. For the targets where no fuzzer is built in, and for the tests.

use std::path::Path;
use std::{fs, io};

/// Feeds every file in a directory to a body, in the order of their names; how many there were.
///
/// # Errors
///
/// If the directory or a file cannot be read.
pub fn directory(path: &Path, body: fn(&[u8])) -> io::Result<usize> {
    let entries = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
    let mut files: Vec<_> = entries.iter().map(fs::DirEntry::path).filter(|path| path.is_file()).collect();
    files.sort();
    files.iter().try_for_each(|file| self::file(file, body))?;
    Ok(files.len())
}

/// Feeds the files named as arguments of the process to a body.
///
/// # Errors
///
/// If a file cannot be read.
pub fn arguments(body: fn(&[u8])) -> io::Result<()> {
    std::env::args_os().skip(1).try_for_each(|argument| file(Path::new(&argument), body))
}

fn file(path: &Path, body: fn(&[u8])) -> io::Result<()> {
    let data = fs::read(path)
        .map_err(|error| io::Error::new(error.kind(), format!("cannot read {}: {error}", path.display())))?;
    body(&data);
    Ok(())
}
