//! The shop: a small cluster declared once, from which everything else follows.
//!
//! Its table (`table.rs`) declares workloads, Services and what each container does. From it come the processes ([`stage`]), what
//! `kubectl get` would print ([`inventory`]), and the edges that must be seen, no more and no fewer
//! ([`expected`]). Nothing is taken from what was seen, so [`compare`] can find fault with it.

mod clients;
pub mod compare;
pub mod expected;
pub mod inventory;
pub mod model;
mod naming;
pub mod pods;
pub mod stage;
mod table;

pub use model::Shop;
pub use table::shop;
