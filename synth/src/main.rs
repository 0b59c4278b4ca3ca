//! The command `netwright`.

use std::process::ExitCode;

fn main() -> ExitCode {
    netwright::cli::main()
}
