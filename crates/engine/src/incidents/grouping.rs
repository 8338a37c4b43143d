//! How alerts change incidents. Everything here happens in one transaction for a whole group of alerts.

use super::{decision, recurrence};
use crate::{Engine, scrub};
use domain::alert::Alert;
use domain::incident::{self, Incident, IncidentState};
use domain::limits::EVENTS_PER_INCIDENT_MAX;
use domain::sightings::Sightings;
use domain::source::Source;
use domain::{AlertSourceId, IncidentId, Result, Timestamp};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use store::incidents::AlertEvent;
use store::workspaces::Numbered;

/// How many new event ids of a source may come in before old ones are forgotten.
const FORGET_EVERY: i64 = 1_000;

/// One scrubbed alert and where it came from.
pub struct Arrival<'a> {
    pub source: AlertSourceId,
    pub alert: &'a Alert,
}

/// What happened to incidents while a group was taken in; written once at the end.
struct Touched {
    incident: Incident,
    is_new: bool,
    /// Releases that it was seen in while it counted as resolved.
    seen_again_in: Vec<String>,
    /// Places in the group, oldest first.
    arrivals: Vec<usize>,
    /// Users of this group that are counted already.
    users: HashSet<String>,
}

/// The incident of each arrival; `None` for one that was delivered before.
pub async fn take_in(engine: &Engine, tx: &mut store::Tx, arrivals: &[Arrival<'_>]) -> Result<Vec<Option<IncidentId>>> {
    let now = engine.now();
    let mut sources: HashMap<AlertSourceId, Source> = HashMap::new();
    let mut touched: HashMap<(AlertSourceId, String), Touched> = HashMap::new();
    let mut answers = Vec::with_capacity(arrivals.len());
    for (place, arrival) in arrivals.iter().enumerate() {
        if let Entry::Vacant(place) = sources.entry(arrival.source) {
            place.insert(store::sources::get(tx, arrival.source).await?);
        }
        if !store::incidents::first_sight(tx, arrival.source, &arrival.alert.event_id, now).await? {
            answers.push(None);
            continue;
        }
        let key = (arrival.source, incident::fingerprint(arrival.alert));
        if !touched.contains_key(&key) {
            let source = &sources[&arrival.source];
            touched.insert(key.clone(), open(engine, tx, source, &key.1, arrival.alert, now).await?);
        }
        let one = touched.get_mut(&key).expect("it was put there");
        count(tx, one, place, arrival.alert, now).await?;
        answers.push(Some(one.incident.id));
    }
    for one in touched.into_values() {
        let source = &sources[&one.incident.source];
        settle(engine, tx, one, source, arrivals, now).await?;
    }
    count_sources(tx, &sources, arrivals, &answers, now).await?;
    Ok(answers)
}

/// The incident as it was, or a new one, stored so that users and events can refer to it.
async fn open(engine: &Engine, tx: &mut store::Tx, source: &Source, fingerprint: &str, alert: &Alert, now: Timestamp) -> Result<Touched> {
    if let Some(incident) = store::incidents::find(tx, source.id, fingerprint).await? {
        return Ok(Touched { incident, is_new: false, seen_again_in: Vec::new(), arrivals: Vec::new(), users: HashSet::new() });
    }
    let incident = Incident {
        id: engine.clock.fresh(),
        workspace: source.workspace,
        source: source.id,
        number: store::workspaces::next_number(tx, source.workspace, Numbered::Incident).await?,
        fingerprint: fingerprint.to_string(),
        title: alert.title.clone(),
        kind: alert.thrown().map(|e| e.kind.clone()).unwrap_or_default(),
        culprit: alert.culprit.clone(),
        level: alert.level.clone(),
        platform: alert.platform.clone(),
        state: IncidentState::Open,
        first_seen: now,
        last_seen: now,
        times_seen: 0,
        users_seen: 0,
        sightings: None,
        release: alert.release.clone(),
        environment: alert.environment.clone(),
        request: None,
        no_run_reason: String::new(),
        alert: alert.clone(),
        created_at: now,
        updated_at: now,
    };
    store::incidents::create(tx, &incident).await?;
    Ok(Touched { incident, is_new: true, seen_again_in: Vec::new(), arrivals: Vec::new(), users: HashSet::new() })
}

async fn count(tx: &mut store::Tx, one: &mut Touched, place: usize, alert: &Alert, now: Timestamp) -> Result<()> {
    one.arrivals.push(place);
    one.incident.times_seen += 1;
    one.incident.last_seen = now;
    one.incident.sightings.get_or_insert_with(|| Sightings::since(now)).count(now);
    if let Some(user) = scrub::user_key(alert)
        && one.users.insert(user.to_string())
    {
        one.incident.users_seen = store::incidents::count_user(tx, one.incident.id, user).await?;
    }
    if one.incident.state == IncidentState::Resolved && !one.seen_again_in.contains(&alert.release) {
        one.seen_again_in.push(alert.release.clone());
    }
    Ok(())
}

/// Keeps the newest alerts, decides about a run, stores the incident.
async fn settle(
    engine: &Engine,
    tx: &mut store::Tx,
    one: Touched,
    source: &Source,
    arrivals: &[Arrival<'_>],
    now: Timestamp,
) -> Result<()> {
    let Touched { mut incident, is_new, seen_again_in, arrivals: places, users: _ } = one;
    for place in &places[places.len().saturating_sub(EVENTS_PER_INCIDENT_MAX)..] {
        let alert = arrivals[*place].alert.clone();
        let event = AlertEvent { id: engine.clock.fresh(), incident: incident.id, received_at: now, alert };
        store::incidents::keep_event(tx, &event).await?;
    }
    if let Some(newest) = places.last().map(|place| arrivals[*place].alert) {
        incident.alert = newest.clone();
        incident.level = newest.level.clone();
        incident.release = newest.release.clone();
        incident.environment = newest.environment.clone();
    }
    incident.updated_at = now;
    let mut has_regressed = false;
    for release in seen_again_in {
        if incident.state == IncidentState::Resolved {
            has_regressed = recurrence::seen(engine, tx, &mut incident, &release).await?;
        }
    }
    if is_new || has_regressed || decision::may_reconsider(&incident) {
        decision::decide(engine, tx, &mut incident, source).await?;
    }
    store::incidents::update(tx, &incident).await
}

async fn count_sources(
    tx: &mut store::Tx,
    sources: &HashMap<AlertSourceId, Source>,
    arrivals: &[Arrival<'_>],
    answers: &[Option<IncidentId>],
    now: Timestamp,
) -> Result<()> {
    for (id, source) in sources {
        let counted = arrivals.iter().zip(answers).filter(|(a, answer)| a.source == *id && answer.is_some()).map(|(a, _)| a.alert);
        let (added, newest) = counted.fold((0i64, None), |(n, _), alert| (n + 1, Some(alert)));
        let Some(newest) = newest else { continue };
        store::sources::count_events(tx, *id, added, now, &newest.title).await?;
        if source.events_total / FORGET_EVERY != (source.events_total + added) / FORGET_EVERY {
            store::incidents::forget_old_sights(tx, *id).await?;
        }
    }
    Ok(())
}
