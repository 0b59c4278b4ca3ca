//! How much is said by how little: addresses by blocks, ports by ranges, workloads by labels.
//!
//! Serves the passes that write peers and ports. Everything here is a pure function over plain values, which knows
//! nothing of observations: what it is given is what was seen, and whatever it allows beyond that comes back as a number.

pub mod cidr;
pub mod labels;
pub mod ports;
pub mod special;
mod trie;
