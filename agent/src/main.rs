//! `netwright-agent`: see the library.

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    netwright_agent::cli::main()
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::print_stderr, reason = "all there is to say")]
fn main() -> ExitCode {
    eprintln!("netwright-agent needs Linux: it records with eBPF");
    ExitCode::FAILURE
}
