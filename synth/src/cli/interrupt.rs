//! Ctrl-C and SIGTERM during what takes long or makes files: stop, so that nothing half done is left behind.

use crate::replay::Interrupted;
use crate::synthesis::SynthesisError;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a shell reports for a command that Ctrl-C ended.
pub const EXIT_CODE: u8 = 130;

static ASKED: AtomicBool = AtomicBool::new(false);
static HANDLER: Once = Once::new();

/// From now on the first request to stop is what [`asked`] reports, and the second one ends the process at once.
pub fn watch() {
    HANDLER.call_once(|| {
        let stop = || {
            if ASKED.swap(true, Ordering::Relaxed) {
                std::process::exit(EXIT_CODE.into());
            }
        };
        if let Err(error) = ctrlc::set_handler(stop) {
            tracing::warn!(%error, "cannot watch for Ctrl-C: an interruption may leave something half done");
        }
    });
}

/// An error if someone asked to stop since [`watch`].
pub fn asked() -> Result<(), Interrupted> {
    if ASKED.load(Ordering::Relaxed) { Err(Interrupted) } else { Ok(()) }
}

/// Whether `error` is that someone asked to stop.
pub fn is_cause(error: &anyhow::Error) -> bool {
    error.is::<Interrupted>() || matches!(error.downcast_ref(), Some(SynthesisError::Interrupted(_)))
}
