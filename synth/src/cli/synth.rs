//! `netwright synth`: write the policies that admit what was seen, proven.

use super::exit::ExitStatus;
use super::{interrupt, observation, progress, summary};
use crate::infer::Options;
use crate::synthesis::synthesise;
use std::io::Write;
use std::path::PathBuf;

/// Write the least policies that admit what was seen, and prove them.
///
/// For each workload one NetworkPolicy with both directions (NAMESPACE/NAME.yaml), a default-deny for each namespace
/// in which every workload was seen at work, a kustomization.yaml for `kubectl apply -k`, and evidence.json, which says
/// for each rule where it comes from and lists what a person should review.
///
/// The files are written aside, read back, and every connection that was seen is replayed against them. Only when
/// none is denied are they moved into place. Files of an earlier run are replaced, or removed if nothing stands for
/// them any more; a file without our marker in its first line is never touched.
///
/// Attempts that never got through (a port scan, a dead destination) become no rules, nor does the cloud metadata
/// service; both are listed. Ctrl-C leaves nothing behind. The same observation gives the same bytes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The observation file.
    observation: PathBuf,
    /// The folder to write to; made if it is not there.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Runs the verb.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<ExitStatus> {
    let observation = observation::read_with_edges(&args.observation)?;
    let bar = progress::bar(observation.edges.len(), "proving");
    interrupt::watch();
    let synthesis = synthesise(&observation, &Options::default(), &args.out, || {
        bar.inc(1);
        interrupt::asked()
    });
    bar.finish_and_clear();
    summary::write(out, &observation, &synthesis?, &args.out)?;
    Ok(ExitStatus::Success)
}
