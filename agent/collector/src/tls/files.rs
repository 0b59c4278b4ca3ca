//! A certificate that somebody else makes and replaces: files, as a Secret that is mounted has them.

use super::{Current, certified_key};
use anyhow::Context as _;
use std::fs;
use std::path::PathBuf;

/// Two files.
#[derive(Debug)]
pub struct Files {
    /// The certificate and those between it and what agents trust.
    certificate: PathBuf,
    key: PathBuf,
    /// What was read last.
    last: Option<(String, String)>,
}

impl Files {
    /// Reads nothing yet.
    pub fn new(certificate: PathBuf, key: PathBuf) -> Self {
        Self { certificate, key, last: None }
    }

    /// Reads the files, and uses them if they have changed. Returns until when the certificate is valid where it did.
    ///
    /// # Errors
    /// A file cannot be read, or the two do not belong together (they may be about to be replaced): what was in use stays.
    pub fn refresh(&mut self, current: &Current) -> anyhow::Result<Option<i64>> {
        let read = |path: &PathBuf| fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
        let found = (read(&self.certificate)?, read(&self.key)?);
        if self.last.as_ref() == Some(&found) {
            return Ok(None);
        }
        let (key, until) = certified_key(&found.0, &found.1)
            .with_context(|| format!("cannot use {} with {}", self.certificate.display(), self.key.display()))?;
        current.set(key);
        tracing::info!(certificate = %self.certificate.display(), "uses this certificate");
        self.last = Some(found);
        Ok(Some(until))
    }
}
