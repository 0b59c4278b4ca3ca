//! The kernel's side of the agent: load and attach the programs, read what they counted.
//!
//! The only place on the user side that speaks to the kernel about BPF, and the only one with unsafe code.
#![allow(unsafe_code)] // bpf(2) is called directly where aya has no call for it: reading a map in batches.

mod attach;
mod batch;
pub mod btf;
mod read;

pub use attach::{Config, Probe, ProbeError, UdpHooks, cookie_in_skb, has_sctp, inode};
pub use read::{Counts, DnsMessage, monotonic_now};
