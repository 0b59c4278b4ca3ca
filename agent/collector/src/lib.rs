//! Takes what the agents of a cluster saw, names both ends, keeps the window: the library behind `netwright-collector`.

pub mod merge;
pub mod observation;
pub mod store;
pub mod watch;
