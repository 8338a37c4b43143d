//! Users, sessions, API keys, workspaces, repositories.

use crate::both;
use crate::support::*;
use domain::account::{Access, AccessStatus, ApiKey};
use domain::workspace::{Role, Workspace};
use domain::{Kind, RepositoryId, UserId};
use serde_json::json;
use store::accounts::{self, NewUser, Session};
use store::workspaces::{self, Ledger, Numbered};
use store::{Page, api_keys, repositories};

both! {
    async fn a_username_is_taken_in_every_case(bed: Bed) {
        let mut tx = bed.write().await;
        let ada = user(&mut tx, "Ada").await;
        assert_eq!(accounts::by_username(&mut tx, "aDA").await.unwrap().unwrap().id, ada);
        let (found, hash) = accounts::credentials(&mut tx, "ada").await.unwrap().unwrap();
        assert_eq!((found.username.as_str(), hash.as_str()), ("Ada", "$argon2id$…"));
        assert!(accounts::credentials(&mut tx, "bob").await.unwrap().is_none());
        tx.commit().await.unwrap();

        let mut tx = bed.write().await;
        let again = NewUser {
            username: "ADA".into(), email: String::new(), password_hash: String::new(), is_admin: false, access: found.access, created_at: at(1),
        };
        let error = accounts::create(&mut tx, &again).await.unwrap_err();
        assert_eq!((error.kind, error.code, error.fields.contains_key("username")), (Kind::Conflict, "username_taken", true));
    }
}

both! {
    async fn access_password_and_rank_change(bed: Bed) {
        let mut tx = bed.write().await;
        let ada = user(&mut tx, "ada").await;
        let access = Access {
            status: AccessStatus::Blocked, identity_provider: "oidc".into(), approved_at: None, updated_at: at(9), waitlist_notified_at: Some(at(8)),
        };
        accounts::set_access(&mut tx, ada, &access).await.unwrap();
        accounts::set_password(&mut tx, ada, "new").await.unwrap();
        accounts::set_admin(&mut tx, ada, true).await.unwrap();
        let (found, hash) = accounts::credentials(&mut tx, "ada").await.unwrap().unwrap();
        assert_eq!((&found.access, found.is_admin, hash.as_str()), (&access, true, "new"));
        assert_eq!(accounts::get(&mut tx, ada).await.unwrap(), found);
        assert_eq!(accounts::count(&mut tx).await.unwrap(), 1);
        assert_eq!(accounts::list(&mut tx, Page::default()).await.unwrap(), [found]);
        let missing = accounts::set_access(&mut tx, UserId(99), &access).await.unwrap_err();
        assert_eq!((missing.kind, missing.message.as_str()), (Kind::NotFound, "there is no user `99`"));
        assert_eq!(accounts::get(&mut tx, UserId(99)).await.unwrap_err().kind, Kind::NotFound);
    }
}

both! {
    async fn sessions_end(bed: Bed) {
        let mut tx = bed.write().await;
        let (ada, bob) = (user(&mut tx, "ada").await, user(&mut tx, "bob").await);
        for (hash, end) in [("a", 10), ("b", 20), ("c", 30)] {
            let session = Session { token_hash: hash.into(), user: ada, csrf: "x".into(), created_at: at(0), expires_at: at(end) };
            accounts::open_session(&mut tx, &session).await.unwrap();
        }
        let (session, user) = accounts::session(&mut tx, "a", at(9)).await.unwrap().unwrap();
        assert_eq!((session.csrf.as_str(), session.expires_at, user.id), ("x", at(10), ada));
        assert!(accounts::session(&mut tx, "a", at(10)).await.unwrap().is_none());
        assert_eq!(accounts::delete_expired_sessions(&mut tx, at(10)).await.unwrap(), 1);
        accounts::close_session(&mut tx, "b").await.unwrap();
        accounts::close_session(&mut tx, "b").await.unwrap();
        assert!(accounts::session(&mut tx, "b", at(0)).await.unwrap().is_none());
        for (hash, owner) in [("d", ada), ("e", bob)] {
            let session = Session { token_hash: hash.into(), user: owner, csrf: "x".into(), created_at: at(0), expires_at: at(30) };
            accounts::open_session(&mut tx, &session).await.unwrap();
        }
        assert_eq!(accounts::close_other_sessions_of(&mut tx, ada, "d").await.unwrap(), 1);
        assert!(accounts::session(&mut tx, "d", at(0)).await.unwrap().is_some());
        assert_eq!(accounts::close_sessions_of(&mut tx, ada).await.unwrap(), 1);
        assert!(accounts::session(&mut tx, "e", at(0)).await.unwrap().is_some(), "another person's session stays");
    }
}

both! {
    async fn an_api_key_works_until_it_is_revoked(bed: Bed) {
        let mut tx = bed.write().await;
        let (ada, bob) = (user(&mut tx, "ada").await, user(&mut tx, "bob").await);
        let old = ApiKey { id: id(), user: ada, name: "ci".into(), created_at: at(1), last_used_at: None, is_active: true };
        let new = ApiKey { id: id(), created_at: at(2), ..old.clone() };
        api_keys::insert_key(&mut tx, &old, "h1").await.unwrap();
        api_keys::insert_key(&mut tx, &new, "h2").await.unwrap();
        assert_eq!(api_keys::list(&mut tx, ada).await.unwrap(), [new.clone(), old.clone()]);
        assert_eq!(api_keys::list(&mut tx, bob).await.unwrap(), []);
        let (key, owner) = api_keys::by_hash(&mut tx, "h1").await.unwrap().unwrap();
        assert_eq!((key, owner.id), (old.clone(), ada));

        api_keys::touch(&mut tx, old.id, at(100)).await.unwrap();
        api_keys::touch(&mut tx, old.id, at(159)).await.unwrap();
        let used = api_keys::get(&mut tx, old.id).await.unwrap();
        assert_eq!(used.last_used_at, Some(at(100)));
        assert!(api_keys::is_touch_due(&old, at(0)) && !api_keys::is_touch_due(&used, at(159)) && api_keys::is_touch_due(&used, at(160)));
        api_keys::touch(&mut tx, old.id, at(160)).await.unwrap();
        assert_eq!(api_keys::get(&mut tx, old.id).await.unwrap().last_used_at, Some(at(160)));

        assert_eq!(api_keys::revoke(&mut tx, bob, old.id).await.unwrap_err().kind, Kind::NotFound);
        api_keys::revoke(&mut tx, ada, old.id).await.unwrap();
        assert!(api_keys::by_hash(&mut tx, "h1").await.unwrap().is_none());
        assert_eq!(api_keys::list(&mut tx, ada).await.unwrap().len(), 2);
        assert!(api_keys::by_hash(&mut tx, "h2").await.unwrap().is_some());
    }
}

both! {
    async fn workspaces_have_members_and_always_an_owner(bed: Bed) {
        let mut tx = bed.write().await;
        let (ada, first) = home(&mut tx, "zeta").await;
        let second = workspace("Alpha");
        workspaces::create(&mut tx, &second, ada).await.unwrap();
        let names: Vec<_> = workspaces::memberships_of(&mut tx, ada).await.unwrap().into_iter().map(|m| (m.workspace.name, m.role)).collect();
        assert_eq!(names, [("Alpha".to_string(), Role::Owner), ("zeta".to_string(), Role::Owner)]);
        assert_eq!(workspaces::oldest_membership(&mut tx, ada).await.unwrap().unwrap().workspace, first);
        assert_eq!(workspaces::by_uid(&mut tx, &second.uid).await.unwrap(), second);
        assert_eq!(workspaces::by_uid(&mut tx, "nothing").await.unwrap_err().kind, Kind::NotFound);

        let bob = user(&mut tx, "bob").await;
        assert!(workspaces::membership(&mut tx, bob, first.id).await.unwrap().is_none());
        assert!(workspaces::oldest_membership(&mut tx, bob).await.unwrap().is_none());
        workspaces::add_member(&mut tx, first.id, bob, Role::Member, at(5)).await.unwrap();
        assert_eq!(workspaces::membership(&mut tx, bob, first.id).await.unwrap().unwrap().role, Role::Member);
        for refused in [
            workspaces::remove_member(&mut tx, first.id, ada).await,
            workspaces::set_role(&mut tx, first.id, ada, Role::Member).await,
        ] {
            assert_eq!(refused.unwrap_err().code, "last_owner");
        }
        workspaces::set_role(&mut tx, first.id, bob, Role::Owner).await.unwrap();
        workspaces::set_role(&mut tx, first.id, ada, Role::Admin).await.unwrap();
        let members: Vec<_> = workspaces::members(&mut tx, first.id).await.unwrap().into_iter().map(|m| (m.user.id, m.role)).collect();
        assert_eq!(members, [(ada, Role::Admin), (bob, Role::Owner)]);
        workspaces::remove_member(&mut tx, first.id, ada).await.unwrap();
        assert_eq!(workspaces::remove_member(&mut tx, first.id, ada).await.unwrap_err().kind, Kind::NotFound);

        let changed = Workspace { name: "Shop".into(), automatic_runs_per_hour_max: 3, ..first.clone() };
        workspaces::update(&mut tx, &changed).await.unwrap();
        workspaces::set_plan(&mut tx, first.id, "pro").await.unwrap();
        let now = workspaces::get(&mut tx, first.id).await.unwrap();
        assert_eq!((now.name.as_str(), now.plan.as_str(), now.automatic_runs_per_hour_max), ("Shop", "pro", 3));
        assert_eq!(workspaces::quota_overrides(&mut tx, first.id).await.unwrap(), json!({}));
        workspaces::set_quota_overrides(&mut tx, first.id, &json!({"enforce": false})).await.unwrap();
        assert_eq!(workspaces::quota_overrides(&mut tx, first.id).await.unwrap(), json!({"enforce": false}));
        tx.commit().await.unwrap();
        let mut tx = bed.write().await;
        assert_eq!(workspaces::add_member(&mut tx, first.id, bob, Role::Member, at(5)).await.unwrap_err().kind, Kind::Conflict);
    }
}

both! {
    async fn the_ledger_adds_up_under_many_hands(bed: Bed) {
        let mut tx = bed.write().await;
        let (_, home) = home(&mut tx, "ada").await;
        assert_eq!(workspaces::ledger(&mut tx, home.id, "2026-11-01").await.unwrap(), Ledger::default());
        tx.commit().await.unwrap();
        let hands: Vec<_> = (0..10).map(|_| {
            let (store, id) = (bed.store.clone(), home.id);
            tokio::spawn(async move {
                let mut tx = store.write().await.unwrap();
                let one = Ledger { requests: 1, sandbox_sessions: 2, sandbox_seconds: 0.5, artifacts_bytes: 3 };
                let sum = workspaces::charge(&mut tx, id, "2026-11-01", &one).await.unwrap().requests;
                let number = workspaces::next_number(&mut tx, id, Numbered::Run).await.unwrap();
                tx.commit().await.unwrap();
                (sum, number)
            })
        }).collect();
        let mut seen = vec![];
        for hand in hands {
            seen.push(hand.await.unwrap());
        }
        seen.sort();
        assert_eq!(seen, (1..=10).map(|n| (n, n)).collect::<Vec<_>>());
        let mut tx = bed.write().await;
        let sum = Ledger { requests: 10, sandbox_sessions: 20, sandbox_seconds: 5.0, artifacts_bytes: 30 };
        assert_eq!(workspaces::ledger(&mut tx, home.id, "2026-11-01").await.unwrap(), sum);
        assert_eq!(workspaces::ledger(&mut tx, home.id, "2026-12-01").await.unwrap(), Ledger::default());
        assert_eq!(workspaces::next_number(&mut tx, home.id, Numbered::Incident).await.unwrap(), 1);
        assert_eq!(workspaces::next_number(&mut tx, home.id, Numbered::MergeRequest).await.unwrap(), 1);
    }
}

both! {
    async fn repositories_are_linked_once(bed: Bed) {
        let mut tx = bed.write().await;
        let (_, home) = home(&mut tx, "ada").await;
        let shop = repository(&home, "shop");
        let cart = domain::repository::Repository { created_at: at(0), ..repository(&home, "cart") };
        repositories::create(&mut tx, &shop, Some(&[0, 159, 146, 150])).await.unwrap();
        repositories::create(&mut tx, &cart, None).await.unwrap();
        assert_eq!(repositories::list(&mut tx, &[home.id, id()]).await.unwrap(), [cart.clone(), shop.clone()]);
        assert_eq!(repositories::list(&mut tx, &[]).await.unwrap(), []);
        assert_eq!(repositories::get(&mut tx, shop.id).await.unwrap(), shop);
        assert_eq!(repositories::find(&mut tx, id()).await.unwrap(), None);
        assert_eq!(repositories::token(&mut tx, shop.id).await.unwrap(), Some(vec![0, 159, 146, 150]));
        assert_eq!(repositories::token(&mut tx, cart.id).await.unwrap(), None);
        repositories::set_default_branch(&mut tx, cart.id, "trunk", at(7)).await.unwrap();
        let now = repositories::get(&mut tx, cart.id).await.unwrap();
        assert_eq!((now.default_branch.as_str(), now.updated_at), ("trunk", at(7)));
        repositories::delete(&mut tx, cart.id).await.unwrap();
        assert_eq!(repositories::delete(&mut tx, cart.id).await.unwrap_err().kind, Kind::NotFound);
        assert_eq!(repositories::token(&mut tx, cart.id).await.unwrap_err().kind, Kind::NotFound);
        tx.commit().await.unwrap();
        let mut tx = bed.write().await;
        let again = domain::repository::Repository { id: id::<RepositoryId>(), ..shop };
        assert_eq!(repositories::create(&mut tx, &again, None).await.unwrap_err().kind, Kind::Conflict);
    }
}
