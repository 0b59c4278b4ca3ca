//! The command `netwright`.

use std::process::ExitCode;

/// Large clusters are millions of small pieces of memory, taken and given back on all cores.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    netwright::cli::main()
}
