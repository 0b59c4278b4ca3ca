//! What changed, in a form that can be written down and read again.

use super::{Kept, Key, Live, pods, services};
use crate::inventory::workloads::Declared;
use netwright_record::inventory::{ApiExtension, CronJob, Namespace, Node, Policy, WorkloadRef};
use netwright_record::{Name, Time};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};

/// The kinds of objects that are kept, by the names they are written down under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Namespaces.
    Namespace,
    /// Nodes.
    Node,
    /// Pods, by UID.
    Pod,
    /// Services with their backends.
    Service,
    /// EndpointSlices: part of their Services, and not written down by themselves.
    EndpointSlice,
    /// Deployments, StatefulSets, DaemonSets and the pod templates of CronJobs.
    Workload,
    /// CronJobs.
    CronJob,
    /// ReplicaSets and their controllers.
    ReplicaSet,
    /// Jobs and their controllers.
    Job,
    /// NetworkPolicies.
    NetworkPolicy,
    /// Webhook configurations and APIServices.
    Extension,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 11] = [
        Kind::Namespace,
        Kind::Node,
        Kind::Pod,
        Kind::Service,
        Kind::EndpointSlice,
        Kind::Workload,
        Kind::CronJob,
        Kind::ReplicaSet,
        Kind::Job,
        Kind::NetworkPolicy,
        Kind::Extension,
    ];

    /// The name it is written down under.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Namespace => "Namespace",
            Kind::Node => "Node",
            Kind::Pod => "Pod",
            Kind::Service => "Service",
            Kind::EndpointSlice => "EndpointSlice",
            Kind::Workload => "Workload",
            Kind::CronJob => "CronJob",
            Kind::ReplicaSet => "ReplicaSet",
            Kind::Job => "Job",
            Kind::NetworkPolicy => "NetworkPolicy",
            Kind::Extension => "Extension",
        }
    }
}

/// One object that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// [`Kind::as_str`].
    pub kind: String,
    /// The namespace; empty for what has none and for pods; the kind of an extension.
    pub namespace: Name,
    /// The name; a pod's UID; `Deployment/cart` for a workload.
    pub name: Name,
    /// What is known of it, as JSON; absent once it is forgotten.
    pub body: Option<String>,
    /// Since when it is gone.
    pub gone: Option<Time>,
}

/// What was written down cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// An unknown kind: a later version wrote it.
    #[error("stored object of unknown kind {0:?}: a later version wrote it")]
    Kind(String),
    /// The content is not what the kind has.
    #[error("stored {kind} {name:?}: {why}")]
    Body {
        /// The kind.
        kind: String,
        /// The name.
        name: String,
        /// What is wrong.
        why: serde_json::Error,
    },
}

impl Live {
    /// What changed and was not taken yet, each object once; at most so many. What is left comes with the next calls.
    pub fn take_changes(&mut self, most: usize) -> Vec<Change> {
        // Owners that came late change what is written of a pod.
        self.view();
        let mut left = most;
        let within = |_: &(Kind, Key)| {
            let taken = left > 0;
            left = left.saturating_sub(1);
            taken
        };
        let changed: Vec<(Kind, Key)> = self.changed.extract_if(within).collect();
        changed
            .into_iter()
            .filter(|(kind, _)| *kind != Kind::EndpointSlice)
            .map(|(kind, key)| self.change(kind, key))
            .collect()
    }

    /// Says that `changes` could not be written down after all: they come again with the next call.
    pub fn put_back(&mut self, changes: &[Change]) {
        for change in changes {
            if let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.as_str() == change.kind) {
                self.changed.insert((kind, (change.namespace.clone(), change.name.clone())));
            }
        }
    }

    /// Puts back one object that was written down.
    ///
    /// # Errors
    ///
    /// It cannot be read. The others may be restored all the same.
    pub fn restore(
        &mut self,
        kind: &str,
        namespace: &str,
        name: &str,
        body: &str,
        gone: Option<Time>,
    ) -> Result<(), RestoreError> {
        let found = Kind::ALL.into_iter().find(|known| known.as_str() == kind);
        let Some(known) = found else { return Err(RestoreError::Kind(kind.to_owned())) };
        let key: Key = (namespace.into(), name.into());
        self.restore_known(known, key, body, gone).map_err(|why| RestoreError::Body {
            kind: kind.to_owned(),
            name: name.to_owned(),
            why,
        })
    }

    fn restore_known(&mut self, kind: Kind, key: Key, body: &str, gone: Option<Time>) -> serde_json::Result<()> {
        match kind {
            Kind::Namespace => _ = self.namespaces.insert(key.1, read::<Namespace>(body, gone)?),
            Kind::Node => {
                self.nodes.insert(key.1, read::<Node>(body, gone)?);
                self.stale_nodes = true;
            }
            Kind::Pod => {
                self.pods.restore(&mut self.view.pods, serde_json::from_str::<pods::Written>(body)?);
                self.stale_nodes = true;
            }
            Kind::Service => self.services.restore(key, serde_json::from_str::<services::Written>(body)?),
            Kind::EndpointSlice => {}
            Kind::Workload => _ = self.declared.insert(workload_name(&key), read::<Declared>(body, gone)?),
            Kind::CronJob => {
                self.owners.note("CronJob", &key.0, &key.1, None);
                self.cron_jobs.insert(key, read::<CronJob>(body, gone)?);
            }
            Kind::ReplicaSet | Kind::Job => {
                let owner = serde_json::from_str::<Option<(Name, Name)>>(body)?;
                self.own(kind, &key, owner, gone);
            }
            Kind::NetworkPolicy => _ = self.policies.insert(key, read::<Policy>(body, gone)?),
            Kind::Extension => _ = self.extensions.insert(key, read::<BTreeSet<ApiExtension>>(body, gone)?),
        }
        Ok(())
    }

    fn change(&self, kind: Kind, key: Key) -> Change {
        let found = match kind {
            Kind::Namespace => written(&self.namespaces, &key.1),
            Kind::Node => written(&self.nodes, &key.1),
            Kind::Pod => json(self.pods.written(&self.view.pods, &key.1)),
            Kind::Service => json(self.services.written(&key)),
            Kind::EndpointSlice => None,
            Kind::Workload => written(&self.declared, &workload_name(&key)),
            Kind::CronJob => written(&self.cron_jobs, &key),
            Kind::ReplicaSet | Kind::Job => written(&self.controlled, &(kind, key.clone())),
            Kind::NetworkPolicy => written(&self.policies, &key),
            Kind::Extension => written(&self.extensions, &key),
        };
        let (body, gone) = found.map_or((None, None), |(body, gone)| (Some(body), gone));
        Change { kind: kind.as_str().to_owned(), namespace: key.0, name: key.1, body, gone }
    }

    /// The keys of all objects of a kind that are there.
    pub(super) fn present(&self, kind: Kind) -> Vec<Key> {
        let nameless = |name: &Name| (Name::from(""), name.clone());
        match kind {
            Kind::Namespace => there(&self.namespaces).map(nameless).collect(),
            Kind::Node => there(&self.nodes).map(nameless).collect(),
            Kind::Pod => self.pods.present(&self.view.pods).map(nameless).collect(),
            Kind::Service => self.services.present().cloned().collect(),
            Kind::EndpointSlice => self.services.present_slices().cloned().collect(),
            Kind::Workload => there(&self.declared).filter(|name| name.kind != "CronJob").map(workload_key).collect(),
            Kind::CronJob => there(&self.cron_jobs).cloned().collect(),
            Kind::ReplicaSet | Kind::Job => {
                there(&self.controlled).filter(|(found, _)| *found == kind).map(|(_, key)| key.clone()).collect()
            }
            Kind::NetworkPolicy => there(&self.policies).cloned().collect(),
            Kind::Extension => there(&self.extensions).cloned().collect(),
        }
    }

    pub(super) fn delete_key(&mut self, kind: Kind, key: &Key, now: Time) {
        let was_there = match kind {
            Kind::Namespace => end(&mut self.namespaces, &key.1, now),
            Kind::Node => end(&mut self.nodes, &key.1, now),
            Kind::Pod => self.pods.delete(&mut self.view.pods, &key.1, now),
            Kind::Service => self.services.delete(key, now),
            Kind::EndpointSlice => {
                let service = self.services.delete_slice(key, now);
                self.changed.extend(service.map(|service| (Kind::Service, service)));
                return;
            }
            Kind::Workload => end(&mut self.declared, &workload_name(key), now),
            Kind::CronJob => {
                let template = (key.0.clone(), Name::from(format!("CronJob/{}", key.1)));
                self.delete_key(Kind::Workload, &template, now);
                end(&mut self.cron_jobs, key, now)
            }
            Kind::ReplicaSet | Kind::Job => end(&mut self.controlled, &(kind, key.clone()), now),
            Kind::NetworkPolicy => end(&mut self.policies, key, now),
            Kind::Extension => end(&mut self.extensions, key, now),
        };
        if was_there {
            self.changed.insert((kind, key.clone()));
        }
    }

    /// What has been gone since before `time`, but for pods and Services.
    pub(super) fn gone_before(&self, time: Time) -> Vec<(Kind, Key)> {
        let nameless = |name: &Name| (Name::from(""), name.clone());
        let mut gone: Vec<(Kind, Key)> = Vec::new();
        gone.extend(old(&self.namespaces, time).map(|name| (Kind::Namespace, nameless(name))));
        gone.extend(old(&self.nodes, time).map(|name| (Kind::Node, nameless(name))));
        gone.extend(old(&self.declared, time).map(|name| (Kind::Workload, workload_key(name))));
        gone.extend(old(&self.cron_jobs, time).map(|key| (Kind::CronJob, key.clone())));
        gone.extend(old(&self.controlled, time).cloned());
        gone.extend(old(&self.policies, time).map(|key| (Kind::NetworkPolicy, key.clone())));
        gone.extend(old(&self.extensions, time).map(|key| (Kind::Extension, key.clone())));
        gone
    }

    /// Forgets one object that is gone.
    pub(super) fn forget(&mut self, kind: Kind, key: &Key) {
        match kind {
            Kind::Namespace => _ = self.namespaces.remove(&key.1),
            Kind::Node => {
                self.nodes.remove(&key.1);
                self.stale_nodes = true;
            }
            Kind::Workload => _ = self.declared.remove(&workload_name(key)),
            Kind::CronJob => {
                self.owners.forget(kind.as_str(), &key.0, &key.1);
                self.cron_jobs.remove(key);
            }
            Kind::ReplicaSet | Kind::Job => {
                self.owners.forget(kind.as_str(), &key.0, &key.1);
                self.controlled.remove(&(kind, key.clone()));
            }
            Kind::NetworkPolicy => _ = self.policies.remove(key),
            Kind::Extension => _ = self.extensions.remove(key),
            Kind::Pod | Kind::Service | Kind::EndpointSlice => {}
        }
    }
}

fn read<T: DeserializeOwned>(body: &str, gone: Option<Time>) -> serde_json::Result<Kept<T>> {
    Ok(Kept { record: serde_json::from_str(body)?, gone })
}

fn written<K: Ord, T: Serialize>(all: &BTreeMap<K, Kept<T>>, key: &K) -> Option<(String, Option<Time>)> {
    let kept = all.get(key)?;
    Some((serde_json::to_string(&kept.record).ok()?, kept.gone))
}

fn json<T: Serialize>(found: Option<(T, Option<Time>)>) -> Option<(String, Option<Time>)> {
    let (written, gone) = found?;
    Some((serde_json::to_string(&written).ok()?, gone))
}

fn there<K, T>(all: &BTreeMap<K, Kept<T>>) -> impl Iterator<Item = &K> {
    all.iter().filter(|(_, kept)| kept.gone.is_none()).map(|(key, _)| key)
}

fn old<K, T>(all: &BTreeMap<K, Kept<T>>, time: Time) -> impl Iterator<Item = &K> {
    all.iter().filter(move |(_, kept)| kept.gone.is_some_and(|gone| gone < time)).map(|(key, _)| key)
}

/// Ends what is there. Returns whether it was.
fn end<K: Ord, T>(all: &mut BTreeMap<K, Kept<T>>, key: &K, now: Time) -> bool {
    let Some(kept) = all.get_mut(key).filter(|kept| kept.gone.is_none()) else { return false };
    kept.gone = Some(now);
    true
}

fn workload_key(name: &WorkloadRef) -> Key {
    (name.namespace.clone(), format!("{}/{}", name.kind, name.name).into())
}

fn workload_name(key: &Key) -> WorkloadRef {
    let (kind, name) = key.1.split_once('/').unwrap_or_default();
    WorkloadRef { namespace: key.0.clone(), kind: kind.into(), name: name.into() }
}
