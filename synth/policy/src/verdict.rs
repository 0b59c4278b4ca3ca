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
    /// A pod's own node to the pod. Not the reverse: some enforcers hold a pod's egress to its own node against its policies.
    OwnNode,
}
