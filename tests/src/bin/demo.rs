//! `netwright-demo [DIRECTORY]`: the whole loop on real traffic; outputs go to DIRECTORY (`out/demo`).

use std::process::ExitCode;

fn main() -> anyhow::Result<ExitCode> {
    let directory = std::env::args_os().nth(1).unwrap_or_else(|| "out/demo".into());
    netwright_tests::demo::run(directory.as_ref())
}
