//! Names both ends of every flow: reads what a cluster consists of, and turns what nodes saw into edges.
//!
//! An agent knows who was on its own node and nothing about the other end of a connection. That end is named here,
//! in one place, against the whole inventory of the cluster: [`inventory`] reads the inventory from what
//! `kubectl get` prints, [`resolve`] says who held an address at the time of a flow, follows Services to the pods
//! behind them, and merges what both ends of a connection reported into one edge.
//!
//! Both halves are pure: no clock, no network, no file. Whoever runs them passes text, flows and times in.

pub mod inventory;
pub mod live;
pub mod resolve;
