-- Kept in step with the other database's file: same tables, same columns, same order.

create table users (
    id integer primary key autoincrement,
    username text not null,
    username_key text not null unique,
    email text not null,
    password_hash text not null,
    is_admin integer not null,
    access_status text not null,
    identity_provider text not null,
    approved_at integer,
    access_updated_at integer not null,
    waitlist_notified_at integer,
    created_at integer not null
);

create table sessions (
    token_hash text primary key,
    user_id integer not null references users (id) on delete cascade,
    csrf text not null,
    created_at integer not null,
    expires_at integer not null
);
create index sessions_user on sessions (user_id);
create index sessions_expiry on sessions (expires_at);

create table api_keys (
    id blob primary key,
    user_id integer not null references users (id) on delete cascade,
    name text not null,
    key_hash text not null unique,
    is_active integer not null,
    created_at integer not null,
    last_used_at integer
);
create index api_keys_user on api_keys (user_id, created_at);

create table workspaces (
    id blob primary key,
    uid text not null unique,
    name text not null,
    plan text not null,
    created_by integer references users (id) on delete set null,
    created_at integer not null,
    quota_overrides text not null default '{}'
);

create table members (
    workspace_id blob not null references workspaces (id) on delete cascade,
    user_id integer not null references users (id) on delete cascade,
    role text not null,
    joined_at integer not null,
    primary key (workspace_id, user_id)
);
create index members_user on members (user_id, joined_at);

create table usage_ledger (
    workspace_id blob not null references workspaces (id) on delete cascade,
    period_start text not null,
    requests integer not null,
    sandbox_sessions integer not null,
    sandbox_seconds real not null,
    artifacts_bytes integer not null,
    primary key (workspace_id, period_start)
);

create table counters (
    workspace_id blob not null references workspaces (id) on delete cascade,
    noun text not null,
    value integer not null,
    primary key (workspace_id, noun)
);

create table repositories (
    id blob primary key,
    workspace_id blob not null references workspaces (id) on delete cascade,
    provider text not null,
    repository text not null,
    base_url text not null,
    default_branch text not null,
    created_by integer references users (id) on delete set null,
    created_at integer not null,
    updated_at integer not null,
    access_token blob,
    unique (workspace_id, provider, repository)
);
create index repositories_age on repositories (workspace_id, created_at);

create table alert_sources (
    id blob primary key,
    workspace_id blob not null references workspaces (id) on delete cascade,
    name text not null,
    kind text not null,
    project_number integer not null unique,
    public_key text not null,
    token_hash text not null,
    repository_id blob references repositories (id) on delete set null,
    automatic_runs integer not null,
    executor text,
    runs_per_hour_max integer not null,
    events_total integer not null,
    last_event_at integer,
    last_event_title text,
    created_at integer not null,
    secret blob
);
create index alert_sources_workspace on alert_sources (workspace_id, created_at);
create unique index alert_sources_token on alert_sources (token_hash) where token_hash <> '';

create table incidents (
    id blob primary key,
    workspace_id blob not null references workspaces (id) on delete cascade,
    source_id blob not null references alert_sources (id) on delete cascade,
    number integer not null,
    fingerprint text not null,
    title text not null,
    kind text not null,
    culprit text not null,
    level text not null,
    platform text not null,
    state text not null,
    first_seen integer not null,
    last_seen integer not null,
    times_seen integer not null,
    users_seen integer not null,
    release text not null,
    environment text not null,
    request_id blob,
    no_run_reason text not null,
    alert text not null,
    created_at integer not null,
    updated_at integer not null,
    unique (source_id, fingerprint),
    unique (workspace_id, number)
);
create index incidents_seen on incidents (workspace_id, last_seen);
create index incidents_state on incidents (workspace_id, state, last_seen);
create index incidents_request on incidents (request_id);

create table alert_events (
    id blob primary key,
    incident_id blob not null references incidents (id) on delete cascade,
    event_id text not null,
    received_at integer not null,
    alert text not null
);
create index alert_events_incident on alert_events (incident_id, received_at);

create table alerts_seen (
    source_id blob not null references alert_sources (id) on delete cascade,
    event_id text not null,
    seen_at integer not null,
    primary key (source_id, event_id)
);
create index alerts_seen_age on alerts_seen (source_id, seen_at);

create table incident_users (
    incident_id blob not null references incidents (id) on delete cascade,
    user_key text not null,
    primary key (incident_id, user_key)
);

create table requests (
    id blob primary key,
    workspace_id blob not null references workspaces (id) on delete cascade,
    user_id integer references users (id) on delete set null,
    repository_id blob references repositories (id) on delete set null,
    incident_id blob references incidents (id) on delete set null,
    source text not null,
    sender text not null,
    kind text not null,
    state text not null,
    title text not null,
    prompt text not null,
    executor text,
    llm text not null,
    attachments text not null,
    created_at integer not null,
    updated_at integer not null
);
create index requests_age on requests (workspace_id, created_at);
create index requests_incident on requests (incident_id);
create index requests_repository on requests (repository_id);

create table chat_messages (
    id integer primary key autoincrement,
    request_id blob not null references requests (id) on delete cascade,
    role text not null,
    message text not null,
    attachments text not null,
    run_id blob,
    created_at integer not null
);
create index chat_messages_request on chat_messages (request_id, id);

create table runs (
    id blob primary key,
    request_id blob not null references requests (id) on delete cascade,
    workspace_id blob not null references workspaces (id) on delete cascade,
    incident_id blob references incidents (id) on delete set null,
    number integer not null,
    status text not null,
    step text,
    live_line text not null,
    live_since integer,
    executor text not null,
    model text not null,
    verdict text,
    error text not null,
    created_at integer not null,
    started_at integer,
    finished_at integer,
    diff_chars integer not null,
    usage text not null,
    record text not null,
    unique (workspace_id, number)
);
create index runs_age on runs (workspace_id, created_at);
create index runs_request on runs (request_id, created_at);
create index runs_incident on runs (incident_id, created_at);
create index runs_active on runs (status, created_at);

create table merge_requests (
    id blob primary key,
    workspace_id blob not null references workspaces (id) on delete cascade,
    request_id blob not null references requests (id) on delete cascade,
    run_id blob not null,
    repository_id blob not null,
    incident_id blob references incidents (id) on delete set null,
    number integer not null,
    reference text not null,
    title text not null,
    description text not null,
    source_branch text not null,
    target_branch text not null,
    base_commit text not null,
    patch_commit text not null,
    diff text not null,
    status text not null,
    verdict text not null,
    decisions text not null,
    created_at integer not null,
    updated_at integer not null,
    unique (repository_id, source_branch),
    unique (workspace_id, number)
);
create index merge_requests_age on merge_requests (workspace_id, created_at);
create index merge_requests_request on merge_requests (request_id);
create index merge_requests_incident on merge_requests (incident_id);

create table evidence (
    run_id blob primary key references runs (id) on delete cascade,
    digest text not null,
    envelope text not null,
    created_at integer not null
);
create index evidence_digest on evidence (digest);

create table run_tokens (
    token_hash text primary key,
    run_id blob not null references runs (id) on delete cascade,
    sandbox_id blob not null,
    epoch integer not null,
    created_at integer not null,
    expires_at integer not null,
    is_revoked integer not null
);
create index run_tokens_run on run_tokens (run_id);

create table llm_grants (
    id blob primary key,
    run_id blob not null references runs (id) on delete cascade,
    step text not null,
    model text not null,
    tokens_granted integer not null,
    granted_at integer not null,
    settled_at integer,
    calls integer not null,
    input_tokens integer not null,
    cached_input_tokens integer not null,
    output_tokens integer not null,
    cost_usd real
);
create index llm_grants_run on llm_grants (run_id, granted_at);

create table sandboxes (
    id blob primary key,
    user_id integer not null references users (id) on delete cascade,
    workspace_id blob references workspaces (id) on delete cascade,
    mode text not null,
    image text not null,
    cpu text not null,
    memory text not null,
    ephemeral_storage text not null,
    restore_snapshot_id blob,
    status text not null,
    reference text not null,
    control_endpoint text not null,
    workspace_path text not null,
    artifact_base_url text not null,
    idle_timeout_sec integer not null,
    max_lifetime_sec integer not null,
    last_activity_at integer,
    last_heartbeat_at integer,
    expires_at integer,
    error_message text not null,
    metadata text not null,
    cpu_seconds real not null,
    storage_bytes integer not null,
    epoch integer not null,
    created_at integer not null,
    updated_at integer not null
);
create index sandboxes_user on sandboxes (user_id, created_at);
create index sandboxes_workspace on sandboxes (workspace_id, created_at);
create index sandboxes_status on sandboxes (status, expires_at);

create table sandbox_snapshots (
    id blob primary key,
    sandbox_id blob not null references sandboxes (id) on delete cascade,
    label text not null,
    s3_key text not null,
    archive_path text not null,
    size_bytes integer not null,
    include_paths text not null,
    exclude_paths text not null,
    created_at integer not null
);
create index sandbox_snapshots_sandbox on sandbox_snapshots (sandbox_id, created_at);

create table sandbox_artifacts (
    id blob primary key,
    sandbox_id blob not null references sandboxes (id) on delete cascade,
    filename text not null,
    content_type text not null,
    size_bytes integer not null,
    storage_path text not null,
    download_url text not null,
    created_at integer not null
);
create index sandbox_artifacts_sandbox on sandbox_artifacts (sandbox_id, created_at);

create table settings (
    key text primary key,
    value text not null
);

create table layers (
    digest text primary key,
    repository_id blob,
    path text not null,
    state text not null,
    size_bytes integer not null,
    created_at integer not null,
    last_used_at integer not null
);
create index layers_age on layers (last_used_at);

create table topics (
    topic text primary key,
    seq integer not null,
    hash text not null
);

create table events (
    topic text not null,
    seq integer not null,
    kind text not null,
    payload text not null,
    at integer not null,
    prev_hash text not null,
    hash text not null,
    primary key (topic, seq)
);

create table jobs (
    id blob primary key,
    kind text not null,
    payload text not null,
    workspace_id blob,
    key text,
    priority integer not null,
    attempts integer not null,
    run_at integer not null,
    cancel_requested integer not null,
    state text not null,
    worker_id blob,
    lease_epoch integer not null,
    lease_until integer,
    error text not null,
    finished_at integer
);
create unique index jobs_key on jobs (key) where state in ('queued', 'running');
create index jobs_due on jobs (state, run_at);
create index jobs_lease on jobs (state, lease_until);
create index jobs_workspace on jobs (workspace_id, state);
create index jobs_age on jobs (finished_at);
