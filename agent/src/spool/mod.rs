//! What survives a crash: segments on disk, each a whole observation file of one interval. Stand-alone they lie beside the file that they
//! are assembled into ([`segments`], [`assemble`](mod@assemble)); in a cluster they wait for the collector ([`store`]).

pub mod assemble;
pub mod disk;
pub mod id;
mod leftovers;
pub mod segments;
pub mod store;
mod untold;

pub use assemble::assemble;
pub use disk::Disk;
pub use id::SegmentId;
pub use segments::Segments;
pub use store::{Dropped, Limits, Spool};
