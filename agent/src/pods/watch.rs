//! The watch of this node's pods at the API server. It goes on for good: lists anew where it has to, through restarts, expired versions and
//! networks that were cut.

use super::Listed;
use crate::metrics::Metrics;
use crate::seldom::Seldom;
use anyhow::Context as _;
use futures_util::StreamExt as _;
use k8s_openapi::api::core::v1::Pod as ApiPod;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};
use netwright_record::{Name, Time};
use netwright_resolve::inventory::{pod_uid, read_pod};
use netwright_service::backoff::Backoff;
use netwright_service::health::Condition;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// The longest wait after the first failure, and after many.
const BASE: Duration = Duration::from_millis(500);
const CAP: Duration = Duration::from_secs(30);
/// After so many failures in a row the connection is made anew, with certificates that are read anew.
const GIVE_UP: u32 = 10;
const SELDOM: Duration = Duration::from_secs(60);

/// What the API server says.
#[derive(Debug)]
pub enum Change {
    /// The pod is there, or has changed; received at this time.
    Applied(Box<Listed>, Time),
    /// It is no longer there.
    Deleted(Name),
    /// Just these are there.
    Listed(HashSet<Name>),
}

/// See the module.
pub struct Watch {
    node: String,
    changes: UnboundedSender<Change>,
    listed: Condition,
    metrics: Arc<Metrics>,
    seldom: Seldom,
    /// The pods of the list that is being read.
    listing: HashSet<Name>,
}

impl Watch {
    /// Watches the pods of `node`. `listed` is met when they have been read once.
    pub fn new(node: &str, changes: UnboundedSender<Change>, listed: Condition, metrics: Arc<Metrics>) -> Self {
        let seldom = Seldom::new(SELDOM);
        Self { node: node.to_owned(), changes, listed, metrics, seldom, listing: HashSet::new() }
    }

    /// Runs until nobody listens any more.
    pub async fn run(mut self) {
        let mut backoff = Backoff::new(BASE, CAP);
        while !self.changes.is_closed() {
            if let Err(error) = self.follow(&mut backoff).await {
                self.failed(&error);
                tokio::time::sleep(backoff.next_wait()).await;
            }
        }
    }

    /// Connects and follows the watch until it has failed too often.
    async fn follow(&mut self, backoff: &mut Backoff) -> anyhow::Result<()> {
        let client = Client::try_default().await.context("cannot find the API server")?;
        let only_mine = watcher::Config::default().fields(&format!("spec.nodeName={}", self.node)).any_semantic();
        let mut events = Box::pin(watcher::watcher(Api::<ApiPod>::all(client), only_mine));
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => {
                    backoff.reset();
                    self.take(event);
                }
                Err(error) if backoff.failures() >= GIVE_UP => {
                    backoff.reset();
                    return Err(error).context("cannot watch pods, and connects anew");
                }
                Err(error) => {
                    self.failed(&anyhow::Error::from(error).context("cannot watch pods"));
                    tokio::time::sleep(backoff.next_wait()).await;
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, event: Event<ApiPod>) {
        match event {
            Event::Init => self.listing.clear(),
            Event::InitApply(pod) => {
                self.listing.extend(pod_uid(&pod));
                self.apply(&pod);
            }
            Event::InitDone => {
                let listed = std::mem::take(&mut self.listing);
                self.send(Change::Listed(listed));
                self.listed.met();
            }
            Event::Apply(pod) => self.apply(&pod),
            Event::Delete(pod) => {
                // Its last state: of a pod that came and went at once, the only one there is.
                self.apply(&pod);
                pod_uid(&pod).into_iter().for_each(|uid| self.send(Change::Deleted(uid)));
            }
        }
    }

    fn apply(&self, object: &ApiPod) {
        let now = Time::now();
        match read_pod(object, now) {
            Ok(mut pod) => {
                let held = std::mem::take(&mut pod.addresses);
                let started = object.status.as_ref().and_then(|status| Some(status.start_time.as_ref()?.0));
                let addresses = held.iter().map(|held| held.ip).collect();
                self.send(Change::Applied(Box::new(Listed { pod, addresses, started }), now));
            }
            Err(fault) if self.seldom.is_due() => {
                let name = object.metadata.name.as_deref().unwrap_or_default();
                tracing::warn!(pod = %name.escape_debug(), %fault, "cannot read a pod");
            }
            Err(_) => {}
        }
    }

    fn send(&self, change: Change) {
        // Nobody listens any more: then it ends by itself.
        let _ = self.changes.send(change);
    }

    fn failed(&self, error: &anyhow::Error) {
        self.metrics.watch_failures.inc();
        // The client's errors have their causes in their own words already.
        let why = error.chain().take(2).map(ToString::to_string).collect::<Vec<_>>().join(": ");
        self.listed.unmet(why.clone());
        if self.seldom.is_due() {
            tracing::warn!(why = %why.escape_debug(), "the watch of this node's pods failed; it is tried again");
        }
    }
}
