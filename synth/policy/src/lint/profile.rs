//! How enforcers differ from the documents of NetworkPolicy. For checks that concern one of them, and for whoever asks what
//! a profile knows.

use std::fmt;
use std::str::FromStr;

/// Who enforces the policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Profile {
    /// As the documents say; nothing is assumed of the enforcer.
    #[default]
    Generic,
    /// Cilium.
    Cilium,
    /// Calico.
    Calico,
    /// The Amazon VPC CNI with its own network policy agent.
    Vpc,
    /// OVN-Kubernetes, OpenShift's default.
    Ovn,
    /// kube-router, also as k3s runs it for policies.
    KubeRouter,
}

impl Profile {
    /// All of them.
    pub const ALL: [Profile; 6] =
        [Profile::Generic, Profile::Cilium, Profile::Calico, Profile::Vpc, Profile::Ovn, Profile::KubeRouter];

    /// The name in lower case: `kube-router`.
    pub fn as_str(self) -> &'static str {
        match self {
            Profile::Generic => "generic",
            Profile::Cilium => "cilium",
            Profile::Calico => "calico",
            Profile::Vpc => "vpc",
            Profile::Ovn => "ovn",
            Profile::KubeRouter => "kube-router",
        }
    }

    /// What is known to differ.
    pub fn differences(self) -> impl Iterator<Item = &'static Difference> {
        DIFFERENCES.iter().filter(move |difference| difference.profile == self)
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A name that is no profile's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown CNI profile {0:?}: expected generic, cilium, calico, vpc, ovn or kube-router")]
pub struct UnknownProfile(pub String);

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Profile::ALL.into_iter().find(|profile| profile.as_str() == name);
        found.ok_or_else(|| UnknownProfile(name.to_owned()))
    }
}

/// One thing that an enforcer does in its own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// Who does it.
    pub profile: Profile,
    /// What.
    pub text: &'static str,
    /// How it is known.
    pub evidence: Evidence,
    /// The check that looks for it; `None` where the policies do not show it.
    pub check: Option<&'static str>,
}

/// How a difference is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// Its makers say so, at this address.
    Documented(&'static str),
    /// Seen with the enforcer itself, of this version.
    Measured(&'static str),
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Evidence::Documented(address) => write!(f, "documented: {address}"),
            Evidence::Measured(version) => write!(f, "measured: {version}"),
        }
    }
}

const CILIUM_POLICY: Evidence = Evidence::Documented("https://docs.cilium.io/en/stable/network/kubernetes/policy/");
const EKS: Evidence = Evidence::Documented("https://docs.aws.amazon.com/eks/latest/userguide/cni-network-policy.html");
const OPENSHIFT: Evidence = Evidence::Documented(
    "https://docs.redhat.com/en/documentation/openshift_container_platform/4.18/html/network_security/network-policy",
);
const KUBE_ROUTER: Evidence = Evidence::Measured("kube-router 2.9 and 2.11");

const DIFFERENCES: &[Difference] = &[
    Difference {
        profile: Profile::Cilium,
        text: "an ipBlock never matches a pod, and matches a node only with policyCIDRMatchMode nodes",
        evidence: CILIUM_POLICY,
        check: Some("cilium-ipblock"),
    },
    Difference {
        profile: Profile::Cilium,
        text: "SCTP is a beta feature and off unless sctp.enabled is set",
        evidence: Evidence::Documented("https://docs.cilium.io/en/stable/configuration/sctp/"),
        check: Some("cilium-sctp"),
    },
    Difference {
        profile: Profile::Calico,
        text: "egress policies hold for a pod's own node too: kubelet and host-network pods there need a rule",
        evidence: Evidence::Measured("Calico, with Kubernetes NetworkPolicy"),
        check: Some("calico-own-node"),
    },
    Difference {
        profile: Profile::Calico,
        text: "a projectcalico.org policy without types means both directions where its admission defaults did not run; \
               the API server fills in policyTypes of a Kubernetes NetworkPolicy",
        evidence: Evidence::Measured("Calico, its own policies"),
        check: None,
    },
    Difference {
        profile: Profile::Vpc,
        text: "the port of a Service must equal the port of the container, and a named port must be called the same in both",
        evidence: EKS,
        check: Some("vpc-service-port"),
    },
    Difference {
        profile: Profile::Vpc,
        text: "policies hold only for pods with an ownerReference, not for bare ones",
        evidence: EKS,
        check: Some("vpc-bare-pod"),
    },
    Difference {
        profile: Profile::Vpc,
        text: "at most 24 combinations of port and protocol for a selector of a rule or, in later versions, for a block of addresses",
        evidence: EKS,
        check: Some("vpc-port-limit"),
    },
    Difference {
        profile: Profile::Vpc,
        text: "a cluster is IPv4 or IPv6, and rules of the other family are ignored",
        evidence: EKS,
        check: Some("vpc-ip-family"),
    },
    Difference {
        profile: Profile::Vpc,
        text: "policies hold on EC2 Linux nodes only, not on Fargate or Windows nodes",
        evidence: EKS,
        check: None,
    },
    Difference {
        profile: Profile::Ovn,
        text: "named ports are not supported: write numbers",
        evidence: Evidence::Documented("https://github.com/ovn-kubernetes/ovn-kubernetes/pull/1225"),
        check: Some("ovn-named-port"),
    },
    Difference {
        profile: Profile::Ovn,
        text: "a namespaceSelector takes in host-network pods only together with podSelector {}; \
               policy-group.network.openshift.io/host-network selects host-network traffic on OpenShift",
        evidence: OPENSHIFT,
        check: Some("ovn-host-network"),
    },
    Difference {
        profile: Profile::Ovn,
        text: "a policy cannot block what comes from the pod's own node",
        evidence: OPENSHIFT,
        check: None,
    },
    Difference {
        profile: Profile::KubeRouter,
        text: "between two pods that one policy with both policyTypes selects, either half of it is enough to pass",
        evidence: KUBE_ROUTER,
        check: Some("kube-router-both-types"),
    },
    Difference {
        profile: Profile::KubeRouter,
        text: "IPv6 is ignored unless --enable-ipv6 is given",
        evidence: Evidence::Documented("https://kube-router.io/docs/ipv6"),
        check: Some("kube-router-ipv6"),
    },
    Difference { profile: Profile::KubeRouter, text: "ICMP echo always passes", evidence: KUBE_ROUTER, check: None },
    Difference {
        profile: Profile::KubeRouter,
        text: "a new pod is filtered only after about a second, and reaches others only then",
        evidence: KUBE_ROUTER,
        check: None,
    },
];
