//! Least-privilege NetworkPolicies from what was seen, proven by replay.
//!
//! Works on a laptop, without access to a cluster: everything comes from an observation file. The way through:
//! [`infer`] turns an observation into rules, [`render`] writes them as manifests, [`replay`] proves any set of
//! manifests against the observation, [`synthesis`] puts these together. [`mod@graph`] and [`export`] draw who talks to
//! whom. [`cli`] is the command `netwright`.

pub mod cli;
pub mod collector;
pub mod comparison;
pub mod connectivity;
pub mod export;
pub mod graph;
pub mod index;
pub mod infer;
pub mod inspection;
pub mod merge;
pub mod output;
pub mod parallel;
pub mod phases;
pub mod render;
pub mod replay;
pub mod review;
pub mod state;
pub mod synthesis;
pub mod text;

#[cfg(test)]
mod dialects;
#[cfg(test)]
mod properties;
#[cfg(test)]
#[path = "../tests/common/mod.rs"]
mod testing;
