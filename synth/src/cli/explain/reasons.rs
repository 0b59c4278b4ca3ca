//! From what the policy crate explains about one end to what is shown: the cause in a sentence, and what to change.

use super::advice;
use super::question::{Kind, Whom};
use super::report::{self, Policy, Rule};
use super::suggestion;
use crate::state::State;
use crate::text::plain;
use netwright_policy::explain::{End, Gap, Unmet};
use netwright_policy::{
    Decision, Direction, Exemption, NetworkPolicy, Operator, Party, PolicySet, Protocol, Requirement, Selector, Values,
};
use std::fmt::Write;

/// How many of the nearest rules are shown.
const RULES_SHOWN: usize = 3;

/// One question at one end, with all that an answer needs.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// What the cluster holds.
    pub state: &'a State,
    /// The policies.
    pub set: &'a PolicySet,
    /// The protocol.
    pub protocol: Protocol,
    /// The port the destination listens on.
    pub port: u16,
    /// The port of the Service that leads there, where one was asked for and it differs.
    pub service_port: Option<u16>,
    /// The client.
    pub from: &'a Kind,
    /// The destination.
    pub to: &'a Kind,
    /// Which of the two this end is: the client for egress.
    pub direction: Direction,
}

impl<'a> Context<'a> {
    /// The end whose policies count.
    pub fn this(&self) -> &'a Kind {
        match self.direction {
            Direction::Egress => self.from,
            Direction::Ingress => self.to,
        }
    }

    /// The end that rules name as their peer.
    pub fn other(&self) -> &'a Kind {
        match self.direction {
            Direction::Egress => self.to,
            Direction::Ingress => self.from,
        }
    }

    /// What is shown of this end.
    pub fn report(&self, end: &End) -> report::End {
        let rules = |gaps: &[Gap]| gaps.iter().take(RULES_SHOWN).filter_map(|gap| self.rule(gap)).collect();
        let strays: Vec<Gap> = end.elsewhere.iter().filter(|gap| self.is_stray(gap)).cloned().collect();
        let denied = matches!(end.decision, Decision::Denied { .. });
        let cause = denied.then(|| self.cause(end, &strays));
        let (reason, mut changes) = cause.map(|(reason, changes)| (Some(reason), changes)).unwrap_or_default();
        let suggestion =
            denied.then(|| suggestion::suggest(self, &end.isolated_by, &[(self.protocol, self.port)])).flatten();
        if denied && suggestion.is_none() && changes.is_empty() {
            changes.extend(suggestion::obstacle(self));
        }
        report::End {
            decision: self.decision(&end.decision),
            isolated_by: end.isolated_by.iter().filter_map(|&index| self.policy(index)).collect(),
            admitted_by: end.rules.first().filter(|gap| gap.admits()).and_then(|gap| self.rule(gap)),
            nearest: if denied { rules(&end.rules) } else { Vec::new() },
            elsewhere: rules(&strays),
            reason,
            changes,
            suggestion,
        }
    }

    fn decision(&self, decision: &Decision) -> report::Decision {
        match (decision, &self.this().whom) {
            (Decision::NotIsolated, Whom::Pod(_)) => report::Decision::NotIsolated,
            (Decision::NotIsolated, _) => report::Decision::NoPod,
            (Decision::Exempt(Exemption::SamePod), _) => report::Decision::SamePod,
            (Decision::Exempt(Exemption::OwnNode), _) => report::Decision::OwnNode,
            (Decision::Allowed { .. }, _) => report::Decision::Admitted,
            (Decision::Denied { .. }, _) => report::Decision::Denied,
        }
    }

    /// Why it is denied, and what small change would help.
    fn cause(&self, end: &End, strays: &[Gap]) -> (String, Vec<String>) {
        if let Some(reason) = self.host_network() {
            return (reason, Vec::new());
        }
        let changes = |gap: &Gap| gap.unmet().filter_map(|unmet| advice::advice(self, gap, unmet)).collect();
        if let Some((gap, rule)) = end.rules.first().filter(|gap| self.is_near(gap)).and_then(|gap| self.named(gap)) {
            let missing = rule.missing.join("; and ");
            return (format!("{} nearly admits it, but {missing}", place(&rule)), changes(gap));
        }
        if let Some((gap, rule)) = strays.first().and_then(|gap| self.named(gap)) {
            let missing = rule.missing.join("; and ");
            return (format!("{} would admit it, but does not apply here: {missing}", place(&rule)), changes(gap));
        }
        (self.no_rule(end), Vec::new())
    }

    fn no_rule(&self, end: &End) -> String {
        let direction = word(self.direction);
        let (other, port) = (plain(&self.other().name), format!("{} {}", self.protocol, self.port));
        let isolated = match end.isolated_by.as_slice() {
            [one] => format!("{} isolates it", self.policy(*one).map(|policy| name(&policy)).unwrap_or_default()),
            several => format!("{} policies isolate it", several.len()),
        };
        let preposition = if self.direction == Direction::Egress { "to" } else { "from" };
        match (end.rules.is_empty(), end.isolated_by.len()) {
            (true, 1) => format!("{isolated} and has no {direction} rule at all"),
            (true, _) => format!("{isolated} and none has an {direction} rule"),
            (false, _) => {
                format!("{isolated}, and no {direction} rule admits connections {preposition} {other} on {port}")
            }
        }
    }

    /// The cause where selectors would admit the other end if it were not on the host network.
    fn host_network(&self) -> Option<String> {
        let pod = self.other().on_host.as_ref()?;
        let cluster = &self.state.cluster;
        let (from, to) = (self.from.whom.party(), self.to.whom.party());
        let decision = match self.direction {
            Direction::Egress => self.set.verdict(cluster, &from, &Party::Pod(pod), self.protocol, self.port).egress,
            Direction::Ingress => self.set.verdict(cluster, &Party::Pod(pod), &to, self.protocol, self.port).ingress,
        };
        let Decision::Allowed { policy, rule } = decision else { return None };
        let gap = Gap { policy, rule, peer: None, port: None, selection: Vec::new() };
        Some(format!(
            "{} selects the labels of {}, but that runs on the host network: to a policy it is its node's address, and no selector matches it",
            place(&self.rule(&gap)?),
            plain(&self.other().name),
        ))
    }

    fn named<'g>(&self, gap: &'g Gap) -> Option<(&'g Gap, Rule)> {
        Some((gap, self.rule(gap)?))
    }

    /// Whether a rule is meant for this connection, as far as one can tell, and failed by a slip.
    fn is_near(&self, gap: &Gap) -> bool {
        let unmet: Vec<&Unmet> = gap.unmet().collect();
        match unmet.as_slice() {
            [one] => one.unlikeness() == 0 || self.is_close(one),
            [one, other] => one.unlikeness() + other.unlikeness() == 0,
            _ => false,
        }
    }

    /// Whether this alone being unmet, the rule is most likely meant for this connection.
    fn is_close(&self, unmet: &Unmet) -> bool {
        match unmet {
            Unmet::OtherNamespace { .. }
            | Unmet::Protocol { .. }
            | Unmet::Port { .. }
            | Unmet::NamedPort { .. }
            | Unmet::Excepted { .. } => true,
            Unmet::OutsideBlock { cidr, .. } => advice::service_in(self.state, *cidr).is_some(),
            Unmet::Label { .. } | Unmet::NotAPod { .. } | Unmet::NoAddress | Unmet::PolicyTypes { .. } => false,
        }
    }

    /// Whether the policy of a rule was probably meant for this end: it selects nobody, or it says nothing about the
    /// direction of the rule.
    fn is_stray(&self, gap: &Gap) -> bool {
        let types = gap.selection.iter().any(|unmet| matches!(unmet, Unmet::PolicyTypes { .. }));
        types || self.set.policies().get(gap.policy).is_some_and(|policy| !selects_anyone(self.state, policy))
    }

    /// What is shown of a policy.
    pub fn policy(&self, index: usize) -> Option<Policy> {
        self.set.policies().get(index).map(policy)
    }

    fn rule(&self, gap: &Gap) -> Option<Rule> {
        let direction = word(self.direction);
        let field = format!("spec.{direction}[{}]", gap.rule);
        let peers = if self.direction == Direction::Egress { "to" } else { "from" };
        Some(Rule {
            policy: self.policy(gap.policy)?,
            line: self.set.line(gap.policy, &field)?,
            peer: gap.peer.as_ref().map(|entry| format!("{field}.{peers}[{}]", entry.index)),
            ports: gap.port.as_ref().map(|entry| format!("{field}.ports[{}]", entry.index)),
            missing: gap.unmet().map(ToString::to_string).collect(),
            field,
        })
    }
}

fn selects_anyone(state: &State, policy: &NetworkPolicy) -> bool {
    let is_selected = |pod: &netwright_policy::Pod| {
        pod.namespace == policy.namespace && policy.pod_selector.matches(|key| pod.label(key))
    };
    state.pods.iter().any(|pod| !pod.host_network && is_selected(&pod.pod))
}

/// The name of the field in a manifest.
pub fn word(direction: Direction) -> &'static str {
    match direction {
        Direction::Egress => "egress",
        Direction::Ingress => "ingress",
    }
}

/// For a sentence: `policy shop/api (api.yaml:1)`. Escaped.
pub fn name(policy: &Policy) -> String {
    let Policy { namespace, name, file, line, .. } = policy;
    format!("policy {}/{} ({}:{line})", plain(namespace), plain(name), plain(file))
}

/// For a sentence: `spec.ingress[0] of policy shop/api (api.yaml:8)`, with the line of the rule. Escaped.
pub fn place(rule: &Rule) -> String {
    let Policy { namespace, name, file, .. } = &rule.policy;
    format!("{} of policy {}/{} ({}:{})", rule.field, plain(namespace), plain(name), plain(file), rule.line)
}

/// What is shown of a policy.
pub fn policy(policy: &NetworkPolicy) -> Policy {
    Policy {
        namespace: policy.namespace.clone(),
        name: policy.name.clone(),
        file: policy.origin.file.clone(),
        line: policy.origin.line,
        selector: selector(&policy.pod_selector),
    }
}

/// A selector as kubectl writes it: `app=api,tier in (a,b),!canary`. Empty for one that matches everything.
pub fn selector(selector: &Selector) -> String {
    selector.requirements.iter().fold(String::new(), |mut text, Requirement { key, operator }| {
        let comma = if text.is_empty() { "" } else { "," };
        let list = |values: &Values| values.iter().collect::<Vec<_>>().join(",");
        // Writing to a String cannot fail.
        let _ = match operator {
            Operator::In(values) if values.len() == 1 => write!(text, "{comma}{key}={}", list(values)),
            Operator::In(values) => write!(text, "{comma}{key} in ({})", list(values)),
            Operator::NotIn(values) => write!(text, "{comma}{key} notin ({})", list(values)),
            Operator::Exists => write!(text, "{comma}{key}"),
            Operator::DoesNotExist => write!(text, "{comma}!{key}"),
        };
        text
    })
}
