//! The pods of this node: who they are, by the API server, and when each held its addresses, by its cgroups.
//!
//! [`watch`] and [`tree`] bring in what happens; [`Pods`] puts it together and says what the next segment has to tell; [`Feed`] stands
//! between these and the recording.

pub mod feed;
pub mod known;
pub mod tree;
pub mod watch;

pub use feed::Feed;
pub use known::{Listed, Pods};
