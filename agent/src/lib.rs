//! Records on one node who talks to whom: the library behind `netwright-agent`.
//!
//! Data goes one way. [`probe`] loads the kernel programs and reads what they counted; [`identity`] says whose a socket
//! is; [`flows`] turns counters into what is new and what is lost; [`recorder`] owns all of these between two drains, and
//! [`session`] makes segments of it; [`spool`] keeps them on disk. In a cluster [`pods`] adds who was at which address when,
//! and [`ship`] brings the segments to the collector.
#![cfg(target_os = "linux")]

pub mod address;
pub mod cli;
pub mod clock;
pub mod flows;
pub mod identity;
pub mod metrics;
pub mod pods;
pub mod probe;
pub mod recorder;
mod seldom;
pub mod session;
pub mod ship;
pub mod sockets;
pub mod spool;
