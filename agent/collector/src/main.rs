//! `netwright-collector`: see the library.

fn main() {}
