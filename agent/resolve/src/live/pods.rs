//! Pods, those that are gone included, and when each held its addresses.
//!
//! Two tell that: the API server (in whole seconds, and late), and the agent of the pod's node, which sees the pod's cgroups come and go.
//! What the agent says about an address counts. Until it has, the time is taken as long as it may have been: then two
//! pods seem to hold an address at once, and what cannot be told apart is left without a name.

use crate::inventory::owners::{Owners, POD_TEMPLATE_HASH, controller};
use crate::inventory::{Fault, pods};
use k8s_openapi::api::core::v1::Pod as ApiPod;
use netwright_record::inventory::{HeldAddress, Pod};
use netwright_record::{Name, Time};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// What is known of a pod besides its record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Facts {
    /// Kind and name of its controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    controller: Option<(Name, Name)>,
    /// What the API server says of its addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    watched: Vec<HeldAddress>,
    /// What the agent of its node says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    reported: Vec<HeldAddress>,
    /// The UID in the API, where it runs under another (static pods).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    api_uid: Option<Name>,
    /// Whether the API server showed it.
    #[serde(default)]
    seen: bool,
    /// Since when it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gone: Option<Time>,
}

/// A pod as it is written down.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Written {
    pub(super) pod: Pod,
    pub(super) facts: Facts,
}

/// What belongs to the pods of the view, at the same places.
#[derive(Debug, Default)]
pub(super) struct Pods {
    facts: Vec<Facts>,
    places: HashMap<Name, usize>,
    runs_as: HashMap<Name, Name>,
    /// Pods whose workload was guessed, as its controller was not known.
    guessed: Vec<Name>,
}

impl Pods {
    /// Takes in a pod that is there.
    pub(super) fn apply(
        &mut self,
        view: &mut Vec<Pod>,
        object: &ApiPod,
        owners: &Owners,
        now: Time,
    ) -> Result<(), Fault> {
        let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
        let mut pod = pods::pod(object, namespace, owners, now)?;
        let place = self.place(view, &pod);
        let (Some(facts), Some(known)) = (self.facts.get_mut(place), view.get_mut(place)) else { return Ok(()) };
        keep_addresses(&mut facts.watched, std::mem::take(&mut pod.addresses), now);
        facts.controller = controller(&object.metadata).map(|owner| (Name::from(&owner.kind), Name::from(&owner.name)));
        (facts.seen, facts.gone) = (true, None);
        facts.api_uid = object.metadata.uid.as_deref().filter(|uid| *uid != pod.uid.as_str()).map(Name::from);
        if let Some(uid) = &facts.api_uid {
            self.runs_as.insert(uid.clone(), pod.uid.clone());
        }
        pod.addresses = facts.addresses(pod.host_network);
        self.guessed.push(pod.uid.clone());
        *known = pod;
        Ok(())
    }

    /// Takes in what an agent says. See [`super::Live::report`].
    pub(super) fn report(&mut self, view: &mut Vec<Pod>, node: &str, mut pod: Pod, owners: &Owners) -> bool {
        let known = self.places.get(&pod.uid).and_then(|place| view.get(*place));
        let elsewhere = known.and_then(|known| known.node.as_deref()).is_some_and(|known| known != node);
        if pod.node.as_deref() != Some(node) || pod.uid.is_empty() || elsewhere {
            return false;
        }
        let place = self.place(view, &pod);
        let (Some(facts), Some(known)) = (self.facts.get_mut(place), view.get_mut(place)) else { return false };
        facts.reported = std::mem::take(&mut pod.addresses);
        if !facts.seen {
            facts.controller = Some((pod.workload.kind.clone(), pod.workload.name.clone()));
            facts.gone = facts.reported.iter().map(|held| held.until).max().flatten();
            pod.workload = workload(&pod, facts, owners);
            self.guessed.push(pod.uid.clone());
            *known = pod;
        }
        known.addresses = facts.addresses(known.host_network);
        true
    }

    /// Takes note that a pod is gone. Returns whether it was there.
    pub(super) fn delete(&mut self, view: &mut [Pod], uid: &str, now: Time) -> bool {
        let Some(place) = self.places.get(uid).copied() else { return false };
        let (Some(facts), Some(pod)) = (self.facts.get_mut(place), view.get_mut(place)) else { return false };
        if facts.gone.is_some() {
            return false;
        }
        facts.gone = Some(now);
        for held in facts.watched.iter_mut().chain(&mut facts.reported) {
            held.until = Some(held.until.map_or(now, |until| until.min(now)));
        }
        pod.addresses = facts.addresses(pod.host_network);
        true
    }

    /// A pod, by its UID.
    pub(super) fn find<'a>(&self, view: &'a [Pod], uid: &str) -> Option<&'a Pod> {
        view.get(*self.places.get(uid)?)
    }

    /// The pods that the API server shows.
    pub(super) fn present<'a>(&'a self, view: &'a [Pod]) -> impl Iterator<Item = &'a Name> {
        let there = |(pod, facts): (&'a Pod, &Facts)| (facts.seen && facts.gone.is_none()).then_some(&pod.uid);
        view.iter().zip(&self.facts).filter_map(there)
    }

    /// Forgets the pods that have been gone since before `time`, and returns which.
    pub(super) fn prune(&mut self, view: &mut Vec<Pod>, time: Time) -> Vec<Name> {
        // Of a pod that only an agent knew, nobody else will say that it is gone.
        let reported_before = |held: &HeldAddress| held.from.is_some_and(|from| from < time);
        let old = |facts: &Facts| match facts.gone {
            Some(gone) => gone < time,
            None => !facts.seen && facts.reported.iter().all(reported_before),
        };
        let uids: Vec<Name> =
            view.iter().zip(&self.facts).filter(|(_, facts)| old(facts)).map(|(pod, _)| pod.uid.clone()).collect();
        for uid in &uids {
            self.remove(view, uid);
        }
        uids
    }

    /// The UID that a pod runs under, given that of its object.
    pub(super) fn runs_as(&self, uid: Name) -> Name {
        self.runs_as.get(&uid).cloned().unwrap_or(uid)
    }

    /// Names again the workloads of pods that came since the last call: their owners may have arrived after them.
    pub(super) fn settle_owners(&mut self, view: &mut [Pod], owners: &Owners) {
        for uid in std::mem::take(&mut self.guessed) {
            let place = self.places.get(&uid).copied();
            let found = place.and_then(|place| Some((self.facts.get(place)?, view.get_mut(place)?)));
            if let Some((facts, pod)) = found {
                pod.workload = workload(pod, facts, owners);
            }
        }
    }

    /// A pod in the form it is written down.
    pub(super) fn written(&self, view: &[Pod], uid: &str) -> Option<(Written, Option<Time>)> {
        let place = *self.places.get(uid)?;
        let (facts, pod) = (self.facts.get(place)?.clone(), view.get(place)?.clone());
        let gone = facts.gone;
        Some((Written { pod, facts }, gone))
    }

    /// Puts back what was written down.
    pub(super) fn restore(&mut self, view: &mut Vec<Pod>, Written { pod, facts }: Written) {
        let place = self.place(view, &pod);
        if let Some(uid) = &facts.api_uid {
            self.runs_as.insert(uid.clone(), pod.uid.clone());
        }
        self.guessed.push(pod.uid.clone());
        if let (Some(known), Some(place)) = (self.facts.get_mut(place), view.get_mut(place)) {
            (*known, *place) = (facts, pod);
        }
    }

    fn place(&mut self, view: &mut Vec<Pod>, pod: &Pod) -> usize {
        *self.places.entry(pod.uid.clone()).or_insert_with(|| {
            self.facts.push(Facts::default());
            view.push(pod.clone());
            view.len() - 1
        })
    }

    fn remove(&mut self, view: &mut Vec<Pod>, uid: &Name) {
        let Some(place) = self.places.remove(uid) else { return };
        let facts = self.facts.swap_remove(place);
        view.swap_remove(place);
        if let Some(uid) = facts.api_uid {
            self.runs_as.remove(&uid);
        }
        if let Some(moved) = view.get(place) {
            self.places.insert(moved.uid.clone(), place);
        }
    }
}

impl Facts {
    /// When the pod held its addresses, as far as anybody knows.
    fn addresses(&self, host_network: bool) -> Vec<HeldAddress> {
        if host_network {
            return Vec::new();
        }
        let unreported = self.watched.iter().filter(|held| self.reported.iter().all(|known| known.ip != held.ip));
        self.reported.iter().chain(unreported).cloned().collect()
    }
}

fn workload(pod: &Pod, facts: &Facts, owners: &Owners) -> netwright_record::inventory::WorkloadRef {
    let controller = facts.controller.as_ref().map(|(kind, name)| (kind.as_str(), name.as_str()));
    // Nothing owns a pod that stands for itself.
    let controller = controller.filter(|(kind, _)| *kind != "Pod");
    owners.of(&pod.namespace, &pod.name, controller, pod.labels.get(POD_TEMPLATE_HASH).map(|hash| hash.as_ref()))
}

/// Adds the addresses that a pod has `now` to those it was seen with. One that is not listed any more was given back; an end
/// once known does not move.
fn keep_addresses(watched: &mut Vec<HeldAddress>, listed: Vec<HeldAddress>, now: Time) {
    for held in watched.iter_mut().filter(|held| listed.iter().all(|listed| listed.ip != held.ip)) {
        held.until.get_or_insert(now);
    }
    for listed in listed {
        match watched.iter_mut().find(|held| held.ip == listed.ip) {
            Some(held) => held.until = held.until.or(listed.until),
            None => watched.push(listed),
        }
    }
}
