//! Services and what was behind them when.
//!
//! An EndpointSlice says what is behind a Service now. Backends that were there at the first look, or are there still, count for as long as
//! nobody knows better; one that goes stays for a while, as nodes learn of it late.

use super::Key;
use crate::inventory::{Fault, services};
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Service as ApiService;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use netwright_record::inventory::{Backend, ContainerPort, HeldAddress, Service};
use netwright_record::{Name, Time};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

/// How long a node may still send to a backend that is gone, and how long before a backend was seen it may have been one.
const LATE: SignedDuration = SignedDuration::from_secs(60);

/// A backend and its ports.
type Endpoint = (IpAddr, Option<Name>, Vec<ContainerPort>);

/// What was written down of a Service.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Written {
    /// The Service with all its backends; absent where only slices of it were seen.
    pub(super) service: Option<Service>,
    pub(super) backends: Vec<Backend>,
    pub(super) gone: Option<Time>,
}

#[derive(Debug, Default)]
struct Entry {
    service: Option<Service>,
    /// What each slice lists now.
    slices: BTreeMap<Name, BTreeSet<Endpoint>>,
    backends: BTreeMap<Endpoint, (Option<Time>, Option<Time>)>,
    gone: Option<Time>,
}

/// All Services.
#[derive(Debug, Default)]
pub(super) struct Services {
    entries: BTreeMap<Key, Entry>,
    of_slice: HashMap<Key, Key>,
    stale: bool,
}

impl Services {
    pub(super) fn apply(&mut self, _view: &mut [Service], object: &ApiService, key: &Key) -> Result<(), Fault> {
        let service = services::service(object, &key.0, &key.1)?;
        let entry = self.entries.entry(key.clone()).or_default();
        (entry.service, entry.gone) = (Some(service), None);
        self.stale = true;
        Ok(())
    }

    /// Takes in a slice. Returns the Service it belongs to, if any.
    pub(super) fn apply_slice(
        &mut self,
        _view: &mut [Service],
        object: &EndpointSlice,
        key: &Key,
        now: Time,
        runs_as: impl Fn(Name) -> Name,
    ) -> Result<Option<Key>, Fault> {
        let labels = object.metadata.labels.as_ref();
        let Some(service) = labels.and_then(|labels| labels.get(services::SERVICE_NAME)) else { return Ok(None) };
        if object.address_type == "FQDN" {
            return Ok(None);
        }
        let mut found = services::Endpoints::new();
        services::add_slice(object, runs_as, &mut found)?;
        let listed = found.into_iter().map(|((ip, uid), ports)| (ip, uid, ports.into_iter().collect())).collect();
        let service = (key.0.clone(), Name::from(service));
        self.of_slice.insert(key.clone(), service.clone());
        self.entries.entry(service.clone()).or_default().list(&key.1, listed, now);
        self.stale = true;
        Ok(Some(service))
    }

    /// Takes note that a Service is gone. Its slices go by themselves.
    pub(super) fn delete(&mut self, key: &Key, now: Time) -> bool {
        let Some(entry) = self.entries.get_mut(key).filter(|entry| entry.gone.is_none()) else { return false };
        entry.gone = Some(now);
        self.stale = true;
        true
    }

    /// Takes note that a slice is gone. Returns the Service it belonged to.
    pub(super) fn delete_slice(&mut self, key: &Key, now: Time) -> Option<Key> {
        let service = self.of_slice.remove(key)?;
        self.entries.get_mut(&service)?.list(&key.1, BTreeSet::new(), now);
        self.stale = true;
        Some(service)
    }

    pub(super) fn present(&self) -> impl Iterator<Item = &Key> {
        let there = |(_, entry): &(&Key, &Entry)| entry.gone.is_none() && entry.service.is_some();
        self.entries.iter().filter(there).map(|(key, _)| key)
    }

    pub(super) fn present_slices(&self) -> impl Iterator<Item = &Key> {
        self.of_slice.keys()
    }

    /// Makes the view anew, if something changed. Services that are gone come last: their addresses may be another's by now.
    pub(super) fn settle(&mut self, view: &mut Vec<Service>) {
        if !std::mem::take(&mut self.stale) {
            return;
        }
        let taken: BTreeSet<IpAddr> =
            self.entries.values().filter(|entry| entry.gone.is_none()).flat_map(Entry::addresses).collect();
        let current = |entry: &&Entry| entry.gone.is_none() || entry.addresses().all(|ip| !taken.contains(&ip));
        *view = self.entries.values().filter(current).filter_map(Entry::record).collect();
    }

    pub(super) fn prune(&mut self, _view: &mut [Service], time: Time) -> Vec<Key> {
        for entry in self.entries.values_mut() {
            entry.backends.retain(|_, (_, until)| until.is_none_or(|until| until >= time));
        }
        self.stale = true;
        let old = |entry: &Entry| {
            entry.gone.is_some_and(|gone| gone < time) || (entry.service.is_none() && entry.backends.is_empty())
        };
        let keys: Vec<Key> = self.entries.iter().filter(|(_, entry)| old(entry)).map(|(key, _)| key.clone()).collect();
        for key in &keys {
            self.entries.remove(key);
        }
        keys
    }

    pub(super) fn written(&self, key: &Key) -> Option<(Written, Option<Time>)> {
        let entry = self.entries.get(key)?;
        let written = Written { service: entry.service.clone(), backends: entry.backends(), gone: entry.gone };
        Some((written, entry.gone))
    }

    pub(super) fn restore(&mut self, key: Key, written: Written) {
        let held = |backend: Backend| {
            let endpoint = (backend.address.ip, backend.pod_uid, backend.ports);
            (endpoint, (backend.address.from, backend.address.until))
        };
        let backends = written.backends.into_iter().map(held).collect();
        let entry = Entry { service: written.service, backends, gone: written.gone, ..Entry::default() };
        self.entries.insert(key, entry);
        self.stale = true;
    }
}

impl Entry {
    /// What one slice lists from now on.
    fn list(&mut self, slice: &Name, listed: BTreeSet<Endpoint>, now: Time) {
        // What is there when a Service is seen for the first time has been there nobody knows how long.
        let from = (!self.backends.is_empty()).then(|| now.saturating_sub(LATE).unwrap_or(now));
        for endpoint in &listed {
            let held = self.backends.entry(endpoint.clone()).or_insert((from, None));
            held.1 = None;
        }
        self.slices.insert(slice.clone(), listed);
        self.slices.retain(|_, listed| !listed.is_empty());
        let until = now.saturating_add(LATE).unwrap_or(now);
        for (endpoint, held) in &mut self.backends {
            if held.1.is_none() && self.slices.values().all(|listed| !listed.contains(endpoint)) {
                held.1 = Some(until);
            }
        }
    }

    fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.service.iter().flat_map(|service| service.cluster_ips.iter().chain(&service.external_ips)).copied()
    }

    fn backends(&self) -> Vec<Backend> {
        let backend = |((ip, pod_uid, ports), (from, until)): (&Endpoint, &(Option<Time>, Option<Time>))| Backend {
            address: HeldAddress { ip: *ip, from: *from, until: *until },
            pod_uid: pod_uid.clone(),
            ports: ports.clone(),
        };
        self.backends.iter().map(backend).collect()
    }

    fn record(&self) -> Option<Service> {
        Some(Service { backends: self.backends(), ..self.service.clone()? })
    }
}
