//! NetworkPolicy manifests and their exact meaning.
//!
//! For whoever has to know what a set of policies allows: replay of an observation, linting, explaining. The crate
//! reads manifests ([`PolicySet::parse`], [`PolicySet::load`]) as strictly as the API server does, and answers for
//! any two parties whether one may connect to the other ([`PolicySet::verdict`]; [`PolicySet::ask`] for protocols that no
//! policy can name; [`Service::resolve`] first where the question is about a Service). The semantics are those of
//! `networking.k8s.io/v1`, taken from the comments on the API's types.
//!
//! It proves what another part of Netwright wrote, so it shares no code with it: a mistake there must not be made
//! here too. It does no I/O beyond reading manifests.
//!
//! ```
//! use netwright_policy::{Cluster, Labels, Party, Pod, PolicySet, Protocol, Source};
//!
//! let text = "
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: api, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {app: api}}
//!   ingress: [{ports: [{port: 8080}], from: [{podSelector: {matchLabels: {app: front}}}]}]
//! ";
//! let parsed = PolicySet::parse(&[Source { name: "api.yaml".into(), text: text.into() }]).unwrap();
//! let pod = |app: &str| Pod {
//!     namespace: "shop".into(),
//!     name: app.into(),
//!     labels: Labels::from([("app".into(), app.into())]),
//!     addresses: vec![],
//!     node_addresses: vec![],
//!     ports: vec![],
//! };
//! let (front, api) = (pod("front"), pod("api"));
//! let ask = |from, to| {
//!     parsed.policies.verdict(&Cluster::default(), &Party::Pod(from), &Party::Pod(to), Protocol::Tcp, 8080)
//! };
//! assert!(ask(&front, &api).allowed());
//! assert!(ask(&api, &front).allowed(), "nothing isolates front");
//! assert!(!ask(&pod("stranger"), &api).allowed());
//! ```

mod cluster;
mod error;
mod evaluate;
pub mod explain;
mod filed;
mod index;
mod labelled;
pub mod lint;
mod load;
mod model;
mod parse;
mod peers;
mod ports;
mod protocol;
mod relation;
mod runs;
mod selector;
mod service;
mod set;
mod shorthand;
mod verdict;

pub use cluster::{Cluster, Labels, METADATA_NAME, NamedPort, Party, Pod, Traffic};
pub use error::{LoadError, ParseError, ParseFailure, ParseWarning, Problem, Remark};
pub use load::{Parsed, ReadOptions, Source};
pub use model::{Direction, IpBlock, NetworkPolicy, Origin, Peer, PortRange, Ports, Rule};
pub use ports::PortSet;
pub use protocol::{Protocol, UnknownProtocol};
pub use relation::{AddressRange, Classes, Count, Difference, End, Relation};
pub use selector::{Operator, Requirement, Selector, Values};
pub use service::{
    Backends, Candidate, Destination, Endpoint, EndpointPort, Resolution, Route, Service, ServicePort, TargetPort,
};
pub use set::PolicySet;
pub use verdict::{Answer, Decision, Exemption, Verdict};
