//! Takes what the agents of a cluster saw, names both ends, keeps the window: the library behind `netwright-collector`.
//!
//! Data goes one way: [`ingest`] puts segments into the inbox of the [`store`], [`merge`] turns them into statements with the inventory
//! that [`watch`] fills, and [`export`] hands out what is kept as one [`mod@observation`].

pub mod cli;
pub mod export;
pub mod ingest;
pub mod merge;
pub mod metrics;
pub mod observation;
pub mod store;
pub mod watch;
