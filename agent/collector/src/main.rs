//! `netwright-collector`: see the library.

use std::process::ExitCode;

/// Rows and records are many small pieces that one thread makes and another one drops, and memory is bounded: what is free is given back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    netwright_collector::cli::main()
}
