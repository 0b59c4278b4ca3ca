//! `backup`: a copy of a SQLite store while a collector uses it.

use super::store::StoreArgs;
use netwright_service::logs;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file to write; it must not be there yet
    file: PathBuf,
    #[command(flatten)]
    store: StoreArgs,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    logs::init(&args.store.logs)?;
    super::block_on(async {
        let store = args.store.open().await?;
        store.backup(&args.file).await?;
        tracing::info!(store = store.shown(), file = %args.file.display(), "copied");
        store.close().await;
        Ok(())
    })
}
