//! What a set of policies allows between all pods, and between pods and all addresses. For whoever asks about everything
//! at once: what is open, what differs between two sets, how many pairs may talk.
//!
//! Nothing here is of the size of pods times pods. [`Classes`] puts pods together that no policy tells apart: the same
//! namespace, the same of the labels that selectors look at, the same of the named ports that rules mention, addresses
//! in the same ranges. Every selector is resolved once, to runs of classes. A [`Relation`] has one row for each class and
//! direction: a set of ports that holds for most other classes and the stretches for which another one does. Classes
//! that the same policies isolate share their rows, so a cluster without policies has one row.
//!
//! Sets of ports are kept once each and known by number. The other way, masks with one bit for each range of ports that
//! policies tell apart, was set aside: clusters where each of 10,000 policies names a port of its own would need masks
//! of some kilobytes each, while a set of ranges stays at the few bytes that its rule wrote.
//!
//! [`PolicySet::verdict`](crate::PolicySet::verdict) shares nothing with this but the manifests it reads: each is tested
//! against the other.

mod building;
mod classes;
mod count;
mod differences;
mod port_sets;
mod ranges;
mod rows;
mod rules;
mod sorting;
mod table;

pub use classes::Classes;
pub use count::Count;
pub use differences::{Difference, End};
pub use ranges::AddressRange;
pub use table::Relation;

use crate::shorthand::{Map, number};
