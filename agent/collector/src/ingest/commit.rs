//! Writes segments together: a commit waits for the disk, and those that arrive meanwhile share the next.

use crate::store::{Acceptance, Arrival, Store};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// How many segments a commit takes at most.
const TOGETHER: usize = 256;
/// How many may wait for a commit.
const QUEUE: usize = 1024;
/// How often the load of the inbox is asked for.
const LOAD: Duration = Duration::from_secs(2);

type Answer = Result<Acceptance, String>;

/// Hands segments to be written.
#[derive(Clone)]
pub struct Committer {
    queue: mpsc::Sender<(Arrival, oneshot::Sender<Answer>)>,
    /// Bytes in the inbox.
    load: Arc<AtomicU64>,
    most_bytes: u64,
}

impl Committer {
    /// Returns once the segment is on the disk, or was before.
    ///
    /// # Errors
    /// It cannot be taken now, for the reason given: the agent keeps it and comes again.
    pub async fn commit(&self, arrival: Arrival) -> Answer {
        if self.load.load(Ordering::Relaxed) > self.most_bytes {
            return Err("the inbox is full: segments arrive faster than they are merged".to_owned());
        }
        let (answer, answered) = oneshot::channel();
        if self.queue.try_send((arrival, answer)).is_err() {
            return Err("too many segments wait to be written".to_owned());
        }
        answered.await.unwrap_or_else(|_| Err("the collector is stopping".to_owned()))
    }
}

/// Starts the task that writes. It ends when the last [`Committer`] is gone. The inbox takes no more while it holds `most_bytes`.
pub fn committer(store: Store, most_bytes: u64) -> (Committer, JoinHandle<()>) {
    let (queue, waiting) = mpsc::channel(QUEUE);
    let load = Arc::new(AtomicU64::new(0));
    let task = tokio::spawn(write(store, waiting, load.clone()));
    (Committer { queue, load, most_bytes }, task)
}

async fn write(store: Store, mut waiting: mpsc::Receiver<(Arrival, oneshot::Sender<Answer>)>, load: Arc<AtomicU64>) {
    let mut asked: Option<Instant> = None;
    let mut together = Vec::with_capacity(TOGETHER);
    while waiting.recv_many(&mut together, TOGETHER).await > 0 {
        if asked.is_none_or(|asked| asked.elapsed() > LOAD) {
            if let Ok(found) = store.inbox_load().await {
                load.store(found.bytes, Ordering::Relaxed);
            }
            asked = Some(Instant::now());
        }
        let (arrivals, answers): (Vec<Arrival>, Vec<_>) = together.drain(..).unzip();
        let written = store.accept(&arrivals).await;
        if let Err(error) = &written {
            tracing::error!(segments = arrivals.len(), "segments were not taken in: {error}");
        }
        for (index, answer) in answers.into_iter().enumerate() {
            let one = match &written {
                Ok(accepted) => accepted.get(index).copied().ok_or_else(|| "it was not written".to_owned()),
                Err(_) => Err("the store cannot take it at the moment".to_owned()),
            };
            // An agent that has gone asks again.
            let _ = answer.send(one);
        }
    }
}
