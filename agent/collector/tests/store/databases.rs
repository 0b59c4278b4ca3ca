//! The databases that every story runs on: a SQLite file, and a PostgreSQL server that this test process starts for itself.

use crate::postgres::Server;
use netwright_collector::store::{Kind, Store};
use tempfile::TempDir;

/// A database for one test.
pub(crate) struct Database {
    pub(crate) url: String,
    _folder: Option<TempDir>,
}

impl Database {
    /// An empty one; `None` where the server is not installed, which was said.
    pub(crate) fn new(kind: Kind) -> Option<Self> {
        match kind {
            Kind::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                let url = format!("sqlite:{}", folder.path().join("a store?.db").display());
                Some(Self { url, _folder: Some(folder) })
            }
            Kind::Postgres => Some(Self { url: Server::shared()?.create(), _folder: None }),
        }
    }

    pub(crate) async fn open(&self) -> Store {
        let store = Store::open(&self.url).await.unwrap();
        store.migrate().await.unwrap();
        store
    }
}

/// Makes of each story, an `async fn(Store)` or an `async fn(Database)`, a test for each database.
macro_rules! stories {
    ($($story:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                $crate::databases::run(netwright_collector::store::Kind::Sqlite, super::$story).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                $crate::databases::run(netwright_collector::store::Kind::Postgres, super::$story).await;
            })+
        }
    };
}
pub(crate) use stories;

/// Runs one story on a new database.
pub(crate) async fn run<F: Future<Output = ()>>(kind: Kind, story: impl Fn(Database) -> F) {
    if let Some(database) = Database::new(kind) {
        story(database).await;
    }
}
