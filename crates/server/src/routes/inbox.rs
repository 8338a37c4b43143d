//! The inbox: one read for the first screen, and the example that a new installation may crash.

use crate::routes::runs::{self, RunSummary};
use crate::{AppState, Json, Query, Reply, Stamp};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::evidence::{TestRow, Verdict};
use domain::merge_request::MergeRequestStatus;
use domain::{Error, IncidentId};
use engine::accounts::Caller;
use engine::inbox::{self, Item};
use engine::incidents;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(get)).routes(routes!(crash))
}

#[derive(Serialize, ToSchema)]
#[schema(as = Inbox)]
pub struct InboxView {
    pub needs_you: Vec<InboxItem>,
    pub working: Vec<InboxItem>,
    pub ready_to_merge: Vec<InboxItem>,
    pub done: Vec<InboxItem>,
    /// How many there are of each; the lists show the newest.
    pub totals: TotalsView,
}

#[derive(Serialize, ToSchema)]
#[schema(as = InboxTotals)]
pub struct TotalsView {
    pub needs_you: usize,
    pub working: usize,
    pub ready_to_merge: usize,
    pub done: usize,
}

#[derive(Serialize, ToSchema)]
pub struct InboxItem {
    /// `incident`, `run` or `merge_request`.
    pub kind: &'static str,
    pub id: String,
    pub number: i64,
    pub title: String,
    pub subtitle: Option<String>,
    /// Of an incident or a run its state; of a merge request `merged`, `recurred`, `closed`, `overridden`, or its verdict.
    pub state: String,
    pub at: Stamp,
    /// The page in the web app.
    pub href: String,
    pub run: Option<RunSummary>,
    /// As it is linked, of a merge request.
    pub repository: Option<String>,
    pub incident_short_id: Option<String>,
    /// The tests that count, of a run or a merge request, without what they printed.
    #[schema(value_type = Vec<Object>)]
    pub tests: Value,
    /// What can be done from the list.
    pub action: Option<ActionView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = InboxAction)]
pub struct ActionView {
    pub label: &'static str,
    pub method: &'static str,
    pub url: String,
}

#[derive(Serialize, ToSchema)]
pub struct Crashed {
    #[schema(value_type = String, format = Uuid)]
    pub incident_id: IncidentId,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    workspace_uid: Option<String>,
}

/// What needs me, what works, what is ready, what is done
#[utoipa::path(get, path = "/api/inbox/", tag = "inbox", params(Filter), responses((status = 200, body = InboxView)))]
async fn get(State(state): State<AppState>, caller: Caller, Query(filter): Query<Filter>) -> Reply<Json<InboxView>> {
    let found = inbox::of(&state.engine, caller.user.id, filter.workspace_uid.as_deref()).await?;
    let [needs_you, working, ready_to_merge, done] = [&found.needs_you, &found.working, &found.ready_to_merge, &found.done].map(Vec::len);
    Ok(Json(InboxView {
        totals: TotalsView { needs_you, working, ready_to_merge, done },
        needs_you: views(&state, found.needs_you).await?,
        working: views(&state, found.working).await?,
        ready_to_merge: views(&state, found.ready_to_merge).await?,
        done: views(&state, found.done).await?,
    }))
}

/// A group shows its newest; the pages of incidents, runs and merge requests have the rest.
const GROUP_MAX: usize = 30;

async fn views(state: &AppState, items: Vec<Item>) -> Result<Vec<InboxItem>, Error> {
    let mut all = Vec::with_capacity(GROUP_MAX.min(items.len()));
    for item in items.into_iter().take(GROUP_MAX) {
        all.push(view(state, item).await?);
    }
    Ok(all)
}

async fn view(state: &AppState, item: Item) -> Result<InboxItem, Error> {
    let at = Stamp(item.at());
    Ok(match item {
        Item::Incident(listed) => {
            let obstacle = incidents::obstacle(&state.engine, &listed.incident).await?;
            let incident = listed.incident;
            let run = ActionView { label: "Run anyway", method: "POST", url: format!("/api/incidents/{}/run/", incident.id) };
            let action = Some(run).filter(|_| obstacle.is_none());
            InboxItem {
                kind: "incident",
                id: incident.id.to_string(),
                number: incident.number,
                title: incident.title,
                subtitle: Some(incident.no_run_reason).filter(|reason| !reason.is_empty()),
                state: incident.state.word().to_string(),
                at,
                href: format!("/incidents/{}", incident.id),
                run: None,
                repository: None,
                incident_short_id: Some(listed.short_id),
                tests: json!([]),
                action,
            }
        }
        Item::Run(run) => {
            let tests = outcomes(&run.record.tests);
            let summary = runs::summaries(state, vec![*run]).await?.pop().ok_or_else(|| Error::internal("a run has a summary"))?;
            InboxItem {
                kind: "run",
                id: summary.id.to_string(),
                number: summary.number,
                title: summary.request_title.clone(),
                subtitle: summary.error.clone().or_else(|| summary.live_line.clone()),
                state: summary.status.to_string(),
                at,
                href: format!("/runs/{}", summary.id),
                action: None,
                repository: None,
                incident_short_id: summary.incident_short_id.clone(),
                tests,
                run: Some(summary),
            }
        }
        Item::MergeRequest(whole) => {
            let merge_request = whole.merge_request;
            let tests = outcomes(whole.run.as_ref().map_or(&[], |run| &run.record.tests));
            let broken =
                whole.run.as_ref().and_then(|run| run.record.rules.iter().find(|r| r.state == domain::evidence::RuleState::Broken));
            let state = match merge_request.status {
                MergeRequestStatus::Merged if merge_request.decisions.recurrence.is_some() => "recurred".to_string(),
                MergeRequestStatus::Merged | MergeRequestStatus::Closed => merge_request.status.word().to_lowercase(),
                _ if merge_request.is_ready() && merge_request.verdict != Verdict::Proven => "overridden".to_string(),
                _ => merge_request.verdict.word().to_string(),
            };
            InboxItem {
                kind: "merge_request",
                id: merge_request.id.to_string(),
                number: merge_request.number,
                title: merge_request.title,
                subtitle: broken.map(|rule| rule.detail.clone()),
                state,
                at,
                href: format!("/merge-requests/{}", merge_request.id),
                run: None,
                repository: whole.repository.map(|repository| repository.repository),
                incident_short_id: whole.incident_short_id,
                tests,
                action: None,
            }
        }
    })
}

/// What a strip on one line needs: this list is read every few seconds, and logs are long.
fn outcomes(rows: &[TestRow]) -> Value {
    json!(rows.iter().cloned().map(TestRow::without_logs).collect::<Vec<_>>())
}

/// Crashes the bundled example for real; its alert becomes an incident with a run
#[utoipa::path(post, path = "/api/demo/crash/", tag = "inbox", responses((status = 202, body = Crashed)))]
async fn crash(State(state): State<AppState>, caller: Caller) -> Reply<Response> {
    let example = state.example.clone().ok_or_else(|| Error::not_found("this server has no example to crash"))?;
    let incident = example.crash(&caller.user).await?;
    Ok((StatusCode::ACCEPTED, Json(Crashed { incident_id: incident })).into_response())
}
