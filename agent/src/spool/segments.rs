//! Segments: one file an interval, written beside and renamed, so that what is there is whole.

use anyhow::Context as _;
use netwright_record::{Observation, file};
use std::fs;
use std::path::{Path, PathBuf};

/// The program and its version, as headers name it.
pub const WRITTEN_BY: &str = concat!("netwright-agent ", env!("CARGO_PKG_VERSION"));

/// Where the segments of a recording lie while it runs: beside the file it will become.
#[derive(Debug)]
pub struct Segments {
    directory: PathBuf,
    run: String,
    sequence: u32,
}

impl Segments {
    /// Makes the directory for the segments of `out`. One that is there from a run that died is gone on with.
    pub fn create(out: &Path, run: String) -> anyhow::Result<Self> {
        let directory = directory(out)?;
        fs::create_dir_all(&directory)
            .with_context(|| format!("cannot make the folder {} for segments", directory.display()))?;
        Ok(Self { directory, run, sequence: 0 })
    }

    /// Writes one segment. On an error (a full disk) nothing of it is left, and the same segment may be written again.
    pub fn write(&mut self, segment: &Observation) -> anyhow::Result<()> {
        let path = self.directory.join(format!("{}-{:08}.jsonl.zst", self.run, self.sequence));
        file::write_path(segment, &path).with_context(|| format!("cannot write the segment {}", path.display()))?;
        self.sequence += 1;
        Ok(())
    }

    /// Where they lie.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

/// The folder for the segments of `out`: its name and `.segments`.
pub fn directory(out: &Path) -> anyhow::Result<PathBuf> {
    let mut name = out.file_name().with_context(|| format!("{} does not name a file", out.display()))?.to_owned();
    name.push(".segments");
    Ok(out.with_file_name(name))
}

/// The segments in a folder, oldest run first. Files that were being written when a run died are passed over: their content is in no segment.
pub fn list(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read the folder {}", directory.display()))?;
    let mut paths: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.ends_with(".jsonl.zst") && !name.starts_with('.')
        })
        .collect();
    paths.sort();
    Ok(paths)
}
