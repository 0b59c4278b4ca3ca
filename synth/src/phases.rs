//! How long each part of a command took, in the log: what a bench breaks its figures down by, and what a person who waits
//! can look at with `RUST_LOG=netwright=info`. Nothing of it reaches an output.

use std::time::Instant;

/// Does `work` and logs how long that took under the name `phase`.
pub fn timed<T>(phase: &'static str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let done = work();
    tracing::info!(phase, seconds = start.elapsed().as_secs_f64());
    done
}
