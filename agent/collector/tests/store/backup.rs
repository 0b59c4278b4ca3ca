//! Copies of a store in use.

use crate::accept::arrival;
use crate::databases::Database;
use netwright_collector::store::Acceptance::Known;
use netwright_collector::store::{Kind, Store, StoreError, StoredCertificate};
use std::os::unix::fs::PermissionsExt as _;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_is_whole_private_and_without_keys() {
    let database = Database::new(Kind::Sqlite).unwrap();
    let store = database.open().await;
    let key = StoredCertificate { changed: 1, pem: "a very secret key".into() };
    store.replace_certificate("ca", None, &key).await.unwrap();
    let writer = tokio::spawn({
        let store = store.clone();
        async move {
            for sequence in 0..200 {
                store.accept(&[arrival("n1", "r1", sequence)]).await.unwrap();
            }
        }
    });
    while store.inbox_load().await.unwrap().segments < 20 {
        tokio::task::yield_now().await;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy.db");
    store.backup(&path).await.unwrap();
    writer.await.unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    let bytes = std::fs::read(&path).unwrap();
    assert!(!bytes.windows(17).any(|text| text == b"a very secret key"));

    let copy = Store::open(&format!("sqlite:{}", path.display())).await.unwrap();
    copy.migrate().await.unwrap();
    let segments = copy.inbox_load().await.unwrap().segments;
    assert!((20..=200).contains(&segments), "{segments}");
    assert_eq!(copy.accept(&[arrival("n1", "r1", segments - 1)]).await.unwrap(), [Known]);
    assert_eq!(copy.certificate("ca").await.unwrap(), None);

    let again = store.backup(&path).await.unwrap_err();
    assert!(matches!(again, StoreError::File { .. }), "{again}");
}

#[tokio::test]
async fn postgres_has_its_own() {
    let Some(database) = Database::new(Kind::Postgres) else { return };
    let error = database.open().await.backup("/nowhere/copy".as_ref()).await.unwrap_err();
    assert!(matches!(error, StoreError::BackupOfPostgres), "{error}");
}
