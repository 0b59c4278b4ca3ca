//! `netwright pull`: bring home what a collector holds, as one observation file.

use super::exit::ExitStatus;
use super::place::{PlaceArgs, runtime};
use super::{interrupt, progress, tell};
use crate::collector::CollectorError;
use crate::collector::pull::{self, Progress};
use anyhow::Context as _;
use indicatif::ProgressBar;
use netwright_record::collector::Export;
use std::io::Write;
use std::path::PathBuf;

/// Bring home what a cluster's collector holds, as one observation file.
///
/// The collector makes a consistent snapshot and goes on recording. The file arrives through the API server, as with `kubectl
/// port-forward`. If the connection breaks, it goes on where it stopped; so does a second call, for an hour. The file gets its name
/// once it is complete and its checksum is right.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: PlaceArgs,
    /// The file to write; one that is there is replaced.
    #[arg(short, long = "out", value_name = "FILE")]
    out: PathBuf,
}

/// Runs the verb.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<ExitStatus> {
    interrupt::watch();
    let runtime = runtime().context("cannot start the event loop")?;
    let shown = Shown { bar: progress::bytes("pulling") };
    let export = match runtime.block_on(pull::pull(&args.place.place(), &args.out, &shown)) {
        Ok(export) => export,
        Err(CollectorError::Interrupted(interrupted)) => return Err(interrupted.into()),
        Err(error) => return Err(error.into()),
    };
    shown.bar.finish_and_clear();
    writeln!(
        out,
        "wrote {}: {} to {}, {} bytes, sha256 {}",
        crate::text::plain(&args.out.display().to_string()),
        export.window.from,
        export.window.until,
        export.bytes,
        export.sha256
    )?;
    Ok(ExitStatus::Success)
}

struct Shown {
    bar: ProgressBar,
}

impl Shown {
    fn say(&self, message: &str) {
        self.bar.suspend(|| tell(message));
    }
}

impl Progress for Shown {
    fn begin(&self, export: &Export, length: u64) {
        self.bar.set_length(export.bytes);
        self.bar.set_position(length);
        if length > 0 {
            self.say(&format!("going on from byte {length} of {}", export.bytes));
        }
    }

    fn arrived(&self, length: u64) {
        self.bar.set_position(length);
    }

    fn again(&self, error: &CollectorError) {
        self.say(&format!("{error}; trying again"));
    }

    fn anew(&self, reason: &str) {
        self.say(&format!("beginning anew: {reason}"));
    }
}
