//! `migrate`: makes the tables before `serve` runs, for whoever lets nobody else change a database.

use super::store::StoreArgs;
use netwright_service::logs;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    store: StoreArgs,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    logs::init(&args.store.logs)?;
    super::block_on(async {
        let store = args.store.open().await?;
        store.migrate().await?;
        tracing::info!(store = store.shown(), "the tables are up to date");
        store.close().await;
        Ok(())
    })
}
