//! The way to a collector, for the verbs that ask one: through the API server of its cluster, or straight to an address.
//!
//! A collector listens for people on the loopback of its pod alone, without TLS. Whoever may forward ports to that pod may read:
//! the API server authenticates, RBAC authorises (`pods/portforward`), and the way there is the API server's TLS.
//! [`Door`] is that way, [`ask`] what is said on it, [`pull`] a download that survives both being cut.

pub mod ask;
pub mod attention;
mod door;
mod error;
mod kubernetes;
pub mod partial;
pub mod pull;

pub use door::{Door, Place};
pub use error::CollectorError;

/// The port for people, on the loopback of the collector's pod.
pub const PORT: u16 = 8444;
