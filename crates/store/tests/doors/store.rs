//! Transactions, wake-ups, errors and the two migrations.

use crate::both;
use crate::support::*;
use domain::Kind;
use std::time::Duration;
use store::{Store, StoreConfig, Wake, events, queue, settings};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

both! {
    async fn a_dropped_transaction_leaves_nothing_and_a_reader_cannot_write(bed: Bed) {
        let mut tx = bed.write().await;
        settings::set(&mut tx, "a", "1").await.unwrap();
        drop(tx);
        let mut tx = bed.write().await;
        assert_eq!(settings::get(&mut tx, "a").await.unwrap(), None);
        settings::set(&mut tx, "a", "2").await.unwrap();
        tx.commit().await.unwrap();

        let mut tx = bed.store.read().await.unwrap();
        assert_eq!(settings::get(&mut tx, "a").await.unwrap().as_deref(), Some("2"));
        settings::set(&mut tx, "a", "3").await.unwrap_err();
        drop(tx);
        let mut tx = bed.store.read().await.unwrap();
        assert_eq!(settings::get(&mut tx, "a").await.unwrap().as_deref(), Some("2"));
        bed.store.ping().await.unwrap();
    }
}

both! {
    async fn a_reader_sees_one_moment(bed: Bed) {
        let mut tx = bed.write().await;
        settings::set(&mut tx, "a", "1").await.unwrap();
        tx.commit().await.unwrap();
        let mut reader = bed.store.read().await.unwrap();
        assert_eq!(settings::get(&mut reader, "a").await.unwrap().as_deref(), Some("1"));
        let mut tx = bed.write().await;
        settings::set(&mut tx, "a", "2").await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(settings::get(&mut reader, "a").await.unwrap().as_deref(), Some("1"));
    }
}

both! {
    async fn settings_are_kept_and_the_first_process_wins(bed: Bed) {
        let mut tx = bed.write().await;
        assert_eq!(settings::set_if_missing(&mut tx, "key", "first").await.unwrap(), "first");
        assert_eq!(settings::set_if_missing(&mut tx, "key", "second").await.unwrap(), "first");
        settings::delete(&mut tx, "key").await.unwrap();
        assert_eq!(settings::get(&mut tx, "key").await.unwrap(), None);
    }
}

both! {
    async fn a_commit_wakes_and_a_rollback_does_not(bed: Bed) {
        let mut wakes = bed.store.wakes();
        let mut tx = bed.write().await;
        events::append(&mut tx, "t", "log", &serde_json::json!({}), at(0)).await.unwrap();
        tx.rollback().await.unwrap();
        assert_eq!(wakes.try_recv(), Err(TryRecvError::Empty));

        let mut tx = bed.write().await;
        events::append(&mut tx, "t", "log", &serde_json::json!({}), at(0)).await.unwrap();
        events::append(&mut tx, "t", "log", &serde_json::json!({}), at(0)).await.unwrap();
        queue::enqueue(&mut tx, crate::queue::job("run", None)).await.unwrap();
        assert_eq!(wakes.try_recv(), Err(TryRecvError::Empty));
        tx.commit().await.unwrap();
        assert_eq!(next(&mut wakes).await, Wake::Topic("t".into()));
        assert_eq!(next(&mut wakes).await, Wake::Jobs);
        assert_eq!(wakes.try_recv(), Err(TryRecvError::Empty));
    }
}

#[tokio::test]
async fn a_commit_wakes_other_processes_through_postgres() {
    let Ok(bed) = postgres().await else { return eprintln!("skipped: no PostgreSQL here") };
    let other = bed.again().await;
    let mut heard = other.wakes();
    // The other store's listener may still be on its way: announce until it is heard.
    let said = async {
        loop {
            let mut tx = bed.write().await;
            events::append(&mut tx, "far", "log", &serde_json::json!({}), at(0)).await.unwrap();
            tx.commit().await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        wake = next(&mut heard) => assert_eq!(wake, Wake::Topic("far".into())),
        () = said => {}
    }
}

both! {
    async fn the_database_opens_again_with_what_it_held(bed: Bed) {
        let mut tx = bed.write().await;
        settings::set(&mut tx, "a", "1").await.unwrap();
        tx.commit().await.unwrap();
        bed.store.close().await;
        assert_eq!(bed.store.read().await.err().map(|e| e.kind), Some(Kind::Unavailable));
        let mut tx = bed.again().await.read().await.unwrap();
        assert_eq!(settings::get(&mut tx, "a").await.unwrap().as_deref(), Some("1"));
    }
}

#[tokio::test]
async fn sqlite_waits_for_its_turn_and_then_says_busy() {
    let bed = sqlite().await;
    let config = StoreConfig { acquire_timeout: Duration::from_millis(100), ..StoreConfig::new(&bed.url) };
    let hasty = Store::connect(config).await.unwrap();
    let held = hasty.write().await.unwrap();
    assert_eq!(hasty.write().await.err().map(|e| e.kind), Some(Kind::Unavailable));
    assert_eq!(bed.store.database(), "sqlite");
    drop(held);
    hasty.write().await.unwrap().commit().await.unwrap();
}

#[tokio::test]
async fn urls_that_mean_nothing_are_refused() {
    for (url, kind) in [("mysql://x", Kind::Invalid), ("sqlite:///no/such/folder/x.db", Kind::Unavailable)] {
        assert_eq!(Store::connect(StoreConfig::new(url)).await.err().map(|e| e.kind), Some(kind), "{url}");
    }
}

/// Types are the only difference between the two files.
#[test]
fn the_migrations_are_in_step() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let names = |database: &str| {
        let mut names: Vec<_> = folder.join(database).read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names("sqlite"), names("postgres"));
    for name in names("postgres") {
        let read = |database: &str| std::fs::read_to_string(folder.join(database).join(&name)).unwrap();
        let types = [
            ("bigint generated always as identity primary key", "integer primary key autoincrement"),
            (" uuid", " blob"),
            (" bytea", " blob"),
            (" timestamptz", " integer"),
            (" bigint", " integer"),
            (" boolean", " integer"),
            (" double precision", " real"),
        ];
        let expected = types.iter().fold(read("postgres"), |text, (postgres, sqlite)| text.replace(postgres, sqlite));
        assert_eq!(expected, read("sqlite"), "{name:?}");
    }
}

async fn next(wakes: &mut Receiver<Wake>) -> Wake {
    tokio::time::timeout(Duration::from_secs(30), wakes.recv()).await.expect("a wake-up within the deadline").unwrap()
}
