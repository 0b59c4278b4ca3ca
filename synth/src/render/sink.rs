//! Where rendered files go: into memory for those who look at them, beside their destination for `netwright synth`. Several
//! threads write at once; no more than one file of each thread is in memory.

use super::{Files, RenderError};
use crate::output::{OutputError, Staged};
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

/// Takes files.
pub trait Sink: Sync {
    /// Takes a whole file.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    fn put(&self, name: &str, text: &[u8]) -> Result<(), RenderError>;

    /// Takes a file that is written in pieces.
    ///
    /// # Errors
    ///
    /// It cannot be written, or `write` fails.
    fn stream(&self, name: &str, write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>) -> Result<(), RenderError>;
}

/// In memory.
impl Sink for Mutex<Files> {
    fn put(&self, name: &str, text: &[u8]) -> Result<(), RenderError> {
        self.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), text.to_vec());
        Ok(())
    }

    fn stream(&self, name: &str, write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>) -> Result<(), RenderError> {
        let mut text = Vec::new();
        write(&mut text)?;
        self.put(name, &text)
    }
}

/// Beside their destination.
impl Sink for Staged {
    fn put(&self, name: &str, text: &[u8]) -> Result<(), RenderError> {
        Ok(self.write(name, text)?)
    }

    fn stream(&self, name: &str, write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>) -> Result<(), RenderError> {
        let mut writer = self.writer(name)?;
        write(&mut writer)?;
        Ok(writer.finish()?)
    }
}

/// Small enough to be returned by value everywhere.
impl From<OutputError> for RenderError {
    fn from(error: OutputError) -> Self {
        RenderError::Output(Box::new(error))
    }
}
