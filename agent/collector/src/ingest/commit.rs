//! Group commit: segments that arrive while a transaction is being committed share the next one, and its wait for the disk.

use super::refusal::Refusal;
use crate::metrics::Metrics;
use crate::store::{Acceptance, Arrival, Store};
use tokio::sync::{mpsc, oneshot};

/// Segments of one transaction.
const MOST: usize = 256;
/// Bytes of one transaction, by which the merge does not wait long for its turn.
const MOST_BYTES: usize = 16 << 20;

/// Hands segments to the one that commits them.
#[derive(Debug, Clone)]
pub(super) struct Committer {
    jobs: mpsc::Sender<Job>,
}

#[derive(Debug)]
struct Job {
    arrival: Arrival,
    answer: oneshot::Sender<Result<Acceptance, Refusal>>,
}

impl Committer {
    /// Begins. The task ends when all handles are gone and what they handed over is committed.
    pub(super) fn start(store: Store, metrics: Metrics) -> (Self, tokio::task::JoinHandle<()>) {
        let (jobs, queue) = mpsc::channel(MOST);
        (Self { jobs }, tokio::spawn(commit_all(store, metrics, queue)))
    }

    /// Returns when `arrival` is on the disk, or is not.
    pub(super) async fn commit(&self, arrival: Arrival) -> Result<Acceptance, Refusal> {
        let (answer, answered) = oneshot::channel();
        self.jobs.send(Job { arrival, answer }).await.map_err(|_| Refusal::StoreFailed)?;
        answered.await.map_err(|_| Refusal::StoreFailed)?
    }
}

async fn commit_all(store: Store, metrics: Metrics, mut queue: mpsc::Receiver<Job>) {
    while let Some(first) = queue.recv().await {
        let mut bytes = first.arrival.bytes.len();
        let (mut arrivals, mut answers) = (vec![first.arrival], vec![first.answer]);
        while arrivals.len() < MOST && bytes < MOST_BYTES {
            let Ok(job) = queue.try_recv() else { break };
            bytes += job.arrival.bytes.len();
            arrivals.push(job.arrival);
            answers.push(job.answer);
        }
        match store.accept(&arrivals).await {
            Ok(accepted) => {
                for (answer, acceptance) in answers.into_iter().zip(accepted) {
                    // Whoever asked may be gone; it will send it again and be told that it is known.
                    let _ = answer.send(Ok(acceptance));
                }
            }
            Err(error) => {
                metrics.store_errors.inc();
                tracing::error!(segments = arrivals.len(), "{error}");
                for answer in answers {
                    let _ = answer.send(Err(Refusal::StoreFailed));
                }
            }
        }
    }
}
