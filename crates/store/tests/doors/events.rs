//! The log: gap-free, chained, exact.

use crate::both;
use crate::support::*;
use domain::Kind;
use domain::event::GENESIS;
use serde_json::json;
use store::events::{self, NewEvent};

both! {
    async fn events_count_from_one_and_read_back_in_order(bed: Bed) {
        let mut tx = bed.write().await;
        let first = events::append(&mut tx, "t", "log", &json!({"z": 1, "a": "\0 ä"}), at(1)).await.unwrap();
        let more: Vec<NewEvent> = (2..=5).map(|n| NewEvent { kind: "log".into(), payload: json!({"n": n}), at: at(n) }).collect();
        let more = events::append_many(&mut tx, "t", &more).await.unwrap();
        events::append(&mut tx, "other", "log", &json!(null), at(1)).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!((first.seq, first.prev_hash.as_str()), (1, GENESIS));
        assert_eq!(more[0].prev_hash, first.hash);

        let mut tx = bed.store.read().await.unwrap();
        let all = events::after(&mut tx, "t", 0, 100).await.unwrap();
        assert_eq!(all, std::iter::once(first).chain(more.clone()).collect::<Vec<_>>());
        assert_eq!(events::after(&mut tx, "t", 3, 1).await.unwrap(), more[2..3]);
        assert_eq!(events::last(&mut tx, "t").await.unwrap().as_ref(), more.last());
        assert_eq!(events::last(&mut tx, "nothing").await.unwrap(), None);
        assert_eq!(events::verify(&mut tx, "t").await.unwrap(), 5);
        assert_eq!(events::verify(&mut tx, "nothing").await.unwrap(), 0);
    }
}

both! {
    async fn an_event_that_is_too_large_is_refused(bed: Bed) {
        let mut tx = bed.write().await;
        let large = json!("x".repeat(domain::limits::EVENT_PAYLOAD_BYTES_MAX));
        let error = events::append(&mut tx, "t", "log", &large, at(1)).await.unwrap_err();
        assert_eq!(error.kind, Kind::Limit);
    }
}

both! {
    async fn appenders_at_once_leave_no_gap(bed: Bed) {
        let appenders: Vec<_> = (0..8).map(|writer| {
            let store = bed.store.clone();
            tokio::spawn(async move {
                for n in 0..10 {
                    let mut tx = store.write().await.unwrap();
                    events::append(&mut tx, "t", "log", &json!({"writer": writer, "n": n}), at(n)).await.unwrap();
                    // Every third changes its mind, which must not leave a hole.
                    if n % 3 == 2 { tx.rollback().await.unwrap() } else { tx.commit().await.unwrap() }
                }
            })
        }).collect();
        for appender in appenders {
            appender.await.unwrap();
        }
        let mut tx = bed.store.read().await.unwrap();
        let seqs: Vec<i64> = events::after(&mut tx, "t", 0, 1000).await.unwrap().into_iter().map(|e| e.seq).collect();
        assert_eq!(seqs, (1..=56).collect::<Vec<_>>());
        assert_eq!(events::verify(&mut tx, "t").await.unwrap(), 56);
    }
}

both! {
    async fn the_chain_notices_a_changed_byte(bed: Bed) {
        three(&bed).await;
        bed.meddle("update events set payload = replace(payload, '2', '3') where seq = 2").await;
        broken(&bed, "event 2").await;
    }
}

both! {
    async fn the_chain_notices_an_event_before_the_first(bed: Bed) {
        three(&bed).await;
        bed.meddle("insert into events (topic, seq, kind, payload, at, prev_hash, hash) select topic, 0, kind, payload, at, prev_hash, hash from events where seq = 1").await;
        broken(&bed, "before its first").await;
    }
}

both! {
    async fn the_chain_notices_a_missing_event(bed: Bed) {
        three(&bed).await;
        bed.meddle("delete from events where seq = 2").await;
        broken(&bed, "event 3").await;
    }
}

both! {
    async fn the_chain_notices_a_missing_end(bed: Bed) {
        three(&bed).await;
        bed.meddle("delete from events where seq = 3").await;
        broken(&bed, "after 2").await;
    }
}

async fn three(bed: &Bed) {
    let mut tx = bed.write().await;
    for n in 1..=3 {
        events::append(&mut tx, "t", "log", &json!({"n": n}), at(n)).await.unwrap();
    }
    tx.commit().await.unwrap();
    let mut tx = bed.store.read().await.unwrap();
    assert_eq!(events::verify(&mut tx, "t").await.unwrap(), 3);
}

async fn broken(bed: &Bed, named: &str) {
    let mut tx = bed.store.read().await.unwrap();
    let error = events::verify(&mut tx, "t").await.unwrap_err();
    assert_eq!(error.code, "chain_broken");
    assert!(error.message.contains(named), "{error}");
}
