//! Alert sources and incidents.

use crate::both;
use crate::support::*;
use domain::alert::Alert;
use domain::incident::IncidentState;
use domain::limits::EVENTS_PER_INCIDENT_MAX;
use domain::source::Source;
use domain::{AlertId, Kind};
use store::incidents::{self, AlertEvent, Filter};
use store::{Page, repositories, requests, runs, sources};

both! {
    async fn sources_are_found_by_number_and_token(bed: Bed) {
        let mut tx = bed.write().await;
        let (_, home) = home(&mut tx, "ada").await;
        assert_eq!(sources::next_project_number(&mut tx).await.unwrap(), 1);
        let shop = repository(&home, "shop");
        repositories::create(&mut tx, &shop, None).await.unwrap();
        let one = Source { repository: Some(shop.id), executor: Some("codex".into()), ..source(&home, 1) };
        let two = Source { token_hash: "t".into(), kind: "sentry".into(), ..source(&home, 2) };
        let three = source(&home, 3);
        for (source, secret) in [(&one, None), (&two, Some(&b"\x00\xff"[..])), (&three, None)] {
            sources::create(&mut tx, source, secret).await.unwrap();
        }
        assert_eq!(sources::next_project_number(&mut tx).await.unwrap(), 4);
        assert_eq!(sources::by_project_number(&mut tx, 1).await.unwrap().as_ref(), Some(&one));
        assert_eq!(sources::by_project_number(&mut tx, 9).await.unwrap(), None);
        assert_eq!(sources::by_token_hash(&mut tx, "t").await.unwrap().as_ref(), Some(&two));
        assert_eq!(sources::by_token_hash(&mut tx, "").await.unwrap(), None, "many sources have no token");
        assert_eq!(sources::secret(&mut tx, two.id).await.unwrap(), Some(vec![0, 255]));
        sources::set_secret(&mut tx, two.id, None).await.unwrap();
        assert_eq!(sources::secret(&mut tx, two.id).await.unwrap(), None);
        assert_eq!(sources::list(&mut tx, &[home.id]).await.unwrap(), [one.clone(), two.clone(), three.clone()]);

        sources::count_events(&mut tx, one.id, 3, at(50), "KeyError").await.unwrap();
        sources::count_events(&mut tx, one.id, 2, at(60), "TypeError").await.unwrap();
        sources::update(&mut tx, &Source { name: "renamed".into(), automatic_runs: false, ..one.clone() }).await.unwrap();
        let now = sources::get(&mut tx, one.id).await.unwrap();
        let expected = Source {
            name: "renamed".into(), automatic_runs: false, events_total: 5, last_event_at: Some(at(60)), last_event_title: Some("TypeError".into()), ..one.clone()
        };
        assert_eq!(now, expected, "settings change, counters are not set back");

        repositories::delete(&mut tx, shop.id).await.unwrap();
        assert_eq!(sources::get(&mut tx, one.id).await.unwrap().repository, None);
        incidents::create(&mut tx, &incident(&three, 1, "f")).await.unwrap();
        sources::delete(&mut tx, three.id).await.unwrap();
        assert_eq!(sources::get(&mut tx, three.id).await.unwrap_err().kind, Kind::NotFound);
        let all = Filter { workspaces: vec![home.id], ..Filter::default() };
        assert_eq!(incidents::count(&mut tx, &all).await.unwrap(), 0);
        tx.commit().await.unwrap();
        let mut tx = bed.write().await;
        assert_eq!(sources::create(&mut tx, &source(&home, 1), None).await.unwrap_err().kind, Kind::Conflict);
    }
}

both! {
    async fn incidents_are_filtered_and_paged(bed: Bed) {
        let mut tx = bed.write().await;
        let (_, home) = home(&mut tx, "ada").await;
        let (one, two) = (source(&home, 1), source(&home, 2));
        sources::create(&mut tx, &one, None).await.unwrap();
        sources::create(&mut tx, &two, None).await.unwrap();
        let mut a = incident(&one, 1, "f");
        let b = incident(&two, 2, "f");
        let c = domain::incident::Incident { title: "100% of_all".into(), state: IncidentState::Ignored, ..incident(&one, 3, "g") };
        for incident in [&a, &b, &c] {
            incidents::create(&mut tx, incident).await.unwrap();
        }
        assert_eq!(incidents::find(&mut tx, one.id, "f").await.unwrap().as_ref(), Some(&a));
        assert_eq!(incidents::find(&mut tx, one.id, "x").await.unwrap(), None);
        a.times_seen = 7;
        a.state = IncidentState::Regressed;
        a.last_seen = at(99);
        incidents::update(&mut tx, &a).await.unwrap();
        assert_eq!(incidents::get(&mut tx, a.id).await.unwrap(), a);

        let all = Filter { workspaces: vec![home.id], ..Filter::default() };
        assert_eq!(incidents::list(&mut tx, &all, Page::default()).await.unwrap(), [a.clone(), c.clone(), b.clone()]);
        assert_eq!(incidents::list(&mut tx, &all, Page { offset: 1, limit: 1 }).await.unwrap(), std::slice::from_ref(&c));
        assert_eq!(incidents::count(&mut tx, &all).await.unwrap(), 3);
        for (filter, expected) in [
            (Filter { states: vec![IncidentState::Open, IncidentState::Ignored], ..all.clone() }, vec![&c, &b]),
            (Filter { source: Some(two.id), ..all.clone() }, vec![&b]),
            (Filter { text: Some("keyERROR".into()), ..all.clone() }, vec![&a, &b]),
            (Filter { text: Some("0%".into()), ..all.clone() }, vec![&c]),
            (Filter { text: Some("f_a".into()), states: vec![IncidentState::Ignored], source: Some(one.id), ..all.clone() }, vec![&c]),
            (Filter { text: Some("fxa".into()), ..all.clone() }, vec![]),
            (Filter::default(), vec![]),
        ] {
            let found = incidents::list(&mut tx, &filter, Page::default()).await.unwrap();
            assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{filter:?}");
            assert_eq!(incidents::count(&mut tx, &filter).await.unwrap(), expected.len() as i64);
        }
        tx.commit().await.unwrap();
        let mut tx = bed.write().await;
        assert_eq!(incidents::create(&mut tx, &incident(&one, 9, "f")).await.unwrap_err().kind, Kind::Conflict);
    }
}

both! {
    async fn alerts_are_kept_in_a_ring_and_repeats_noticed(bed: Bed) {
        let mut tx = bed.write().await;
        let (_, home) = home(&mut tx, "ada").await;
        let source = source(&home, 1);
        sources::create(&mut tx, &source, None).await.unwrap();
        let incident = incident(&source, 1, "f");
        incidents::create(&mut tx, &incident).await.unwrap();
        for n in 0..EVENTS_PER_INCIDENT_MAX as i64 + 5 {
            let alert = Alert { event_id: format!("e{n}"), title: "\0".into(), ..Alert::default() };
            incidents::keep_event(&mut tx, &AlertEvent { id: id::<AlertId>(), incident: incident.id, received_at: at(n), alert }).await.unwrap();
        }
        let kept = incidents::events(&mut tx, incident.id, Page::default()).await.unwrap();
        assert_eq!(kept.len(), EVENTS_PER_INCIDENT_MAX);
        assert_eq!((kept[0].alert.event_id.as_str(), kept[0].alert.title.as_str()), ("e54", "\0"));
        assert_eq!(kept.last().unwrap().alert.event_id, "e5");
        assert_eq!(incidents::events(&mut tx, incident.id, Page::first(2)).await.unwrap(), kept[..2]);

        assert!(incidents::first_sight(&mut tx, source.id, "x", at(1)).await.unwrap());
        assert!(!incidents::first_sight(&mut tx, source.id, "x", at(2)).await.unwrap());
        assert!(incidents::first_sight(&mut tx, source.id, "", at(1)).await.unwrap(), "no id, no repeat");
        assert!(incidents::first_sight(&mut tx, source.id, "", at(1)).await.unwrap());
        assert_eq!(incidents::forget_old_sights(&mut tx, source.id).await.unwrap(), 0);

        assert_eq!(incidents::count_user(&mut tx, incident.id, "u1").await.unwrap(), 1);
        assert_eq!(incidents::count_user(&mut tx, incident.id, "u1").await.unwrap(), 1);
        assert_eq!(incidents::count_user(&mut tx, incident.id, "u2").await.unwrap(), 2);
    }
}

both! {
    async fn old_event_ids_are_forgotten_beyond_the_limit(bed: Bed) {
        let mut tx = bed.write().await;
        let (_, home) = home(&mut tx, "ada").await;
        let source = source(&home, 1);
        sources::create(&mut tx, &source, None).await.unwrap();
        incidents::first_sight(&mut tx, source.id, "oldest", at(-2)).await.unwrap();
        incidents::first_sight(&mut tx, source.id, "second", at(-1)).await.unwrap();
        tx.commit().await.unwrap();
        let count = domain::limits::ALERTS_SEEN_PER_SOURCE_MAX - 1;
        let mut tx = bed.write().await;
        for n in 0..count {
            incidents::first_sight(&mut tx, source.id, &n.to_string(), at(n)).await.unwrap();
        }
        assert_eq!(incidents::forget_old_sights(&mut tx, source.id).await.unwrap(), 1);
        assert!(incidents::first_sight(&mut tx, source.id, "oldest", at(0)).await.unwrap());
        assert!(!incidents::first_sight(&mut tx, source.id, "second", at(0)).await.unwrap());
    }
}

both! {
    async fn runs_of_a_source_are_counted(bed: Bed) {
        let mut tx = bed.write().await;
        let (_, home) = home(&mut tx, "ada").await;
        let (one, two) = (source(&home, 1), source(&home, 2));
        sources::create(&mut tx, &one, None).await.unwrap();
        sources::create(&mut tx, &two, None).await.unwrap();
        for (number, source) in [(10, &one), (20, &one), (30, &two)] {
            let incident = incident(source, number, &number.to_string());
            incidents::create(&mut tx, &incident).await.unwrap();
            let request = domain::request::Request { incident: Some(incident.id), ..request(&home, number) };
            requests::create(&mut tx, &request).await.unwrap();
            runs::create(&mut tx, &run(&request, number)).await.unwrap();
            assert_eq!(requests::by_incident(&mut tx, incident.id).await.unwrap(), std::slice::from_ref(&request));
            assert_eq!(runs::by_incident(&mut tx, incident.id, Page::default()).await.unwrap().len(), 1);
        }
        assert_eq!(incidents::runs_since(&mut tx, one.id, at(0)).await.unwrap(), 2);
        assert_eq!(incidents::runs_since(&mut tx, one.id, at(20)).await.unwrap(), 1);
        assert_eq!(incidents::runs_since(&mut tx, two.id, at(31)).await.unwrap(), 0);
    }
}
