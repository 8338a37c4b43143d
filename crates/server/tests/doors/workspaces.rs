//! Who is in a workspace, and what each role may do there.

use crate::house::House;
use serde_json::json;

#[tokio::test]
async fn members_come_and_go_by_role() {
    let house = House::new().await;
    let (ada, bob, eve) = (house.person("ada").await, house.person("bob").await, house.person("eve").await);
    let members = format!("/api/workspaces/{}/members/", ada.workspace);
    // To strangers the workspace is not there.
    house.get(&bob, &members).await.is_problem(404);
    house.post(&bob, &members, json!({"username": "bob"})).await.is_problem(404);

    house.post(&ada, &members, json!({"username": "nobody"})).await.is_problem(400);
    house.post(&ada, &members, json!({"username": "bob", "role": "king"})).await.is_problem(400);
    assert_eq!(house.post(&ada, &members, json!({"username": "bob"})).await.is(201)["role"], "member");
    house.post(&ada, &members, json!({"username": "bob"})).await.is_problem(409);
    assert_eq!(house.get(&bob, &members).await.is(200).as_array().map(Vec::len), Some(2));

    // A member manages nobody; an admin nobody above.
    house.post(&bob, &members, json!({"username": "eve"})).await.is_problem(403);
    let bobs = format!("{members}{}/", bob.user.id);
    house.send_json("PATCH", &ada, &bobs, json!({"role": "admin"})).await.is(200);
    house.post(&bob, &members, json!({"username": "eve", "role": "owner"})).await.is_problem(403);
    house.post(&bob, &members, json!({"username": "eve"})).await.is(201);
    house.send_json("PATCH", &bob, &format!("{members}{}/", ada.user.id), json!({"role": "member"})).await.is_problem(403);

    // There is always an owner, and everybody may leave.
    let adas = format!("{members}{}/", ada.user.id);
    house.delete(&ada, &adas).await.is_problem(409);
    house.send_json("PATCH", &ada, &adas, json!({"role": "member"})).await.is_problem(409);
    house.delete(&eve, &format!("{members}{}/", eve.user.id)).await.is(204);
    house.get(&eve, &members).await.is_problem(404);
    house.delete(&ada, &bobs).await.is(204);
    house.delete(&ada, &bobs).await.is_problem(404);
}

#[tokio::test]
async fn usage_shows_plan_limits_and_catalog() {
    let house = House::with(|settings| settings.default_plan = "trial".into()).await;
    let (ada, bob) = (house.person("ada").await, house.person("bob").await);
    let path = format!("/api/workspaces/{}/usage/", ada.workspace);
    let usage = house.get(&ada, &path).await;
    assert_eq!(usage.is(200)["limits"], json!({"requests_per_month": 50, "sandbox_sessions_per_month": 20, "sandbox_concurrent": 1}));
    assert_eq!(usage.json["usage"]["active_sandboxes"], 0);
    assert_eq!(usage.json["catalog"]["self_hosted"]["sandbox_concurrent"], json!(null));
    assert!(usage.json["period_start"].as_str().is_some_and(|d| d.ends_with("-01") && d.len() == 10));
    house.get(&bob, &path).await.is_problem(404);
}

#[tokio::test]
async fn a_foreign_workspace_is_not_there() {
    let house = House::new().await;
    let (ada, bob) = (house.person("ada").await, house.person("bob").await);
    house.get(&ada, &format!("/api/workspaces/{}/", ada.workspace)).await.is(200);
    house.get(&bob, &format!("/api/workspaces/{}/", ada.workspace)).await.is_problem(404);
    house.send_json("PATCH", &bob, &format!("/api/workspaces/{}/", ada.workspace), json!({"name": "Mine"})).await.is_problem(404);
    assert_eq!(
        house.send_json("PATCH", &ada, &format!("/api/workspaces/{}/", ada.workspace), json!({"name": "Ours"})).await.is(200)["name"],
        "Ours"
    );
    house.get(&bob, &format!("/api/activity/?tenant_id={}", ada.workspace)).await.is_problem(403);
}
