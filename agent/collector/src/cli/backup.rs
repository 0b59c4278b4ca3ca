//! `backup`: a copy of a SQLite store while a collector uses it.

use super::store::StoreArgs;
use crate::store::Store;
use anyhow::Context as _;
use netwright_service::logs;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file to write; it must not be there yet. `-` is standard output: then the copy is made in --data, and removed
    file: PathBuf,
    #[command(flatten)]
    store: StoreArgs,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    logs::init(&args.store.logs)?;
    super::block_on(async {
        let store = args.store.open().await?;
        if args.file == Path::new("-") {
            let copy = args.store.data.join(format!("backup-{}.sqlite", jiff::Timestamp::now().as_nanosecond()));
            let printed = print(&store, &copy).await;
            // It may not have been made; why not is what is told.
            let _ = fs::remove_file(&copy);
            printed?;
        } else {
            store.backup(&args.file).await?;
        }
        tracing::info!(store = store.shown(), file = %args.file.display(), "copied");
        store.close().await;
        Ok(())
    })
}

/// From a pod there is no other way out: its image has no tools.
async fn print(store: &Store, copy: &Path) -> anyhow::Result<()> {
    store.backup(copy).await?;
    let mut file = File::open(copy).with_context(|| format!("cannot read {}", copy.display()))?;
    io::copy(&mut file, &mut io::stdout().lock()).context("cannot write the backup to standard output")?;
    Ok(())
}
