//! While a fix waits, somebody else changes the same lines.

use super::house::{House, commit, git, recording, skipped};
use super::source::Source;
use serde_json::{Value, json};
use std::fs;

fn merge_request(house: &House) -> Value {
    let all = house.get("/api/merge-requests/").json();
    let id = all[0]["id"].as_str().expect("a merge request");
    assert_eq!(all.as_array().map(Vec::len), Some(1), "{all:#}");
    house.get(&format!("/api/merge-requests/{id}/")).json()
}

/// The line above the one that the fix changes. Answers the new tip.
fn change_the_same_lines(house: &House) -> String {
    let folder = &house.repository;
    let links = house.get("/api/repository-links/").json();
    let clone_url = links[0]["clone_url"].as_str().expect("an address").replace("http://", &format!("http://anybody:{}@", house.key));
    let path = folder.join("checkout/pricing.py");
    let code = fs::read_to_string(&path).expect("the example");
    let line = "promotions = active_on(cart.placed_on)\n";
    assert!(code.contains(line), "{code}");
    fs::write(&path, code.replace(line, "promotions = dict(active_on(cart.placed_on))\n")).expect("written");
    commit(folder, "Own the table");
    git(folder, &["push", "-q", &clone_url, "HEAD:main"]);
    let head = fs::read_to_string(folder.join(".git/refs/heads/main")).expect("a ref");
    head.trim().to_string()
}

#[test]
fn a_fix_in_conflict_is_made_anew_on_the_newest_commit() {
    let Some(house) = House::warm(&recording(&[])) else { return skipped("a merge conflict") };
    let mut source = Source::new(&house);
    // Named by its commit, the release is where the first run begins.
    let released = fs::read_to_string(house.repository.join(".git/refs/heads/main")).expect("a ref").trim().to_string();
    source.crash(&house, &format!("checkout-service@{released}"));
    let incident = house.get("/api/incidents/").json()[0].clone();
    let request = incident["run"]["request_id"].as_str().expect("a run started by itself").to_string();
    let first = house.expect_proven(&request);
    assert_eq!(first["base_commit"], json!(released));
    assert_eq!((&merge_request(&house)["behind_by"], &merge_request(&house)["can_merge"]), (&json!(0), &json!(true)));

    let tip = change_the_same_lines(&house);
    let stuck = merge_request(&house);
    let told = (&stuck["behind_by"], &stuck["conflicts"], &stuck["can_merge"]);
    assert_eq!(told, (&json!(1), &json!(["checkout/pricing.py"]), &json!(false)), "{stuck:#}");
    let path = format!("/api/merge-requests/{}", stuck["id"].as_str().expect("an id"));
    assert_eq!(house.post(&format!("{path}/approve/"), &json!({})).status, 200);
    assert_eq!(house.post(&format!("{path}/merge/"), &json!({})).status, 409);

    let retry = format!("/api/runs/{}/retry/", first["id"].as_str().expect("an id"));
    let answer = house.post(&retry, &json!({"from_step": "prepare"}));
    assert_eq!(answer.status, 202, "{}", answer.text());
    let second = house.expect_proven(&request);
    assert_eq!(second["base_commit"], json!(tip), "the release is no place to begin any more");
    let anew = merge_request(&house);
    let told = (&anew["id"], &anew["behind_by"], &anew["conflicts"], &anew["can_merge"], &anew["approved_by"]);
    assert_eq!(told, (&stuck["id"], &json!(0), &json!([]), &json!(true), &Value::Null), "{anew:#}");
    for act in ["approve", "merge"] {
        let answer = house.post(&format!("{path}/{act}/"), &json!({}));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!(merge_request(&house)["status"], "MERGED");
}
