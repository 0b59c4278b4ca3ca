//! What of a plan cannot be written for Cilium at all: a workload that no label tells apart from others among those that
//! Cilium knows pods by. Its policy would isolate others, so it gets none, nor does its namespace get a default-deny.

use super::labels::relevant;
use crate::infer::rules::{Plan, Unprotected, WorkloadPolicy};
use crate::render::context::Knowledge;
use crate::render::form::{Form, Stage};
use netwright_record::Observation;
use netwright_record::inventory::WorkloadRef;
use std::collections::BTreeSet;

/// The plan without what cannot be written, and without what would be nothing: a default-deny that does not deny.
pub(in super::super) fn adapted(observation: &Observation, mut plan: Plan, form: &Form) -> Plan {
    if form.stage == Stage::Audit {
        plan.default_deny.clear();
    }
    let changed = |policy: &WorkloadPolicy| {
        let labels = &policy.selection.pods.labels;
        relevant(labels).len() != labels.len()
    };
    if !plan.policies.iter().any(changed) {
        return plan;
    }
    let knowledge = Knowledge::new(observation);
    let unwritable = |policy: &&WorkloadPolicy| changed(policy) && !tells_apart(&knowledge, policy);
    let unwritable: BTreeSet<WorkloadRef> =
        plan.policies.iter().filter(unwritable).map(|policy| policy.workload.clone()).collect();
    without(plan, unwritable)
}

fn without(mut plan: Plan, workloads: BTreeSet<WorkloadRef>) -> Plan {
    plan.policies.retain(|policy| !workloads.contains(&policy.workload));
    for workload in workloads {
        let namespace = workload.namespace.clone();
        plan.default_deny.retain(|closed| *closed != namespace);
        plan.findings.open_namespaces.entry(namespace).or_default().insert(workload.clone());
        plan.findings.unprotected.insert(workload, Unprotected::DialectIgnoresLabels);
    }
    plan
}

/// Whether the labels that Cilium knows select no more than the plan's.
fn tells_apart(knowledge: &Knowledge, policy: &WorkloadPolicy) -> bool {
    let (own, widened) = (&policy.workload, &policy.selection.widened);
    let labels = relevant(&policy.selection.pods.labels);
    let mut selected = knowledge.matching(&own.namespace, &labels);
    !labels.is_empty() && selected.all(|workload| workload == own || widened.contains(workload))
}
