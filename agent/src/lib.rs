//! Records on one node who talks to whom: the library behind `netwright-agent`.
//!
//! Data goes one way. [`probe`] loads the kernel programs and reads what they counted; [`identity`] says whose a socket
//! is; [`flows`] turns counters into what is new and what is lost; [`recorder`] owns all of these between two drains;
//! [`spool`] keeps the result on disk.
#![cfg(target_os = "linux")]

pub mod address;
pub mod cli;
pub mod clock;
pub mod flows;
pub mod identity;
pub mod probe;
pub mod recorder;
pub mod sockets;
pub mod spool;
