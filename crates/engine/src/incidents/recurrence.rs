//! A resolved fault that is seen again. Whether it counts against the fix depends on the release that it was seen in:
//! one that was made without the fix goes on crashing until it is replaced.

use super::decision;
use crate::worker::fenced;
use crate::{Engine, events, releases, runs};
use domain::incident::{Incident, IncidentState};
use domain::job::Job;
use domain::merge_request::{MergeRequest, MergeRequestStatus, Recurrence};
use domain::source::Source;
use domain::{IncidentId, Result};
use serde_json::json;
use sha2::{Digest, Sha256};
use store::queue::{Lease, NewJob};

pub const JOB: &str = "recurrence";
/// Releases remembered as made without the fix.
const RELEASES_MAX: usize = 100;

/// What an alert about a resolved incident means. True when it counts as regressed at once; a job may find so later.
pub(super) async fn seen(engine: &Engine, tx: &mut store::Tx, incident: &mut Incident, release: &str) -> Result<bool> {
    let Some(mut fix) = fix_of(tx, incident).await? else {
        incident.state = IncidentState::Regressed;
        return Ok(true);
    };
    if release.is_empty() {
        regress(engine, tx, incident, &mut fix, release).await?;
        return Ok(true);
    }
    if !fix.decisions.releases_without_fix.iter().any(|known| known == release) {
        let job = NewJob {
            id: engine.clock.fresh(),
            kind: JOB.into(),
            payload: json!({"incident_id": incident.id, "release": release}),
            workspace: Some(incident.workspace),
            key: Some(format!("{JOB}:{}:{}", incident.id, hex::encode(&Sha256::digest(release)[..8]))),
            lane: None,
            priority: 5,
            run_at: engine.now(),
        };
        store::queue::enqueue(tx, job).await?;
    }
    Ok(false)
}

/// Asks git whether the release holds the merge. One that git doesn't know counts: it is not one of those before the fix.
pub async fn carry_out(engine: &Engine, job: &Job, lease: &Lease) -> Result<()> {
    let id: IncidentId = job.payload["incident_id"].as_str().unwrap_or_default().parse()?;
    let release = job.payload["release"].as_str().unwrap_or_default();
    let fix = {
        let mut tx = engine.store.read().await?;
        let incident = store::incidents::get(&mut tx, id).await?;
        fix_of(&mut tx, &incident).await?
    };
    let Some(fix) = fix else { return Ok(()) };
    let has_fix = match (releases::commit(engine.git.as_ref(), fix.repository, release).await?, &fix.decisions.merge_commit) {
        (Some(commit), Some(merge)) => engine.git.contains(fix.repository, &commit, merge).await?,
        _ => true,
    };
    let mut tx = fenced(engine, lease).await?;
    let mut incident = store::incidents::get(&mut tx, id).await?;
    let Some(mut fix) = fix_of(&mut tx, &incident).await?.filter(|_| incident.state == IncidentState::Resolved) else { return Ok(()) };
    if has_fix {
        regress(engine, &mut tx, &mut incident, &mut fix, release).await?;
        let source: Source = store::sources::get(&mut tx, incident.source).await?;
        decision::decide(engine, &mut tx, &mut incident, &source).await?;
        incident.updated_at = engine.now();
        store::incidents::update(&mut tx, &incident).await?;
    } else {
        remember(&mut fix.decisions.releases_without_fix, release);
        store::merge_requests::update(&mut tx, &fix).await?;
    }
    tx.commit().await
}

/// The releases that the fault was seen in until now: what is merged in this moment can't be in them.
pub(crate) async fn releases_until_now(tx: &mut store::Tx, id: IncidentId) -> Result<Vec<String>> {
    let incident = store::incidents::get(tx, id).await?;
    let events = store::incidents::events(tx, id, store::Page::first(RELEASES_MAX as i64)).await?;
    let mut releases = Vec::new();
    for release in events.iter().map(|event| &event.alert.release).chain([&incident.release]) {
        remember(&mut releases, release);
    }
    Ok(releases)
}

fn remember(releases: &mut Vec<String>, release: &str) {
    if !release.is_empty() && releases.len() < RELEASES_MAX && !releases.iter().any(|known| known == release) {
        releases.push(release.to_string());
    }
}

/// The newest merge that was to mend the incident, of whichever of its requests; `None` when there was none.
async fn fix_of(tx: &mut store::Tx, incident: &Incident) -> Result<Option<MergeRequest>> {
    let all = store::merge_requests::by_incident(tx, incident.id).await?;
    let merged = all.into_iter().filter(|merge_request| merge_request.status == MergeRequestStatus::Merged);
    match merged.max_by_key(|merge_request| merge_request.decisions.merged_at) {
        Some(newest) => store::merge_requests::get(tx, newest.id).await.map(Some),
        None => Ok(None),
    }
}

/// Opens the incident again and says so where the fix is: on its merge request and in its run. The caller stores the incident.
async fn regress(engine: &Engine, tx: &mut store::Tx, incident: &mut Incident, fix: &mut MergeRequest, release: &str) -> Result<()> {
    incident.state = IncidentState::Regressed;
    fix.decisions.recurrence = Some(Recurrence { at: engine.now(), release: release.to_string() });
    fix.updated_at = engine.now();
    store::merge_requests::update(tx, fix).await?;
    let place = if release.is_empty() { String::new() } else { format!(" in release {release}") };
    runs::end_watching(engine, tx, fix.run, format!("seen again{place}")).await?;
    let message = format!("the fault was seen again{place}, after !{} was merged", fix.number);
    let fields = json!({"stage": "mr", "action": "recurred", "message": message, "id": fix.id, "number": fix.number});
    events::append(engine, tx, fix.request, Some(fix.run), "merge_request", fields).await.map(drop)
}
