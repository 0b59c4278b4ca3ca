//! Follows the API server: everything an inventory is made of goes into the one [`Live`] of the cluster, as it changes.
//!
//! Each kind has a task of its own. A watch that breaks (a restart of the API server, an expired resource version, a cut network) is taken up
//! again with a growing pause and starts with a new list; what is not in that list went in the meantime. Whoever wants to know
//! whether the inventory can be relied on asks [`Watch::behind`].

mod follow;

use follow::{Follow, follow};
use futures_util::StreamExt as _;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Namespace, Node, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, NotUsed, PartialObjectMeta};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client};
use netwright_resolve::live::{Kind, Live, Object};
use netwright_service::CancellationToken;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// The inventory, shared by the watch that fills it and the merge that asks it.
#[derive(Debug, Clone, Default)]
pub struct Shared {
    live: Arc<Mutex<Live>>,
}

impl Shared {
    /// An inventory with something in it.
    pub fn new(live: Live) -> Self {
        Self { live: Arc::new(Mutex::new(live)) }
    }

    /// Holds it for as long as the guard lives. Nothing asynchronous may be waited for meanwhile.
    pub fn lock(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known of one watch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// Whether it has had a whole list, ever.
    pub listed: bool,
    /// Why it is broken now, if it is.
    pub broken: Option<String>,
    /// Since when it is not current: it broke, or has had no list yet. `None` while it is.
    pub since: Option<Instant>,
    /// How often it broke.
    pub errors: u64,
    /// How many objects were not what their API says.
    pub odd_objects: u64,
}

/// The states of all watches, by the plural name of what is watched.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    states: Arc<Mutex<BTreeMap<&'static str, State>>>,
}

impl Watch {
    /// All watches, by the plural name of what each watches.
    pub fn states(&self) -> BTreeMap<&'static str, State> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why the inventory is not whole: watches that have had no list yet. Nothing if all have.
    pub fn missing(&self) -> Option<String> {
        self.told(|state| !state.listed)
    }

    /// Why the inventory may be out of date: watches that are broken at the moment.
    pub fn behind(&self) -> Option<String> {
        self.told(|state| state.broken.is_some())
    }

    /// For how long something has not been watched; nothing while all is.
    pub fn age(&self) -> Duration {
        let states = self.states();
        states.values().filter_map(|state| state.since).map(|since| since.elapsed()).max().unwrap_or_default()
    }

    fn told(&self, which: impl Fn(&State) -> bool) -> Option<String> {
        let states = self.states();
        let told: Vec<String> = states
            .iter()
            .filter(|(_, state)| which(state))
            .map(|(name, state)| format!("{name}: {}", state.broken.as_deref().unwrap_or("not listed yet")))
            .collect();
        (!told.is_empty()).then(|| told.join("; "))
    }

    fn change(&self, name: &'static str, change: impl FnOnce(&mut State)) {
        change(self.states.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default());
    }
}

/// Starts a task for each kind. They end when `stop` is cancelled.
pub fn start(client: &Client, inventory: &Shared, stop: &CancellationToken) -> (Watch, JoinSet<()>) {
    let mut start = Start {
        client: client.clone(),
        inventory: inventory.clone(),
        watch: Watch::default(),
        tasks: JoinSet::new(),
        stop: stop.clone(),
    };
    start.typed::<Namespace>("namespaces", "Namespace", Kind::Namespace);
    start.typed::<Node>("nodes", "Node", Kind::Node);
    start.typed::<Pod>("pods", "Pod", Kind::Pod);
    start.typed::<Service>("services", "Service", Kind::Service);
    start.typed::<EndpointSlice>("endpointslices", "EndpointSlice", Kind::EndpointSlice);
    start.typed::<Deployment>("deployments", "Deployment", Kind::Workload);
    start.typed::<StatefulSet>("statefulsets", "StatefulSet", Kind::Workload);
    start.typed::<DaemonSet>("daemonsets", "DaemonSet", Kind::Workload);
    start.typed::<CronJob>("cronjobs", "CronJob", Kind::CronJob);
    start.metadata::<ReplicaSet>("replicasets", "ReplicaSet", Kind::ReplicaSet);
    start.metadata::<Job>("jobs", "Job", Kind::Job);
    for (name, group, kind) in [
        ("networkpolicies", "networking.k8s.io", "NetworkPolicy"),
        ("validatingwebhookconfigurations", "admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
        ("mutatingwebhookconfigurations", "admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
        ("apiservices", "apiregistration.k8s.io", "APIService"),
    ] {
        start.untyped(name, GroupVersionKind::gvk(group, "v1", kind), kind);
    }
    start.conversions();
    (start.watch, start.tasks)
}

/// Of a CustomResourceDefinition only who converts its objects is read. The rest is schemas, which can be megabytes.
#[derive(Debug, Clone, Deserialize)]
struct Conversion {
    #[serde(default)]
    conversion: Value,
}

/// How many CustomResourceDefinitions are listed at once.
const DEFINITIONS: u32 = 20;

/// What each task gets its share of.
struct Start {
    client: Client,
    inventory: Shared,
    watch: Watch,
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

/// What the API has of a kind.
trait Listed:
    kube::Resource<DynamicType = ()> + Clone + serde::de::DeserializeOwned + std::fmt::Debug + Send + Sync + 'static
{
}
impl<
    K: kube::Resource<DynamicType = ()> + Clone + serde::de::DeserializeOwned + std::fmt::Debug + Send + Sync + 'static,
> Listed for K
{
}

impl Start {
    fn follow(&self, name: &'static str, api_kind: &'static str, kind: Kind) -> Follow {
        self.watch.change(name, |state| state.since = Some(Instant::now()));
        Follow {
            name,
            api_kind,
            kind,
            inventory: self.inventory.clone(),
            watch: self.watch.clone(),
            stop: self.stop.clone(),
        }
    }

    fn typed<K: Listed>(&mut self, name: &'static str, api_kind: &'static str, kind: Kind)
    where
        for<'a> Object<'a>: From<&'a K>,
    {
        let events = watcher(Api::<K>::all(self.client.clone()), watcher::Config::default()).default_backoff();
        let to = self.follow(name, api_kind, kind);
        self.tasks.spawn(async move { follow(events.boxed(), to, |found, take| take(Object::from(found))).await });
    }

    /// Where names and owners are enough, nothing more is asked for.
    fn metadata<K: Listed>(&mut self, name: &'static str, api_kind: &'static str, kind: Kind) {
        let api = Api::<PartialObjectMeta<K>>::all(self.client.clone());
        let events = watcher(api, watcher::Config::default()).default_backoff();
        let to = self.follow(name, api_kind, kind);
        let object = move |found: &PartialObjectMeta<K>, take: &mut dyn FnMut(Object<'_>)| {
            take(match kind {
                Kind::Job => Object::Job(&found.metadata),
                _ => Object::ReplicaSet(&found.metadata),
            });
        };
        self.tasks.spawn(async move { follow(events.boxed(), to, object).await });
    }

    /// Kinds of which the whole object is kept, or a part that no type of ours has to follow.
    fn untyped(&mut self, name: &'static str, gvk: GroupVersionKind, api_kind: &'static str) {
        let resource = ApiResource::from_gvk_with_plural(&gvk, name);
        let api = Api::<DynamicObject>::all_with(self.client.clone(), &resource);
        let kind = if api_kind == "NetworkPolicy" { Kind::NetworkPolicy } else { Kind::Extension };
        let to = self.follow(name, api_kind, kind);
        let events = watcher(api, watcher::Config::default()).default_backoff();
        let object = move |found: &DynamicObject, take: &mut dyn FnMut(Object<'_>)| {
            let value = whole(found, &resource);
            take(match kind {
                Kind::NetworkPolicy => Object::NetworkPolicy(&found.metadata, &value),
                _ => Object::Extension(api_kind, &found.metadata, &value),
            });
        };
        self.tasks.spawn(async move { follow(events.boxed(), to, object).await });
    }

    fn conversions(&mut self) {
        const KIND: &str = "CustomResourceDefinition";
        let gvk = GroupVersionKind::gvk("apiextensions.k8s.io", "v1", KIND);
        let resource = ApiResource::from_gvk_with_plural(&gvk, "customresourcedefinitions");
        let api = Api::<kube::core::Object<Conversion, NotUsed>>::all_with(self.client.clone(), &resource);
        let to = self.follow("customresourcedefinitions", KIND, Kind::Extension);
        let events = watcher(api, watcher::Config::default().page_size(DEFINITIONS)).default_backoff();
        let object = |found: &kube::core::Object<Conversion, NotUsed>, take: &mut dyn FnMut(Object<'_>)| {
            let value = serde_json::json!({ "spec": { "conversion": found.spec.conversion } });
            take(Object::Extension(KIND, &found.metadata, &value));
        };
        self.tasks.spawn(async move { follow(events.boxed(), to, object).await });
    }
}

/// The object as `kubectl get` shows it: in a list, objects do not say of what kind they are.
fn whole(found: &DynamicObject, resource: &ApiResource) -> Value {
    let mut value = serde_json::to_value(found).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.insert("apiVersion".to_owned(), resource.api_version.clone().into());
        fields.insert("kind".to_owned(), resource.kind.clone().into());
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_is_that_of_what_is_out_of_date_for_longest() {
        let watch = Watch::default();
        assert_eq!(watch.age(), Duration::ZERO);
        let ago = |seconds| Instant::now().checked_sub(Duration::from_secs(seconds));
        watch.change("pods", |state| state.since = ago(50));
        watch.change("nodes", |state| state.since = ago(90));
        assert_eq!(watch.age().as_secs(), 90);
        watch.change("nodes", |state| state.since = None);
        assert_eq!(watch.age().as_secs(), 50);
    }
}
