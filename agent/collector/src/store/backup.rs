//! A copy of the whole store, made while it is in use.

use super::{Kind, Result, Store, StoreError};
use std::path::Path;

impl Store {
    /// Writes a copy of the SQLite file to `path`, consistent and compacted (`VACUUM INTO`), beside and then in its place. `path` must not exist.
    ///
    /// # Errors
    /// It exists, or cannot be written; or the store is PostgreSQL, which has tools of its own.
    pub async fn backup(&self, path: &Path) -> Result<()> {
        if self.kind() == Kind::Postgres {
            return Err(StoreError::BackupOfPostgres);
        }
        let file = |doing: &'static str| move |source| StoreError::File { doing, path: path.to_owned(), source };
        if path.exists() {
            return Err(file("write the backup")(std::io::ErrorKind::AlreadyExists.into()));
        }
        let mut beside = path.as_os_str().to_owned();
        beside.push(".partial");
        let beside = Path::new(&beside);
        // Of a backup that was cut off.
        let _ = std::fs::remove_file(beside);
        let sql = sqlx::query("VACUUM INTO $1").bind(beside.to_string_lossy().into_owned());
        sql.execute(&self.inner.pool).await.map_err(StoreError::sql("write the backup"))?;
        let written = std::fs::File::open(beside).and_then(|file| file.sync_all());
        written.and_then(|()| std::fs::rename(beside, path)).map_err(file("write the backup"))
    }
}
