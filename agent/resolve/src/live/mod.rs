//! The inventory of a cluster as it changes: what a watch of the API server and the agents on the nodes say, kept in the form that
//! flows are resolved against.
//!
//! Objects are turned into records as they arrive and not kept. What is gone stays for as long as flows of its time may still
//! come in ([`Live::prune`]). The collector owns the one [`Live`] of a cluster, writes down what changed ([`Live::take_changes`])
//! and reads it back after a restart ([`Live::restore`]).
//!
//! Pure like the rest of the crate: whoever calls passes the time in.

mod changes;
mod object;
mod pods;
mod services;

pub use changes::{Change, Kind, RestoreError};
pub use object::Object;

use crate::inventory::owners::{Owners, controller};
use crate::inventory::workloads::{self, Declared};
use crate::inventory::{Fault, extensions, nodes};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use netwright_record::inventory::{ApiExtension, CronJob, Inventory, Namespace, Node, Pod, Policy, WorkloadRef};
use netwright_record::{Name, Time};
use pods::Pods;
use services::Services;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;

/// What tells one object of a kind from another: namespace and name; for a pod its UID in place of the name.
pub type Key = (Name, Name);

/// Kind and name of what controls an object, if something does.
type Controller = Option<(Name, Name)>;

/// A record, and since when it is gone.
#[derive(Debug, Clone)]
struct Kept<T> {
    record: T,
    gone: Option<Time>,
}

/// The inventory of a cluster as it changes.
#[derive(Debug, Default)]
pub struct Live {
    owners: Owners,
    pods: Pods,
    services: Services,
    nodes: BTreeMap<Name, Kept<Node>>,
    namespaces: BTreeMap<Name, Kept<Namespace>>,
    declared: BTreeMap<WorkloadRef, Kept<Declared>>,
    /// ReplicaSets and Jobs, with their controllers.
    controlled: BTreeMap<(Kind, Key), Kept<Controller>>,
    cron_jobs: BTreeMap<Key, Kept<CronJob>>,
    policies: BTreeMap<Key, Kept<Policy>>,
    extensions: BTreeMap<(Name, Name), Kept<BTreeSet<ApiExtension>>>,
    /// Pods, Services and nodes, as flows are resolved against them.
    view: Inventory,
    /// Whether the nodes of the view have to be made anew.
    stale_nodes: bool,
    changed: HashSet<(Kind, Key)>,
}

impl Live {
    /// Takes in an object that is there, or has changed. A pod that is over, but does not say since when, is over `now`.
    ///
    /// # Errors
    ///
    /// A field of it is not what the API says; what was known of it before stays.
    pub fn apply(&mut self, object: &Object<'_>, now: Time) -> Result<(), Fault> {
        let key = self.key(object)?;
        match object {
            Object::Namespace(object) => {
                let record = nodes::namespace(object, &key.1);
                self.namespaces.insert(key.1.clone(), Kept { record, gone: None });
            }
            Object::Node(object) => {
                self.nodes.insert(key.1.clone(), Kept { record: nodes::listed(object)?, gone: None });
                self.stale_nodes = true;
            }
            Object::Pod(object) => {
                self.pods.apply(&mut self.view.pods, object, &self.owners, now)?;
                self.stale_nodes = true;
            }
            Object::Service(object) => self.services.apply(&mut self.view.services, object, &key)?,
            Object::EndpointSlice(object) => {
                let pods = &self.pods;
                let service =
                    self.services.apply_slice(&mut self.view.services, object, &key, now, |uid| pods.runs_as(uid))?;
                self.changed.extend(service.map(|service| (Kind::Service, service)));
                return Ok(());
            }
            Object::Deployment(object) => {
                self.declare("Deployment", &key, &object.metadata, workloads::deployment(object))?
            }
            Object::StatefulSet(object) => {
                self.declare("StatefulSet", &key, &object.metadata, workloads::stateful_set(object))?;
            }
            Object::DaemonSet(object) => {
                self.declare("DaemonSet", &key, &object.metadata, workloads::daemon_set(object))?
            }
            Object::CronJob(object) => {
                self.declare("CronJob", &key, &object.metadata, workloads::cron_job(object))?;
                self.changed.insert((Kind::Workload, (key.0.clone(), format!("CronJob/{}", key.1).into())));
                self.owners.note("CronJob", &key.0, &key.1, None);
                let record = nodes::cron_job(object, &key.0, &key.1);
                self.cron_jobs.insert(key.clone(), Kept { record, gone: None });
            }
            Object::ReplicaSet(metadata) | Object::Job(metadata) => {
                let owner = controller(metadata).map(|owner| (Name::from(&owner.kind), Name::from(&owner.name)));
                self.own(object.kind(), &key, owner, None);
            }
            Object::NetworkPolicy(_, value) => {
                let record = Policy { manifest: nodes::without_bookkeeping((*value).clone()) };
                self.policies.insert(key.clone(), Kept { record, gone: None });
            }
            Object::Extension(kind, _, value) => {
                let record = extensions::of_object(kind, &key.1, value);
                self.extensions.insert(self.stored_key(object, key.clone()), Kept { record, gone: None });
            }
        }
        self.changed.insert((object.kind(), self.stored_key(object, key)));
        Ok(())
    }

    /// Takes note that an object is no longer there.
    pub fn delete(&mut self, object: &Object<'_>, now: Time) {
        if let Ok(key) = self.key(object) {
            let key = self.stored_key(object, key);
            self.delete_key(object.kind(), &key, now);
        }
    }

    /// Takes note that of one kind of the API (`Deployment`, `Pod`) there are just the objects with these `keys`: a list was made anew,
    /// and what is not in it went while nobody looked. Objects have the keys that [`Live::key_of`] says.
    pub fn relist(&mut self, kind: Kind, api_kind: &str, keys: &HashSet<Key>, now: Time) {
        let listed = |key: &Key| match kind {
            Kind::Workload => key.1.strip_prefix(api_kind).is_some_and(|rest| rest.starts_with('/')),
            Kind::Extension => key.0 == *api_kind,
            _ => true,
        };
        for key in self.present(kind) {
            if listed(&key) && !keys.contains(&key) {
                self.delete_key(kind, &key, now);
            }
        }
    }

    /// What [`Live::relist`] knows an object by.
    pub fn key_of(&self, object: &Object<'_>) -> Option<Key> {
        let key = self.key(object).ok()?;
        Some(self.stored_key(object, key))
    }

    /// Takes in what the agent of `node` says of one of its pods: what it is, and when it held its addresses, which the agent knows
    /// better than the API server. Returns whether it was believed: an agent has no say about pods of other nodes.
    pub fn report(&mut self, node: &str, pod: Pod) -> bool {
        let uid = pod.uid.clone();
        let believed = self.pods.report(&mut self.view.pods, node, pod, &self.owners);
        if believed {
            self.changed.insert((Kind::Pod, (Name::from(""), uid)));
            self.stale_nodes = true;
        }
        believed
    }

    /// Pods, Services and nodes as flows are resolved against them. O(pods) where pods or nodes have changed since the last call.
    pub fn view(&mut self) -> &Inventory {
        self.pods.settle_owners(&mut self.view.pods, &self.owners);
        self.services.settle(&mut self.view.services);
        if std::mem::take(&mut self.stale_nodes) {
            self.view.nodes = self.nodes_with_all_addresses();
        }
        &self.view
    }

    /// Everything, for an observation. O(n log n).
    pub fn export(&mut self) -> Inventory {
        self.view();
        let mut members: BTreeMap<&WorkloadRef, Vec<&Pod>> = BTreeMap::new();
        for pod in &self.view.pods {
            members.entry(&pod.workload).or_default().push(pod);
        }
        let names: BTreeSet<&WorkloadRef> = self.declared.keys().chain(members.keys().copied()).collect();
        let workload = |name: &&WorkloadRef| {
            let declared = self.declared.get(name).map(|kept| &kept.record);
            workloads::workload(name, declared, members.get(name).map(Vec::as_slice).unwrap_or_default())
        };
        Inventory {
            namespaces: self.namespaces.values().map(|kept| kept.record.clone()).collect(),
            workloads: names.iter().map(workload).collect(),
            cron_jobs: present(&self.cron_jobs),
            policies: present(&self.policies),
            api_extensions: self
                .extensions
                .values()
                .filter(|kept| kept.gone.is_none())
                .flat_map(|kept| kept.record.clone())
                .collect(),
            ..self.view.clone()
        }
    }

    /// Forgets what has been gone since before `time`. Returns how many objects.
    pub fn prune(&mut self, time: Time) -> usize {
        let mut forgotten: Vec<(Kind, Key)> = self.gone_before(time);
        for uid in self.pods.prune(&mut self.view.pods, time) {
            forgotten.push((Kind::Pod, (Name::from(""), uid)));
        }
        for key in self.services.prune(&mut self.view.services, time) {
            forgotten.push((Kind::Service, key));
        }
        for (kind, key) in &forgotten {
            self.forget(*kind, key);
        }
        self.changed.extend(forgotten.iter().cloned());
        forgotten.len()
    }

    /// A pod, by its UID.
    pub fn pod(&self, uid: &str) -> Option<&Pod> {
        self.pods.find(&self.view.pods, uid)
    }

    /// How many pods are known, those that are gone included.
    pub fn pods(&self) -> usize {
        self.view.pods.len()
    }

    fn declare(
        &mut self,
        kind: &str,
        key: &Key,
        metadata: &ObjectMeta,
        parts: workloads::Parts<'_>,
    ) -> Result<(), Fault> {
        let name = WorkloadRef { namespace: key.0.clone(), kind: kind.into(), name: key.1.clone() };
        let record = workloads::declared(metadata, parts)?;
        self.declared.insert(name, Kept { record, gone: None });
        Ok(())
    }

    fn own(&mut self, kind: Kind, key: &Key, owner: Controller, gone: Option<Time>) {
        let noted = owner.as_ref().map(|(kind, name)| (kind.to_string(), name.to_string()));
        self.owners.note(kind.as_str(), &key.0, &key.1, noted);
        self.controlled.insert((kind, key.clone()), Kept { record: owner, gone });
    }

    /// Among the addresses of a node's pod range are some of its own, as long as no pod holds them.
    fn nodes_with_all_addresses(&self) -> Vec<Node> {
        let possible: HashSet<IpAddr> =
            self.nodes.values().flat_map(|kept| nodes::in_pod_ranges(&kept.record)).collect();
        let held = self.view.pods.iter().flat_map(|pod| &pod.addresses).map(|held| held.ip);
        let taken: HashSet<IpAddr> = held.filter(|ip| possible.contains(ip)).collect();
        self.nodes
            .values()
            .map(|kept| {
                let mut node = kept.record.clone();
                let own: Vec<IpAddr> = nodes::in_pod_ranges(&node).filter(|ip| !taken.contains(ip)).collect();
                nodes::add_addresses(&mut node, own);
                node
            })
            .collect()
    }

    fn key(&self, object: &Object<'_>) -> Result<Key, Fault> {
        let metadata = object.metadata();
        let name = metadata.name.as_deref().filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| Fault::new("metadata.name", "is missing"))?;
        Ok((metadata.namespace.as_deref().unwrap_or_default().into(), name.into()))
    }

    /// Pods are kept by UID, workloads of all kinds together, extensions by kind.
    fn stored_key(&self, object: &Object<'_>, key: Key) -> Key {
        match object {
            Object::Pod(object) => (Name::from(""), crate::inventory::pods::uid(object).unwrap_or_default()),
            Object::Deployment(_) => (key.0, format!("Deployment/{}", key.1).into()),
            Object::StatefulSet(_) => (key.0, format!("StatefulSet/{}", key.1).into()),
            Object::DaemonSet(_) => (key.0, format!("DaemonSet/{}", key.1).into()),
            Object::Extension(kind, ..) => ((*kind).into(), key.1),
            _ => key,
        }
    }
}

fn present<K, T: Clone>(all: &BTreeMap<K, Kept<T>>) -> Vec<T> {
    all.values().filter(|kept| kept.gone.is_none()).map(|kept| kept.record.clone()).collect()
}
