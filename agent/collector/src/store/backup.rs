//! A copy of the store while it is in use.

use super::{Result, Store, StoreError};
use sqlx::any::AnyConnectOptions;
use sqlx::{ConnectOptions as _, Executor as _};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

const DOING: &str = "make a backup";

impl Store {
    /// Copies the whole of a SQLite store, as it is at one moment, to a new file that only its owner may read; others read and
    /// write meanwhile. The keys of the collector's own certificates are left out: a collector that starts from the copy makes
    /// new ones.
    ///
    /// # Errors
    /// The file is there already or cannot be written; the database fails; or the store is PostgreSQL, which has its own tools.
    pub async fn backup(&self, path: &Path) -> Result<()> {
        if self.inner.path.is_none() {
            return Err(StoreError::BackupOfPostgres);
        }
        if path.exists() {
            let source = io::Error::new(io::ErrorKind::AlreadyExists, "it is there already; name a new file");
            return Err(file("write the backup", path)(source));
        }
        let partial = partial(path);
        let copied = self.copy(&partial).await;
        let copied = copied.and_then(|()| finish(&partial, path));
        if copied.is_err() {
            // The error is the one to report.
            let _ = fs::remove_file(&partial);
        }
        copied
    }

    async fn copy(&self, partial: &Path) -> Result<()> {
        // SQLite writes to an empty file as to none, and this one is private.
        let create = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(partial);
        create.map_err(file("write the backup", partial))?;
        let name = partial.to_string_lossy().into_owned();
        let mut connection = self.inner.pool.acquire().await.map_err(StoreError::sql(DOING))?;
        let vacuum = sqlx::query("VACUUM INTO $1").bind(name).execute(&mut *connection).await;
        vacuum.map_err(StoreError::sql(DOING))?;
        let options: AnyConnectOptions = super::open::sqlite_url(partial).parse().map_err(StoreError::sql(DOING))?;
        let mut copy = options.connect().await.map_err(StoreError::sql(DOING))?;
        let without_keys = copy.execute("PRAGMA secure_delete = ON; DELETE FROM certificate").await;
        without_keys.map_err(StoreError::sql(DOING))?;
        sqlx::Connection::close(copy).await.map_err(StoreError::sql(DOING))
    }
}

/// Makes it outlast a power cut, under its own name.
fn finish(partial: &Path, path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(partial)
        .and_then(|copy| copy.sync_all())
        .and_then(|()| fs::rename(partial, path))
        .and_then(|()| File::open(folder)?.sync_all())
        .map_err(file("write the backup", path))
}

fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    name.into()
}

fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::File { doing, path, source }
}
