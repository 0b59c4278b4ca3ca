//! In which form a plan is written: the dialect, whether it enforces or only logs, and what else a dialect must be told.
//! Serves whoever renders, and the options of `netwright synth`.

use super::kubernetes::Division;
use clap::ValueEnum;
use std::fmt;
use std::str::FromStr;

/// The kind of object in which policies are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Dialect {
    /// networking.k8s.io/v1 NetworkPolicy, which every enforcer understands.
    #[default]
    Kubernetes,
    /// cilium.io/v2 CiliumNetworkPolicy: DNS names and entities in place of addresses.
    Cilium,
    /// projectcalico.org/v3 NetworkPolicy.
    Calico,
    /// security.istio.io/v1 AuthorizationPolicy: who may call, by ServiceAccount.
    Istio,
    /// NetworkPolicies, and policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicies as guard rails around them.
    Cluster,
}

impl Dialect {
    /// Its name in options and files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kubernetes => "kubernetes",
            Self::Cilium => "cilium",
            Self::Calico => "calico",
            Self::Istio => "istio",
            Self::Cluster => "cluster",
        }
    }

    /// Whether its files hold the NetworkPolicies themselves, which a replay can read.
    pub fn is_proven_as_written(self) -> bool {
        matches!(self, Self::Kubernetes | Self::Cluster)
    }
}

/// What policies do with what they do not allow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Stage {
    /// They deny it.
    #[default]
    Enforce,
    /// They only log it, or do nothing: for a rehearsal.
    Audit,
}

impl Stage {
    /// Its name in options and files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Audit => "audit",
        }
    }
}

/// The domain of a mesh's identities, the first part of a principal (Istio: `meshConfig.trustDomain`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustDomain(String);

impl TrustDomain {
    /// The domain.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for TrustDomain {
    fn default() -> Self {
        Self("cluster.local".into())
    }
}

/// A text that is no trust domain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a trust domain: write lower-case letters, digits, '.', '-' and '_', as in meshConfig.trustDomain of \
     Istio (cluster.local if nobody changed it)"
)]
pub struct InvalidTrustDomain(String);

impl FromStr for TrustDomain {
    type Err = InvalidTrustDomain;

    /// As SPIFFE has it ("SPIFFE-ID", section 2.1): anything else, a `*` above all, would change what a principal matches.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
        if text.is_empty() || text.len() > 255 || !text.bytes().all(valid) {
            return Err(InvalidTrustDomain(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

/// How a plan is to be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Form {
    /// In which dialect.
    pub dialect: Dialect,
    /// Whether it enforces.
    pub stage: Stage,
    /// How NetworkPolicies are divided into objects.
    pub division: Division,
    /// Whether Calico enforces them, which has a log-only form of NetworkPolicies too.
    pub by_calico: bool,
    /// The domain of the mesh's identities.
    pub trust_domain: TrustDomain,
}

/// A dialect that cannot be written as asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// NetworkPolicies deny, or are not there.
    #[error(
        "a NetworkPolicy has no log-only form, so there is nothing to write for --dialect kubernetes --stage audit; use \
         the dialect of the enforcer, which has one (--dialect calico, cilium or istio), add --cni calico for \
         StagedKubernetesNetworkPolicies, or rehearse offline: netwright check OBSERVATION --policies DIR"
    )]
    KubernetesAudit,
    /// So do these.
    #[error(
        "a ClusterNetworkPolicy has no log-only form, so there is nothing to write for --dialect cluster --stage audit; \
         rehearse with --dialect calico, cilium or istio, and write the guard rails when what they guard is in force"
    )]
    ClusterAudit,
}

impl Form {
    /// Whether it can be written at all.
    ///
    /// # Errors
    ///
    /// The dialect has no log-only form.
    pub fn check(&self) -> Result<(), FormError> {
        match (self.stage, self.dialect) {
            (Stage::Audit, Dialect::Kubernetes) if !self.by_calico => Err(FormError::KubernetesAudit),
            (Stage::Audit, Dialect::Cluster) => Err(FormError::ClusterAudit),
            _ => Ok(()),
        }
    }

    /// Whether the objects themselves are NetworkPolicies, which a replay can read.
    pub fn is_proven_as_written(&self) -> bool {
        self.stage == Stage::Enforce && self.dialect.is_proven_as_written()
    }

    /// What whoever applies the policies must know of this form: a sentence each.
    pub fn advice(&self) -> &'static [&'static str] {
        match (self.dialect, self.stage) {
            (Dialect::Kubernetes, Stage::Enforce) => &[NO_ICMP],
            (Dialect::Kubernetes | Dialect::Calico, Stage::Audit) => &[
                "staged policies deny nothing: Calico's flow logs (Whisker, Goldmane) say which flow each would have \
                 denied; afterwards write the policies without --stage, and delete the staged ones",
            ],
            (Dialect::Calico, Stage::Enforce) => &[NO_ICMP],
            (Dialect::Cilium, Stage::Enforce) => &[
                NO_ICMP,
                "who may use a name is learned from its DNS answers: names in toFQDNs need Cilium's DNS proxy \
                 (l7Proxy), which is on by default",
            ],
            (Dialect::Cilium, Stage::Audit) => &[
                "enableDefaultDeny is false everywhere, so applying these denies nothing, and DNS goes through Cilium's \
                 proxy for a rehearsal of it; they do not log what they would deny",
                "to see that, write the policies without --stage and turn on Cilium's policy audit mode first, for all \
                 (policyAuditMode=true in Helm) or for one endpoint (cilium-dbg endpoint config ID \
                 PolicyAuditMode=Enabled, until its agent restarts): hubble observe -t policy-verdict then shows AUDITED",
            ],
            (Dialect::Istio, Stage::Enforce) => &[ISTIO_CALLERS],
            (Dialect::Istio, Stage::Audit) => &[
                ISTIO_CALLERS,
                "policies with istio.io/dry-run are evaluated and logged by Envoy (sidecars and waypoints: shadow_denied \
                 in the rbac debug log and the metrics), not by every version of ambient's ztunnel",
            ],
            (Dialect::Cluster, _) => &[
                NO_ICMP,
                "guard rails hold for pods that come later, too, and no namespace can take them back; apply them after \
                 the NetworkPolicies beside them",
            ],
        }
    }
}

const NO_ICMP: &str = "ICMP is neither recorded nor allowed: where policies isolate a pod, whether ping passes is the enforcer's \
                       affair; only Cilium and Calico have rules for it, which are yours to add";
const ISTIO_CALLERS: &str = "an AuthorizationPolicy says who may call over TCP, by identities that need mutual TLS; \
                             egress and UDP need NetworkPolicies beside it";

/// As options: `--dialect cilium --stage audit`.
impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--dialect {} --stage {}", self.dialect.as_str(), self.stage.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_log_only_form_says_what_to_use_instead() {
        let audit = |dialect| Form { dialect, stage: Stage::Audit, ..Form::default() };
        for dialect in [Dialect::Kubernetes, Dialect::Cluster] {
            assert!(audit(dialect).check().unwrap_err().to_string().contains("--dialect calico"), "{dialect:?}");
        }
        for dialect in [Dialect::Cilium, Dialect::Calico, Dialect::Istio] {
            assert_eq!(audit(dialect).check(), Ok(()));
        }
        assert_eq!(Form { by_calico: true, ..audit(Dialect::Kubernetes) }.check(), Ok(()));
    }

    #[test]
    fn a_trust_domain_cannot_widen_a_principal() {
        assert_eq!("td.example".parse::<TrustDomain>().unwrap().as_str(), "td.example");
        for text in ["", "*", "a/b", "a b", "A", "*.example", "a\n"] {
            assert!(text.parse::<TrustDomain>().is_err(), "{text:?}");
        }
    }
}
