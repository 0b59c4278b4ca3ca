//! The answer to "may this connection be made?", with the reason. For replay and for whoever explains it.

/// What both ends say to one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What the policies of the source say.
    pub egress: Decision,
    /// What the policies of the destination say.
    pub ingress: Decision,
}

impl Verdict {
    /// Whether the connection can be made: both ends have to allow it.
    pub fn allowed(&self) -> bool {
        self.egress.allows() && self.ingress.allows()
    }
}

/// The answer to a question about any traffic, also of protocols that policies do not speak about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// What the policies say. Of a protocol that no policy can name it is always that nothing forbids it.
    Defined(Verdict),
    /// The protocol is one that no policy can name, and a policy isolates an end. Website, network-policies: "For other
    /// protocols, such as ARP or ICMP, the behaviour is undefined", for rules that allow no less than for those that deny.
    Undefined {
        /// The policies that isolate the source for egress, in ascending order; none if the other end alone is isolated.
        egress_isolated_by: Vec<usize>,
        /// The policies that isolate the destination for ingress, in ascending order.
        ingress_isolated_by: Vec<usize>,
    },
}

impl Answer {
    /// Whether the traffic passes; `None` where it is undefined.
    pub fn allowed(&self) -> Option<bool> {
        match self {
            Answer::Defined(verdict) => Some(verdict.allowed()),
            Answer::Undefined { .. } => None,
        }
    }
}

/// What one end says. Policies are named by their index in [`PolicySet::policies`](crate::PolicySet::policies).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// No policy isolates this end in this direction, or this end is no pod.
    NotIsolated,
    /// No policy can forbid it.
    Exempt(Exemption),
    /// A rule admits it.
    Allowed {
        /// The first policy with a rule that admits it.
        policy: usize,
        /// The first such rule: its index in the policy's `ingress` or `egress`.
        rule: usize,
    },
    /// This end is isolated and no rule admits it.
    Denied {
        /// All policies that isolate this end in this direction, in ascending order; never empty.
        isolated_by: Vec<usize>,
    },
}

impl Decision {
    /// Whether this end lets the connection pass.
    pub fn allows(&self) -> bool {
        !matches!(self, Decision::Denied { .. })
    }
}

/// Why no policy can forbid a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exemption {
    /// A pod to itself.
    SamePod,
    /// A pod's own node to the pod; the reverse only with [`Cluster::own_node_egress_exempt`](crate::Cluster::own_node_egress_exempt).
    OwnNode,
}
