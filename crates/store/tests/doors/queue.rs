//! Jobs: claimed once, taken over when abandoned, fenced, capped, cancelled.

use crate::both;
use crate::support::*;
use domain::{Kind, WorkerId, WorkspaceId};
use serde_json::json;
use std::collections::BTreeSet;
use store::Store;
use store::queue::{self, Beat, Cancelled, Claimed, NewJob};

pub fn job(kind: &str, key: Option<&str>) -> NewJob {
    NewJob {
        id: id(),
        kind: kind.into(),
        payload: json!({"n": 1}),
        workspace: None,
        key: key.map(Into::into),
        lane: None,
        priority: 0,
        run_at: at(0),
    }
}

both! {
    async fn a_job_is_claimed_finished_and_gone(bed: Bed) {
        let new = job("run", None);
        add(&bed, vec![new.clone()]).await;
        assert!(queue::claim(&bed.store, id(), &["mail"], at(1), 30, 4).await.unwrap().is_none());
        assert!(queue::claim(&bed.store, id(), &[], at(1), 30, 4).await.unwrap().is_none());
        assert!(queue::claim(&bed.store, id(), &["run"], at(-1), 30, 4).await.unwrap().is_none());
        let claimed = queue::claim(&bed.store, id(), &["mail", "run"], at(1), 30, 4).await.unwrap().unwrap();
        assert_eq!((claimed.job.id, claimed.job.attempts, claimed.job.payload), (new.id, 1, json!({"n": 1})));
        assert!(claim(&bed.store, 1).await.is_none());

        let mut tx = bed.write().await;
        queue::fence(&mut tx, &claimed.lease).await.unwrap();
        queue::finish(&mut tx, &claimed.lease, at(2)).await.unwrap();
        tx.commit().await.unwrap();
        assert!(claim(&bed.store, 1000).await.is_none());
        let mut tx = bed.write().await;
        assert_eq!(queue::finish(&mut tx, &claimed.lease, at(2)).await.unwrap_err().kind, Kind::Conflict);
        drop(tx);
        let mut tx = bed.write().await;
        assert_eq!(queue::delete_ended(&mut tx, at(2)).await.unwrap(), 0);
        assert_eq!(queue::delete_ended(&mut tx, at(3)).await.unwrap(), 1);
    }
}

both! {
    async fn a_key_names_one_unfinished_job(bed: Bed) {
        let mut tx = bed.write().await;
        let first = queue::enqueue(&mut tx, job("run", Some("k"))).await.unwrap();
        assert_eq!(queue::enqueue(&mut tx, job("run", Some("k"))).await.unwrap(), first);
        assert_ne!(queue::enqueue(&mut tx, job("run", None)).await.unwrap(), first);
        tx.commit().await.unwrap();
        let claimed = claim(&bed.store, 1).await.unwrap();
        assert_eq!(claimed.job.id, first);
        let mut tx = bed.write().await;
        assert_eq!(queue::enqueue(&mut tx, job("run", Some("k"))).await.unwrap(), first);
        queue::finish(&mut tx, &claimed.lease, at(2)).await.unwrap();
        assert_ne!(queue::enqueue(&mut tx, job("run", Some("k"))).await.unwrap(), first);
        tx.commit().await.unwrap();
    }
}

both! {
    async fn urgent_jobs_go_first_then_the_oldest(bed: Bed) {
        let jobs = [(0, 3), (0, 2), (9, 4), (-1, 1)].map(|(priority, seconds)| NewJob { priority, run_at: at(seconds), ..job("run", None) });
        add(&bed, jobs.to_vec()).await;
        let mut order = vec![];
        while let Some(claimed) = claim(&bed.store, 10).await {
            order.push(claimed.job.id);
        }
        assert_eq!(order, [2, 1, 0, 3].map(|n: usize| jobs[n].id));
    }
}

both! {
    async fn twenty_workers_claim_each_job_once(bed: Bed) {
        add(&bed, (0..40).map(|_| job("run", None)).collect()).await;
        let workers: Vec<_> = (0..20).map(|_| {
            let store = bed.store.clone();
            tokio::spawn(async move {
                let mut mine = vec![];
                while let Some(claimed) = claim(&store, 1).await {
                    mine.push(claimed.job.id);
                }
                mine
            })
        }).collect();
        let mut all = vec![];
        for worker in workers {
            all.extend(worker.await.unwrap());
        }
        assert_eq!(all.len(), 40);
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 40);
    }
}

both! {
    async fn a_workspace_has_no_more_than_its_share_at_once(bed: Bed) {
        let busy: WorkspaceId = id();
        let mut jobs: Vec<NewJob> = (0..10).map(|_| NewJob { workspace: Some(busy), priority: 5, ..job("run", None) }).collect();
        jobs.push(NewJob { workspace: Some(id()), ..job("run", None) });
        add(&bed, jobs).await;
        let workers: Vec<_> = (0..10).map(|_| {
            let store = bed.store.clone();
            tokio::spawn(async move { queue::claim(&store, id(), &["run"], at(1), 30, 3).await.unwrap() })
        }).collect();
        let mut claimed = vec![];
        for worker in workers {
            claimed.extend(worker.await.unwrap());
        }
        assert_eq!(claimed.iter().filter(|c| c.job.workspace == Some(busy)).count(), 3);
        assert_eq!(claimed.len(), 4);
        // A place that becomes free is given away again.
        let done = claimed.iter().find(|c| c.job.workspace == Some(busy)).unwrap();
        let mut tx = bed.write().await;
        queue::finish(&mut tx, &done.lease, at(2)).await.unwrap();
        tx.commit().await.unwrap();
        assert!(queue::claim(&bed.store, id(), &["run"], at(2), 30, 3).await.unwrap().is_some());
        assert!(queue::claim(&bed.store, id(), &["run"], at(2), 30, 3).await.unwrap().is_none());
    }
}

both! {
    async fn a_lane_has_one_job_at_work_and_the_oldest_goes_first(bed: Bed) {
        let in_lane = |lane: &str| NewJob { lane: Some(lane.into()), ..job("run", None) };
        let (first, second, other) = (in_lane("a"), NewJob { priority: 9, ..in_lane("a") }, in_lane("b"));
        add(&bed, vec![first.clone(), second.clone(), other.clone()]).await;
        let held = claim(&bed.store, 1).await.unwrap();
        assert_eq!(held.job.id, first.id, "urgency does not overtake within a lane");
        assert_eq!(claim(&bed.store, 1).await.unwrap().job.id, other.id, "another lane is free");
        assert!(claim(&bed.store, 1).await.is_none());
        // One that is to be tried again keeps its turn.
        let mut tx = bed.write().await;
        queue::retry_later(&mut tx, &held.lease, at(10), "").await.unwrap();
        tx.commit().await.unwrap();
        assert!(claim(&bed.store, 5).await.is_none());
        let held = claim(&bed.store, 10).await.unwrap();
        assert_eq!(held.job.id, first.id);
        let mut tx = bed.write().await;
        queue::park(&mut tx, &held.lease, "gave up", at(11)).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(claim(&bed.store, 12).await.unwrap().job.id, second.id);
    }
}

both! {
    async fn claims_at_once_do_not_overfill_a_share(bed: Bed) {
        for _ in 0..15 {
            let busy: WorkspaceId = id();
            add(&bed, (0..8).map(|_| NewJob { workspace: Some(busy), ..job("run", None) }).collect()).await;
            let start = std::sync::Arc::new(tokio::sync::Barrier::new(8));
            let workers: Vec<_> = (0..8).map(|_| {
                let (store, start) = (bed.store.clone(), start.clone());
                tokio::spawn(async move {
                    start.wait().await;
                    queue::claim(&store, id(), &["run"], at(1), 30, 1).await.unwrap()
                })
            }).collect();
            let mut claimed = vec![];
            for worker in workers {
                claimed.extend(worker.await.unwrap());
            }
            assert_eq!(claimed.len(), 1);
        }
    }
}

both! {
    async fn an_abandoned_job_is_taken_over_and_its_first_worker_fenced(bed: Bed) {
        add(&bed, vec![job("run", Some("k"))]).await;
        let first = claim(&bed.store, 0).await.unwrap();
        assert_eq!(beat(&bed, &first, 20).await, Beat::Mine { cancel_requested: false });
        assert!(claim(&bed.store, 49).await.is_none(), "a heartbeat at 20 holds it until 50");
        let second = claim(&bed.store, 50).await.unwrap();
        assert_eq!((second.job.id, second.job.attempts), (first.job.id, 2));

        assert_eq!(beat(&bed, &first, 51).await, Beat::Lost);
        let mut tx = bed.write().await;
        for refused in [
            queue::fence(&mut tx, &first.lease).await,
            queue::finish(&mut tx, &first.lease, at(51)).await,
            queue::park(&mut tx, &first.lease, "x", at(51)).await,
            queue::retry_later(&mut tx, &first.lease, at(60), "x").await,
        ] {
            assert_eq!(refused.unwrap_err().code, "lease_lost");
        }
        queue::finish(&mut tx, &second.lease, at(52)).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(beat(&bed, &second, 53).await, Beat::Lost);
    }
}

both! {
    async fn a_lone_process_need_not_wait_for_old_leases(bed: Bed) {
        add(&bed, vec![job("run", None)]).await;
        let before = claim(&bed.store, 0).await.unwrap();
        assert!(claim(&bed.store, 5).await.is_none());
        let mut tx = bed.write().await;
        assert_eq!(queue::abandon_all(&mut tx, at(5)).await.unwrap(), 1);
        tx.commit().await.unwrap();
        assert_eq!(claim(&bed.store, 5).await.unwrap().job.id, before.job.id);
        assert_eq!(beat(&bed, &before, 6).await, Beat::Lost);
    }
}

both! {
    async fn a_job_handed_back_is_due_at_once_and_was_no_attempt(bed: Bed) {
        add(&bed, vec![job("run", None)]).await;
        let first = claim(&bed.store, 0).await.unwrap();
        assert_eq!(first.job.attempts, 1);
        let mut tx = bed.write().await;
        queue::hand_back(&mut tx, &first.lease).await.unwrap();
        tx.commit().await.unwrap();
        let second = claim(&bed.store, 0).await.unwrap();
        assert_eq!((second.job.id, second.job.attempts), (first.job.id, 1));
        let mut tx = bed.write().await;
        assert_eq!(queue::hand_back(&mut tx, &first.lease).await.unwrap_err().code, queue::LEASE_LOST);
    }
}

both! {
    async fn a_job_is_retried_and_parked(bed: Bed) {
        add(&bed, vec![job("run", Some("k"))]).await;
        let first = claim(&bed.store, 0).await.unwrap();
        let mut tx = bed.write().await;
        queue::retry_later(&mut tx, &first.lease, at(100), "no model").await.unwrap();
        tx.commit().await.unwrap();
        assert!(claim(&bed.store, 99).await.is_none());
        let second = claim(&bed.store, 100).await.unwrap();
        assert_eq!(second.job.attempts, 2);
        let mut tx = bed.write().await;
        let depth = queue::depth(&mut tx, at(100)).await.unwrap();
        assert_eq!((depth.running, depth.due, depth.waiting, depth.parked), (1, 0, 0, 0));
        queue::park(&mut tx, &second.lease, "gave up", at(101)).await.unwrap();
        queue::enqueue(&mut tx, NewJob { run_at: at(7), ..job("run", Some("k")) }).await.unwrap();
        queue::enqueue(&mut tx, NewJob { run_at: at(5000), ..job("run", None) }).await.unwrap();
        let depth = queue::depth(&mut tx, at(102)).await.unwrap();
        assert_eq!((depth.running, depth.due, depth.waiting, depth.parked, depth.oldest_due), (0, 1, 1, 1, Some(at(7))));
    }
}

both! {
    async fn cancelling_ends_a_waiting_job_and_tells_a_running_one(bed: Bed) {
        add(&bed, vec![job("run", Some("k"))]).await;
        let mut tx = bed.write().await;
        assert_eq!(queue::cancel(&mut tx, "nothing", at(1)).await.unwrap(), Cancelled::Nothing);
        assert_eq!(queue::cancel(&mut tx, "k", at(1)).await.unwrap(), Cancelled::BeforeStart);
        assert_eq!(queue::cancel(&mut tx, "k", at(1)).await.unwrap(), Cancelled::Nothing);
        tx.commit().await.unwrap();
        assert!(claim(&bed.store, 1).await.is_none());

        add(&bed, vec![job("run", Some("k"))]).await;
        let claimed = claim(&bed.store, 1).await.unwrap();
        let mut tx = bed.write().await;
        assert_eq!(queue::cancel(&mut tx, "k", at(2)).await.unwrap(), Cancelled::Requested);
        tx.commit().await.unwrap();
        assert_eq!(beat(&bed, &claimed, 3).await, Beat::Mine { cancel_requested: true });
        let heir = claim(&bed.store, 100).await.unwrap();
        assert!(heir.job.cancel_requested, "whoever takes it over learns of it too");
    }
}

async fn add(bed: &Bed, jobs: Vec<NewJob>) {
    let mut tx = bed.write().await;
    for job in jobs {
        queue::enqueue(&mut tx, job).await.unwrap();
    }
    tx.commit().await.unwrap();
}

async fn claim(store: &Store, seconds: i64) -> Option<Claimed> {
    queue::claim(store, id::<WorkerId>(), &["run"], at(seconds), 30, 4).await.unwrap()
}

async fn beat(bed: &Bed, claimed: &Claimed, seconds: i64) -> Beat {
    let mut tx = bed.write().await;
    let beat = queue::heartbeat(&mut tx, &claimed.lease, at(seconds), 30).await.unwrap();
    tx.commit().await.unwrap();
    beat
}
