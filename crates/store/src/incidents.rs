//! Incidents and what is kept of the alerts behind them: the newest events, whose ids were seen, which users were hit.
//!
//! How an alert changes an incident is decided elsewhere; the functions here are its steps.

use crate::value::{Arg, At, Doc, Page, conflict, doc, found, insert, places, touched, update as update_sql, word};
use crate::{Tx, args};
use domain::alert::Alert;
use domain::incident::{Incident, IncidentState};
use domain::limits::{ALERTS_SEEN_PER_SOURCE_MAX, EVENTS_PER_INCIDENT_MAX, USERS_PER_INCIDENT_MAX};
use domain::sightings::Sightings;
use domain::{AlertId, AlertSourceId, IncidentId, RequestId, Result, Timestamp, WorkspaceId};

const COLUMNS: &str = "id, workspace_id, source_id, number, fingerprint, title, kind, culprit, level, platform, state, first_seen, last_seen, times_seen, users_seen, sightings, release, environment, request_id, no_run_reason, alert, created_at, updated_at";

#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub workspaces: Vec<WorkspaceId>,
    /// Any, when empty.
    pub states: Vec<IncidentState>,
    pub source: Option<AlertSourceId>,
    /// Part of the title or culprit, whatever the case.
    pub text: Option<String>,
}

/// One alert as it was kept.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertEvent {
    pub id: AlertId,
    pub incident: IncidentId,
    pub received_at: Timestamp,
    pub alert: Alert,
}

pub async fn create(tx: &mut Tx, incident: &Incident) -> Result<()> {
    tx.run(insert("incidents", COLUMNS), args_of(incident))
        .await
        .map_err(conflict("an incident with this fingerprint exists already, or its alert source is gone"))?;
    Ok(())
}

/// In a write transaction the incident is held against other writers until the end.
pub async fn get(tx: &mut Tx, id: IncidentId) -> Result<Incident> {
    let sql = tx.locked(format!("select {COLUMNS} from incidents where id = $1"));
    found(tx.maybe::<Row>(sql, args![id]).await?, "incident", id)?.noun()
}

/// The incident that an alert with this fingerprint belongs to; held like `get`'s.
pub async fn find(tx: &mut Tx, source: AlertSourceId, fingerprint: &str) -> Result<Option<Incident>> {
    let sql = tx.locked(format!("select {COLUMNS} from incidents where source_id = $1 and fingerprint = $2"));
    tx.maybe::<Row>(sql, args![source, fingerprint]).await?.map(Row::noun).transpose()
}

pub async fn update(tx: &mut Tx, incident: &Incident) -> Result<()> {
    let rows = tx.run(update_sql("incidents", COLUMNS), args_of(incident)).await?;
    touched(rows, "incident", incident.id)
}

/// Newest alert first.
pub async fn list(tx: &mut Tx, filter: &Filter, page: Page) -> Result<Vec<Incident>> {
    let Some((condition, args)) = condition(filter) else { return Ok(vec![]) };
    let sql = format!("select {COLUMNS} from incidents where {condition} order by last_seen desc, id desc{}", page.clause());
    tx.all::<Row>(sql, args).await?.into_iter().map(Row::noun).collect()
}

pub async fn count(tx: &mut Tx, filter: &Filter) -> Result<i64> {
    let Some((condition, args)) = condition(filter) else { return Ok(0) };
    let (count,): (i64,) = tx.one(format!("select count(*) from incidents where {condition}"), args).await?;
    Ok(count)
}

/// The one that this request works on.
pub async fn by_request(tx: &mut Tx, request: RequestId) -> Result<Option<Incident>> {
    let sql = format!("select {COLUMNS} from incidents where request_id = $1 order by created_at limit 1");
    tx.maybe::<Row>(sql, args![request]).await?.map(Row::noun).transpose()
}

/// Keeps the alert and drops the oldest beyond the limit; the incident's own counters stay exact.
pub async fn keep_event(tx: &mut Tx, event: &AlertEvent) -> Result<()> {
    let AlertEvent { id, incident, received_at, alert } = event;
    let sql = insert("alert_events", "id, incident_id, event_id, received_at, alert");
    tx.run(sql, args![*id, *incident, &alert.event_id, *received_at, doc(alert)]).await?;
    let sql = format!(
        "delete from alert_events where incident_id = $1 and id not in (
            select id from alert_events where incident_id = $1 order by received_at desc, id desc limit {EVENTS_PER_INCIDENT_MAX})"
    );
    tx.run(sql, args![*incident]).await?;
    Ok(())
}

/// Newest first.
pub async fn events(tx: &mut Tx, incident: IncidentId, page: Page) -> Result<Vec<AlertEvent>> {
    let sql = format!(
        "select id, incident_id, received_at, alert from alert_events where incident_id = $1 order by received_at desc, id desc{}",
        page.clause()
    );
    let rows: Vec<(uuid::Uuid, uuid::Uuid, At, Doc<Alert>)> = tx.all(sql, args![incident]).await?;
    Ok(rows
        .into_iter()
        .map(|(id, incident, at, alert)| AlertEvent {
            id: AlertId(id),
            incident: IncidentId(incident),
            received_at: at.into(),
            alert: alert.0,
        })
        .collect())
}

/// Remembers the sender's event id; false when it was there before, so that a repeated delivery counts once.
pub async fn first_sight(tx: &mut Tx, source: AlertSourceId, event_id: &str, now: Timestamp) -> Result<bool> {
    if event_id.is_empty() {
        return Ok(true);
    }
    let sql = insert("alerts_seen", "source_id, event_id, seen_at") + " on conflict (source_id, event_id) do nothing";
    Ok(tx.run(sql, args![source, event_id, now]).await? > 0)
}

/// Forgets the oldest event ids of a source beyond the limit. Cheap enough for every few hundred alerts.
pub async fn forget_old_sights(tx: &mut Tx, source: AlertSourceId) -> Result<u64> {
    let sql = format!(
        "delete from alerts_seen where source_id = $1 and seen_at < (
            select seen_at from alerts_seen where source_id = $1 order by seen_at desc limit 1 offset {})",
        ALERTS_SEEN_PER_SOURCE_MAX - 1
    );
    tx.run(sql, args![source]).await
}

/// Counts distinct users, up to a limit. `user_key` should be a hash: whose it is does not matter. Answers the count.
pub async fn count_user(tx: &mut Tx, incident: IncidentId, user_key: &str) -> Result<i64> {
    let users = "select count(*) from incident_users where incident_id = $1";
    let (count,): (i64,) = tx.one(users, args![incident]).await?;
    if count >= USERS_PER_INCIDENT_MAX {
        return Ok(count);
    }
    let sql = insert("incident_users", "incident_id, user_key") + " on conflict (incident_id, user_key) do nothing";
    let added = tx.run(sql, args![incident, user_key]).await?;
    Ok(count + added as i64)
}

/// Runs made for this source's incidents since then, for the brake on automatic runs.
pub async fn runs_since(tx: &mut Tx, source: AlertSourceId, since: Timestamp) -> Result<i64> {
    let sql = "select count(*) from runs r join incidents i on i.id = r.incident_id where i.source_id = $1 and r.created_at >= $2";
    let (count,): (i64,) = tx.one(sql, args![source, since]).await?;
    Ok(count)
}

/// The same over all sources of a workspace.
pub async fn workspace_runs_since(tx: &mut Tx, workspace: WorkspaceId, since: Timestamp) -> Result<i64> {
    let sql = "select count(*) from runs r join incidents i on i.id = r.incident_id where i.workspace_id = $1 and r.created_at >= $2";
    let (count,): (i64,) = tx.one(sql, args![workspace, since]).await?;
    Ok(count)
}

/// `None` when nothing can match.
fn condition(filter: &Filter) -> Option<(String, Vec<Arg>)> {
    let Filter { workspaces, states, source, text } = filter;
    if workspaces.is_empty() {
        return None;
    }
    let mut args: Vec<Arg> = workspaces.iter().map(|w| (*w).into()).collect();
    let mut sql = format!("workspace_id in ({})", places(1, args.len()));
    if !states.is_empty() {
        sql += &format!(" and state in ({})", places(args.len() + 1, states.len()));
        args.extend(states.iter().map(|s| Arg::from(s.word())));
    }
    if let Some(source) = source {
        args.push((*source).into());
        sql += &format!(" and source_id = ${}", args.len());
    }
    if let Some(text) = text.as_deref().filter(|t| !t.is_empty()) {
        let escaped = text.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        args.push(Arg::from(format!("%{escaped}%")));
        let at = args.len();
        sql += &format!(" and (lower(title) like ${at} escape '\\' or lower(culprit) like ${at} escape '\\')");
    }
    Some((sql, args))
}

fn args_of(incident: &Incident) -> Vec<Arg> {
    let Incident {
        id,
        workspace,
        source,
        number,
        fingerprint,
        title,
        kind,
        culprit,
        level,
        platform,
        state,
        first_seen,
        last_seen,
        times_seen,
        users_seen,
        sightings,
        release,
        environment,
        request,
        no_run_reason,
        alert,
        created_at,
        updated_at,
    } = incident;
    args![
        *id,
        *workspace,
        *source,
        *number,
        fingerprint,
        title,
        kind,
        culprit,
        level,
        platform,
        state.word(),
        *first_seen,
        *last_seen,
        *times_seen,
        *users_seen,
        sightings.as_ref().map_or(Arg::Text(None), doc),
        release,
        environment,
        *request,
        no_run_reason,
        doc(alert),
        *created_at,
        *updated_at,
    ]
}

#[derive(sqlx::FromRow)]
struct Row {
    id: uuid::Uuid,
    workspace_id: uuid::Uuid,
    source_id: uuid::Uuid,
    number: i64,
    fingerprint: String,
    title: String,
    kind: String,
    culprit: String,
    level: String,
    platform: String,
    state: String,
    first_seen: At,
    last_seen: At,
    times_seen: i64,
    users_seen: i64,
    sightings: Option<Doc<Sightings>>,
    release: String,
    environment: String,
    request_id: Option<uuid::Uuid>,
    no_run_reason: String,
    alert: Doc<Alert>,
    created_at: At,
    updated_at: At,
}

impl Row {
    fn noun(self) -> Result<Incident> {
        let Row {
            id,
            workspace_id,
            source_id,
            number,
            fingerprint,
            title,
            kind,
            culprit,
            level,
            platform,
            state,
            first_seen,
            last_seen,
            times_seen,
            users_seen,
            sightings,
            release,
            environment,
            request_id,
            no_run_reason,
            alert,
            created_at,
            updated_at,
        } = self;
        Ok(Incident {
            id: IncidentId(id),
            workspace: WorkspaceId(workspace_id),
            source: AlertSourceId(source_id),
            number,
            fingerprint,
            title,
            kind,
            culprit,
            level,
            platform,
            state: word("incidents.state", &state, IncidentState::parse)?,
            first_seen: first_seen.into(),
            last_seen: last_seen.into(),
            times_seen,
            users_seen,
            sightings: sightings.map(|doc| doc.0),
            release,
            environment,
            request: request_id.map(RequestId),
            no_run_reason,
            alert: alert.0,
            created_at: created_at.into(),
            updated_at: updated_at.into(),
        })
    }
}
