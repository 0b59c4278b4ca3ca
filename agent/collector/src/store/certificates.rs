//! Certificates and keys that the collector made itself: all replicas have to use the same.

use super::{Result, Store, StoreError};
use sqlx::Row as _;

/// Certificates and a key, as PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredCertificate {
    /// When it was written.
    pub changed: i64,
    /// The text. It holds a private key.
    pub pem: String,
}

impl std::fmt::Debug for StoredCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredCertificate").field("changed", &self.changed).finish_non_exhaustive()
    }
}

impl Store {
    /// What is kept under `name`.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn certificate(&self, name: &str) -> Result<Option<StoredCertificate>> {
        let error = || StoreError::sql("read the certificate");
        let query = sqlx::query("SELECT changed, pem FROM certificate WHERE name = $1").bind(name);
        let row = query.fetch_optional(&self.inner.pool).await.map_err(error())?;
        let read = |row: sqlx::any::AnyRow| {
            Ok(StoredCertificate { changed: row.try_get("changed")?, pem: row.try_get("pem")? })
        };
        row.map(read).transpose().map_err(error())
    }

    /// Keeps `new` under `name` if what is there is still from `before`. Returns whether it was: another replica may have been faster.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn replace_certificate(&self, name: &str, before: Option<i64>, new: &StoredCertificate) -> Result<bool> {
        const INSERT: &str =
            "INSERT INTO certificate (name, changed, pem) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING";
        const UPDATE: &str = "UPDATE certificate SET changed = $2, pem = $3 WHERE name = $1 AND changed = $4";
        let doing = "keep the certificate";
        let mut write = self.write(doing).await?;
        let query = match before {
            None => sqlx::query(INSERT).bind(name).bind(new.changed).bind(&new.pem),
            Some(before) => sqlx::query(UPDATE).bind(name).bind(new.changed).bind(&new.pem).bind(before),
        };
        let done = query.execute(&mut *write.transaction).await.map_err(StoreError::sql(doing))?;
        write.commit(doing).await?;
        Ok(done.rows_affected() > 0)
    }
}
