//! Which store: flags that all verbs have in common.

use crate::store::Store;
use clap::Args;
use netwright_service::config::ConfigFile;
use netwright_service::logs::LogArgs;
use std::path::PathBuf;

/// Flags of all verbs.
#[derive(Debug, Args)]
pub(super) struct StoreArgs {
    /// The folder for what is kept on disk: the SQLite file, and exports while they are read
    #[arg(long, env = "NETWRIGHT_DATA", default_value = "/var/lib/netwright", value_name = "FOLDER")]
    pub(super) data: PathBuf,
    /// Where to keep what was seen: sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE [default: netwright.sqlite in --data]
    #[arg(long, env = "NETWRIGHT_STORE", hide_env_values = true, value_name = "URL")]
    store: Option<String>,
    #[command(flatten)]
    pub(super) logs: LogArgs,
    #[command(flatten)]
    _file: ConfigFile,
}

impl StoreArgs {
    /// Opens the store. Its tables are left as they are.
    pub(super) async fn open(&self) -> anyhow::Result<Store> {
        let default = || format!("sqlite:{}", self.data.join("netwright.sqlite").display());
        let url = self.store.clone().filter(|url| !url.is_empty()).unwrap_or_else(default);
        Ok(Store::open(&url).await?)
    }
}
