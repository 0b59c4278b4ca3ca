//! The spool from the event loop: each piece of work with the disk is done on a thread of its own, one at a time, so that a slow disk
//! holds up neither the recording nor the probes of the kubelet.

use super::store::Spool;
use anyhow::Context as _;
use std::sync::Arc;
use tokio::sync::Mutex;

/// A handle to the one spool; clones are handles to the same.
#[derive(Debug, Clone)]
pub struct Disk {
    spool: Arc<Mutex<Spool>>,
}

impl Disk {
    /// Wraps the spool.
    pub fn new(spool: Spool) -> Self {
        Self { spool: Arc::new(Mutex::new(spool)) }
    }

    /// Does something with the spool, after what was asked for before.
    ///
    /// # Errors
    /// The work panicked, or the runtime is shutting down.
    pub async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Spool) -> T + Send + 'static,
    ) -> anyhow::Result<T> {
        let mut spool = self.spool.clone().lock_owned().await;
        tokio::task::spawn_blocking(move || work(&mut spool)).await.context("work on the spool was cut off")
    }
}
