//! Why files could not be written. Whatever the reason: unless it says otherwise, nothing was changed.

use std::io;
use std::path::{Path, PathBuf};

/// Why files could not be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// An operation failed.
    #[error("cannot {what} {path:?}: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// To what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Something that is neither a file nor a folder as it should be.
    #[error("{path:?} is in the way: it is {what}; move it, or choose another --out; nothing was changed")]
    InTheWay {
        /// Which.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// Somebody else wrote there meanwhile.
    #[error("{path:?} was changed while the policies were being proven; run it again; nothing was changed by this run")]
    Changed {
        /// Which file.
        path: PathBuf,
    },
    /// The output is no folder.
    #[error("{path:?} is not a folder: choose another --out")]
    NotAFolder {
        /// What was given.
        path: PathBuf,
    },
    /// A name that none of our files has, or two of them.
    #[error("cannot write {name:?}: {why}; please report this; nothing was changed")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

pub(super) fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OutputError {
    move |source| OutputError::Io { what, path: path.to_owned(), source }
}
