//! `netwright-collector`: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    netwright_collector::cli::main()
}
