//! `netwright-demo-cluster [DIRECTORY [SECONDS]]`: the whole loop on a real Kubernetes; outputs go to DIRECTORY (`out/demo-cluster`), the shop
//! is watched for SECONDS (180).

use anyhow::Context;
use std::process::ExitCode;
use std::time::Duration;

fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().unwrap_or_else(|| "out/demo-cluster".into());
    let seconds = arguments.next().unwrap_or_else(|| "180".into());
    let seconds = seconds.parse().with_context(|| format!("{seconds:?} is no number of seconds"))?;
    netwright_tests::demo::cluster::run(directory.as_ref(), Duration::from_secs(seconds))
}
