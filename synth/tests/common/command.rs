//! Runs the command as a user would.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

use std::process::Output;

/// What became of `netwright` with these arguments.
pub fn netwright(arguments: &[&str]) -> Output {
    with_stdin(arguments, "")
}

/// The same with something on stdin.
pub fn with_stdin(arguments: &[&str], stdin: &str) -> Output {
    assert_cmd::cargo::cargo_bin_cmd!("netwright").args(arguments).write_stdin(stdin).output().unwrap()
}

/// What it wrote to stdout.
pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What it wrote to stderr.
pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
