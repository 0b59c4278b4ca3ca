//! Signals that ask a program to end. The kubelet sends SIGTERM, a terminal SIGINT.

use std::io;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that is cancelled by the first SIGTERM or SIGINT. Call it within a runtime, before anything is worth ending well.
///
/// # Errors
/// The handlers cannot be installed.
pub fn on_signals() -> io::Result<CancellationToken> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!(signal = name, "told to stop");
        cancelled.cancel();
    });
    Ok(token)
}
