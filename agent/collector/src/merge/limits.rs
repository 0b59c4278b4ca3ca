//! What one client may add to what is kept. A process that is broken, or means harm, can talk to a million addresses or ask for a
//! million names; a policy of a million rules helps nobody, and memory and disk are finite.
//!
//! Beyond the limit, destinations outside the cluster become one (`internet`), and attempts inside it of which none
//! succeeded are counted and not kept. What did succeed inside the cluster is always kept: workloads and their ports are finite.

use netwright_record::Endpoint;
use netwright_resolve::resolve::{Key, Side, Statement, Subject};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// What becomes of a statement about a subject that nobody has spoken of before.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is kept.
    Kept,
    /// It counts for this subject instead.
    Collapsed(Box<Subject>),
    /// So many attempts are only counted.
    Counted(u64),
}

/// How many subjects of each client are kept. 16 bytes a client.
#[derive(Debug)]
pub(super) struct Clients {
    most: u32,
    hasher: RandomState,
    subjects: HashMap<u64, u32>,
}

impl Clients {
    /// Nobody has said anything yet; each client may have `most` subjects.
    pub(super) fn new(most: u32) -> Self {
        Self { most, hasher: RandomState::new(), subjects: HashMap::new() }
    }

    /// Counts a subject that is kept already.
    pub(super) fn known(&mut self, subject: &Subject) {
        if let Some(client) = limited(subject) {
            let count = self.subjects.entry(self.hasher.hash_one(client)).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// Decides about a new subject, and counts it where it is kept.
    pub(super) fn admit(&mut self, subject: &Subject, statement: &Statement) -> Admission {
        let Some(client) = limited(subject) else { return Admission::Kept };
        let count = self.subjects.entry(self.hasher.hash_one(client)).or_default();
        if *count < self.most {
            *count += 1;
            return Admission::Kept;
        }
        match (subject, &statement.activity) {
            (Subject::Edge { key, side }, _) if is_outside(&key.server) => {
                let key = Key { server: Endpoint::Internet, ..key.clone() };
                Admission::Collapsed(Box::new(Subject::Edge { key, side: *side }))
            }
            (_, Some(activity)) if !activity.established() => Admission::Counted(activity.connections),
            _ => {
                *count = count.saturating_add(1);
                Admission::Kept
            }
        }
    }
}

/// What a client says about itself; what servers say of their clients is bounded by these.
fn limited(subject: &Subject) -> Option<&Endpoint> {
    let by_client = match subject {
        // Everything outside is one already.
        Subject::Edge { key, side } => *side == Side::Client && key.server != Endpoint::Internet,
        Subject::ToNode { .. } | Subject::Through { .. } => true,
        _ => false,
    };
    subject.client().filter(|_| by_client)
}

fn is_outside(server: &Endpoint) -> bool {
    matches!(server, Endpoint::External { .. } | Endpoint::ExternalName { .. } | Endpoint::LinkLocal { .. })
}

/// The address of a server that is known by nothing else.
pub(super) fn address_of(subject: &Subject) -> Option<std::net::IpAddr> {
    match subject.server() {
        Some(Endpoint::External { address } | Endpoint::LinkLocal { address }) => Some(*address),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netwright_record::inventory::WorkloadRef;
    use netwright_record::{Activity, Protocol, Time};

    fn workload(name: &str) -> Endpoint {
        Endpoint::Workload(WorkloadRef { namespace: "shop".into(), kind: "Deployment".into(), name: name.into() })
    }

    fn to(client: &str, server: Endpoint, port: u16) -> Subject {
        let key = Key { client: workload(client), server, protocol: Protocol::Tcp, port };
        Subject::Edge { key, side: Side::Client }
    }

    fn outside(number: u8) -> Endpoint {
        Endpoint::External { address: [198, 18, 0, number].into() }
    }

    fn said(connections: u64, failed: u64) -> Statement {
        let activity = Activity { connections, failed, ..Activity::once(Time::UNIX_EPOCH) };
        Statement { activity: Some(activity), ..Statement::default() }
    }

    #[test]
    fn beyond_the_limit_the_outside_is_one() {
        let mut clients = Clients::new(2);
        assert_eq!(clients.admit(&to("a", outside(1), 443), &said(1, 0)), Admission::Kept);
        clients.known(&to("a", outside(2), 443));
        let collapsed = Admission::Collapsed(Box::new(to("a", Endpoint::Internet, 443)));
        assert_eq!(clients.admit(&to("a", outside(3), 443), &said(1, 0)), collapsed);
        assert_eq!(clients.admit(&to("a", Endpoint::Internet, 443), &said(1, 0)), Admission::Kept);
        assert_eq!(clients.admit(&to("b", outside(3), 443), &said(1, 0)), Admission::Kept, "another client");
    }

    #[test]
    fn inside_what_succeeded_is_kept_and_a_scan_is_counted() {
        let mut clients = Clients::new(0);
        assert_eq!(clients.admit(&to("a", workload("b"), 1), &said(3, 3)), Admission::Counted(3));
        assert_eq!(clients.admit(&to("a", workload("b"), 2), &said(3, 2)), Admission::Kept);
    }

    #[test]
    fn what_servers_say_is_not_limited() {
        let mut clients = Clients::new(0);
        let Subject::Edge { key, .. } = to("a", workload("b"), 1) else { unreachable!() };
        assert_eq!(clients.admit(&Subject::Edge { key, side: Side::Server }, &said(1, 1)), Admission::Kept);
    }
}
