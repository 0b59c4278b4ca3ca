//! What is kept, what is forgotten, and what people see.

use crate::accept::arrival;
use crate::databases::{Database, stories};
use crate::merging::statement;
use netwright_collector::store::Acceptance::{Known, Stored};
use netwright_collector::store::{Arrival, StatementRow, StoredCertificate, Window};
use sqlx::{Connection as _, Row as _};

stories!(
    what_is_old_is_forgotten,
    new_edges_of_a_day,
    people_can_query,
    certificates_are_replaced_once,
    migrating_twice
);

const DAY: i64 = 86_400_000;

async fn what_is_old_is_forgotten(database: Database) {
    let store = database.open().await;
    store.accept(&[arrival("n1", "r1", 0)]).await.unwrap();
    let mut leader = store.lead().await.unwrap().unwrap();
    let mut transaction = leader.begin().await.unwrap();
    transaction.upsert_statements(&(0..40).map(|day| statement(day, 1)).collect::<Vec<_>>()).await.unwrap();
    transaction.commit().await.unwrap();

    let window = Window { from: 30 * DAY, now: 44 * DAY };
    let pruned = store.prune(window).await.unwrap();
    assert_eq!((pruned.statements, pruned.agents), (30, 1), "{pruned:?}");
    let mut left = 0;
    leader.each_statement(|_| left += 1).await.unwrap();
    assert_eq!(left, 10);
    assert_eq!(store.prune(window).await.unwrap(), Default::default());
    // Its run is forgotten, but whoever asks the window first does not take it in again.
    assert!(window.refuses(arrival("n1", "r1", 0).until) && !window.refuses(window.from));
    assert_eq!(store.accept(&[arrival("n1", "r1", 0)]).await.unwrap(), [Stored]);

    let recent = Arrival { received: 29 * DAY, ..arrival("n2", "r1", 0) };
    store.accept(std::slice::from_ref(&recent)).await.unwrap();
    store.prune(window).await.unwrap();
    assert_eq!(store.accept(&[recent]).await.unwrap(), [Known], "a run is known for two windows");
}

async fn new_edges_of_a_day(database: Database) {
    let store = database.open().await;
    let mut leader = store.lead().await.unwrap().unwrap();
    let mut transaction = leader.begin().await.unwrap();
    let later = StatementRow { first_seen: 4 * DAY + DAY - 1, ..statement(5, 1) };
    transaction.upsert_statements(&[statement(3, 1), statement(4, 1), later]).await.unwrap();
    transaction.commit().await.unwrap();
    let days = store.snapshot().await.unwrap().new_edges().await.unwrap();
    assert_eq!(days, [(3 * DAY, 1), (4 * DAY, 2)]);
}

/// The example queries of docs/store.md.
async fn people_can_query(database: Database) {
    let store = database.open().await;
    store.accept(&[arrival("n1", "r1", 0), arrival("n1", "r1", 3)]).await.unwrap();
    let mut leader = store.lead().await.unwrap().unwrap();
    let mut transaction = leader.begin().await.unwrap();
    transaction.upsert_statements(&[statement(20_000, 7)]).await.unwrap();
    transaction.commit().await.unwrap();
    sqlx::any::install_default_drivers();
    let url = match database.url.strip_prefix("sqlite:") {
        Some(path) => format!("sqlite://{}", path.replace('?', "%3F").replace(' ', "%20")),
        None => database.url.clone(),
    };
    let pool = sqlx::AnyPool::connect(&url).await.unwrap();
    let edge = "SELECT client, server, CAST(first_seen AS TEXT) AS first_seen FROM edges";
    let row = sqlx::query(edge).fetch_one(&pool).await.unwrap();
    let texts: Vec<String> = (0..3).map(|column| row.get::<String, _>(column)).collect();
    assert_eq!(texts[..2], ["shop/Deployment/web", "shop/Deployment/server-20000"]);
    assert!(texts[2].starts_with("2024-10-04"), "{}", texts[2]);
    let missing = "SELECT first_missing, missing FROM missing_segments WHERE missing > 0";
    let row = sqlx::query(missing).fetch_one(&pool).await.unwrap();
    assert_eq!((row.get::<i64, _>(0), row.get::<i64, _>(1)), (1, 2));
    let document = include_str!("../../../../docs/store.md");
    let queries: Vec<&str> = document.split("```sql\n").skip(1).filter_map(|text| text.split("```").next()).collect();
    assert!(queries.len() >= 5);
    pool.close().await;
    for query in queries {
        let rows = rows(&url, query).await;
        assert!(rows.is_ok(), "{query}: {rows:?}");
    }
    assert_eq!(rows(&url, "SELECT 1 FROM edges").await.unwrap(), 1);
}

/// How many rows a query has, asked with the database's own driver: the common one does not read times.
async fn rows(url: &str, query: &str) -> sqlx::Result<usize> {
    let query = sqlx::AssertSqlSafe(query.to_owned());
    if url.starts_with("postgres:") {
        let mut connection = sqlx::PgConnection::connect(url).await?;
        return Ok(sqlx::query(query).fetch_all(&mut connection).await?.len());
    }
    let mut connection = sqlx::SqliteConnection::connect(url).await?;
    Ok(sqlx::query(query).fetch_all(&mut connection).await?.len())
}

async fn certificates_are_replaced_once(database: Database) {
    let store = database.open().await;
    let certificate = |changed, pem: &str| StoredCertificate { changed, pem: pem.into() };
    let (first, second, third) = (certificate(1, "first"), certificate(2, "second"), certificate(3, "third"));
    assert_eq!(store.certificate("ca").await.unwrap(), None);
    assert!(store.replace_certificate("ca", None, &first).await.unwrap());
    assert!(!store.replace_certificate("ca", None, &second).await.unwrap(), "another was faster");
    assert!(store.replace_certificate("ca", Some(1), &second).await.unwrap());
    assert!(!store.replace_certificate("ca", Some(1), &third).await.unwrap());
    assert_eq!(store.certificate("ca").await.unwrap(), Some(second));
    assert!(!format!("{first:?}").contains("first"), "keys are not shown");
}

async fn migrating_twice(database: Database) {
    let stores = [database.open().await, database.open().await];
    let (one, two) = tokio::join!(stores[0].migrate(), stores[1].migrate());
    one.unwrap();
    two.unwrap();
    stores[0].ping().await.unwrap();
}
