//! Takes in what the API server and the kernel say of pods, and gives segments what they have to tell.

use super::known::Pods;
use super::tree::Happened;
use super::watch::Change;
use crate::clock::Clock;
use crate::recorder::Recorder;
use netwright_record::Name;
use netwright_record::inventory::Pod;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedReceiver;

/// How often all pods are told, changed or not.
const ALL: Duration = Duration::from_secs(600);
/// How long after its end nothing of a pod is left to drain: an attempt waits ten seconds for its answer, and is read an interval later.
const OVER: Duration = Duration::from_secs(180);

/// See the module.
#[derive(Debug)]
pub struct Feed {
    node: Name,
    pods: Pods,
    tree: mpsc::Receiver<Happened>,
    changes: UnboundedReceiver<Change>,
    /// When all were told.
    told: Option<Instant>,
    /// Pods whose cgroups are gone, and since when.
    departed: VecDeque<(Instant, Name)>,
    notes: Vec<String>,
}

impl Feed {
    /// Feeds on these two for `node`.
    pub fn new(node: Name, tree: mpsc::Receiver<Happened>, changes: UnboundedReceiver<Change>) -> Self {
        let (told, departed, notes) = (None, VecDeque::new(), Vec::new());
        Self { node, pods: Pods::default(), tree, changes, told, departed, notes }
    }

    /// Takes in what has come since the last call. Cheap when there is nothing.
    pub fn poll(&mut self, recorder: &mut Recorder) {
        while let Ok(happened) = self.tree.try_recv() {
            self.take_in(happened, recorder);
        }
        while let Ok(change) = self.changes.try_recv() {
            match change {
                Change::Applied(listed, at) => self.pods.apply(*listed, at),
                Change::Deleted(uid) => self.pods.delete(&uid),
                Change::Listed(uids) => self.pods.relist(&uids),
            }
        }
        for (uid, address) in recorder.take_addresses() {
            self.pods.learned(&uid, address);
        }
    }

    /// What the next segment has to tell: pods that have changed; all of them in the first segment of a run and now and then.
    pub fn due(&mut self) -> Vec<Pod> {
        let all = self.told.is_none_or(|told| told.elapsed() >= ALL);
        if all {
            self.told = Some(Instant::now());
        }
        self.pods.take(all, Clock::read().now())
    }

    /// The segments that told of these will never arrive. (What a node of another name has left in the spool is nothing to tell here.)
    pub fn again(&mut self, mut pods: Vec<Pod>) {
        pods.retain(|pod| pod.node.as_ref() == Some(&self.node));
        self.pods.again(pods);
    }

    /// The pods, to be told what became of segments.
    pub fn pods(&mut self) -> &mut Pods {
        &mut self.pods
    }

    /// Degradations in force, in words.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Has the recorder forget the pods that have been gone for long.
    pub fn forget_departed(&mut self, recorder: &mut Recorder) {
        let mut over = HashSet::new();
        while self.departed.front().is_some_and(|(since, _)| since.elapsed() >= OVER) {
            over.extend(self.departed.pop_front().map(|(_, uid)| uid));
        }
        over.retain(|uid| !self.pods.is_running(uid));
        if !over.is_empty() {
            recorder.forget(&over, &self.pods.held());
        }
    }

    fn take_in(&mut self, happened: Happened, recorder: &Recorder) {
        match happened {
            Happened::Made { uid, container, at } => self.pods.made(&uid, container, Some(at)),
            Happened::Removed { uid, container, at } => {
                self.pods.removed(&uid, &container, at);
                self.depart(uid);
            }
            Happened::PodRemoved { uid, at } => {
                self.pods.pod_removed(&uid, at);
                self.depart(uid);
            }
            Happened::Look { present, since, at } => {
                // Nobody has looked before: processes say since when.
                let started = if since.is_none() { recorder.pods_started() } else { HashMap::new() };
                self.pods.look(&present, |uid| since.or_else(|| started.get(uid).copied()), at);
            }
            Happened::Scanning(why) => {
                tracing::warn!(why, "the cgroups of pods are read again and again, since they cannot be watched");
                self.notes.push(format!("when pods come and go is known to half a second only: {why}"));
            }
        }
    }

    fn depart(&mut self, uid: Name) {
        if !self.pods.is_running(&uid) {
            self.departed.push_back((Instant::now(), uid));
        }
    }
}
