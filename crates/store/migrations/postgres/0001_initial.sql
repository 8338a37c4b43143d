-- Kept in step with the other database's file: same tables, same columns, same order.

create table users (
    id bigint generated always as identity primary key,
    username text not null,
    username_key text not null unique,
    email text not null,
    password_hash text not null,
    is_admin boolean not null,
    access_status text not null,
    identity_provider text not null,
    approved_at timestamptz,
    access_updated_at timestamptz not null,
    waitlist_notified_at timestamptz,
    created_at timestamptz not null
);

create table sessions (
    token_hash text primary key,
    user_id bigint not null references users (id) on delete cascade,
    csrf text not null,
    created_at timestamptz not null,
    expires_at timestamptz not null
);
create index sessions_user on sessions (user_id);
create index sessions_expiry on sessions (expires_at);

create table api_keys (
    id uuid primary key,
    user_id bigint not null references users (id) on delete cascade,
    name text not null,
    key_hash text not null unique,
    is_active boolean not null,
    created_at timestamptz not null,
    last_used_at timestamptz
);
create index api_keys_user on api_keys (user_id, created_at);

create table workspaces (
    id uuid primary key,
    uid text not null unique,
    name text not null,
    plan text not null,
    created_by bigint references users (id) on delete set null,
    created_at timestamptz not null,
    quota_overrides text not null default '{}'
);

create table members (
    workspace_id uuid not null references workspaces (id) on delete cascade,
    user_id bigint not null references users (id) on delete cascade,
    role text not null,
    joined_at timestamptz not null,
    primary key (workspace_id, user_id)
);
create index members_user on members (user_id, joined_at);

create table usage_ledger (
    workspace_id uuid not null references workspaces (id) on delete cascade,
    period_start text not null,
    requests bigint not null,
    sandbox_sessions bigint not null,
    sandbox_seconds double precision not null,
    artifacts_bytes bigint not null,
    primary key (workspace_id, period_start)
);

create table counters (
    workspace_id uuid not null references workspaces (id) on delete cascade,
    noun text not null,
    value bigint not null,
    primary key (workspace_id, noun)
);

create table repositories (
    id uuid primary key,
    workspace_id uuid not null references workspaces (id) on delete cascade,
    provider text not null,
    repository text not null,
    base_url text not null,
    default_branch text not null,
    created_by bigint references users (id) on delete set null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    access_token bytea,
    unique (workspace_id, provider, repository)
);
create index repositories_age on repositories (workspace_id, created_at);

create table alert_sources (
    id uuid primary key,
    workspace_id uuid not null references workspaces (id) on delete cascade,
    name text not null,
    kind text not null,
    project_number bigint not null unique,
    public_key text not null,
    token_hash text not null,
    repository_id uuid references repositories (id) on delete set null,
    automatic_runs boolean not null,
    executor text,
    runs_per_hour_max bigint not null,
    events_total bigint not null,
    last_event_at timestamptz,
    last_event_title text,
    created_at timestamptz not null,
    secret bytea
);
create index alert_sources_workspace on alert_sources (workspace_id, created_at);
create unique index alert_sources_token on alert_sources (token_hash) where token_hash <> '';

create table incidents (
    id uuid primary key,
    workspace_id uuid not null references workspaces (id) on delete cascade,
    source_id uuid not null references alert_sources (id) on delete cascade,
    number bigint not null,
    fingerprint text not null,
    title text not null,
    kind text not null,
    culprit text not null,
    level text not null,
    platform text not null,
    state text not null,
    first_seen timestamptz not null,
    last_seen timestamptz not null,
    times_seen bigint not null,
    users_seen bigint not null,
    release text not null,
    environment text not null,
    request_id uuid,
    no_run_reason text not null,
    alert text not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    unique (source_id, fingerprint),
    unique (workspace_id, number)
);
create index incidents_seen on incidents (workspace_id, last_seen);
create index incidents_state on incidents (workspace_id, state, last_seen);
create index incidents_request on incidents (request_id);

create table alert_events (
    id uuid primary key,
    incident_id uuid not null references incidents (id) on delete cascade,
    event_id text not null,
    received_at timestamptz not null,
    alert text not null
);
create index alert_events_incident on alert_events (incident_id, received_at);

create table alerts_seen (
    source_id uuid not null references alert_sources (id) on delete cascade,
    event_id text not null,
    seen_at timestamptz not null,
    primary key (source_id, event_id)
);
create index alerts_seen_age on alerts_seen (source_id, seen_at);

create table incident_users (
    incident_id uuid not null references incidents (id) on delete cascade,
    user_key text not null,
    primary key (incident_id, user_key)
);

create table requests (
    id uuid primary key,
    workspace_id uuid not null references workspaces (id) on delete cascade,
    user_id bigint references users (id) on delete set null,
    repository_id uuid references repositories (id) on delete set null,
    incident_id uuid references incidents (id) on delete set null,
    source text not null,
    sender text not null,
    kind text not null,
    state text not null,
    title text not null,
    prompt text not null,
    executor text,
    llm text not null,
    attachments text not null,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create index requests_age on requests (workspace_id, created_at);
create index requests_incident on requests (incident_id);
create index requests_repository on requests (repository_id);

create table chat_messages (
    id bigint generated always as identity primary key,
    request_id uuid not null references requests (id) on delete cascade,
    role text not null,
    message text not null,
    attachments text not null,
    run_id uuid,
    created_at timestamptz not null
);
create index chat_messages_request on chat_messages (request_id, id);

create table runs (
    id uuid primary key,
    request_id uuid not null references requests (id) on delete cascade,
    workspace_id uuid not null references workspaces (id) on delete cascade,
    incident_id uuid references incidents (id) on delete set null,
    number bigint not null,
    status text not null,
    step text,
    live_line text not null,
    live_since timestamptz,
    executor text not null,
    model text not null,
    verdict text,
    error text not null,
    created_at timestamptz not null,
    started_at timestamptz,
    finished_at timestamptz,
    diff_chars bigint not null,
    usage text not null,
    record text not null,
    unique (workspace_id, number)
);
create index runs_age on runs (workspace_id, created_at);
create index runs_request on runs (request_id, created_at);
create index runs_incident on runs (incident_id, created_at);
create index runs_active on runs (status, created_at);

create table merge_requests (
    id uuid primary key,
    workspace_id uuid not null references workspaces (id) on delete cascade,
    request_id uuid not null references requests (id) on delete cascade,
    run_id uuid not null,
    repository_id uuid not null,
    incident_id uuid references incidents (id) on delete set null,
    number bigint not null,
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
    created_at timestamptz not null,
    updated_at timestamptz not null,
    unique (repository_id, source_branch),
    unique (workspace_id, number)
);
create index merge_requests_age on merge_requests (workspace_id, created_at);
create index merge_requests_request on merge_requests (request_id);
create index merge_requests_incident on merge_requests (incident_id);

create table evidence (
    run_id uuid primary key references runs (id) on delete cascade,
    digest text not null,
    envelope text not null,
    created_at timestamptz not null
);
create index evidence_digest on evidence (digest);

create table run_tokens (
    token_hash text primary key,
    run_id uuid not null references runs (id) on delete cascade,
    sandbox_id uuid not null,
    epoch bigint not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    is_revoked boolean not null
);
create index run_tokens_run on run_tokens (run_id);

create table llm_grants (
    id uuid primary key,
    run_id uuid not null references runs (id) on delete cascade,
    step text not null,
    model text not null,
    tokens_granted bigint not null,
    granted_at timestamptz not null,
    settled_at timestamptz,
    calls bigint not null,
    input_tokens bigint not null,
    cached_input_tokens bigint not null,
    output_tokens bigint not null,
    cost_usd double precision
);
create index llm_grants_run on llm_grants (run_id, granted_at);

create table sandboxes (
    id uuid primary key,
    user_id bigint not null references users (id) on delete cascade,
    workspace_id uuid references workspaces (id) on delete cascade,
    mode text not null,
    image text not null,
    cpu text not null,
    memory text not null,
    ephemeral_storage text not null,
    restore_snapshot_id uuid,
    status text not null,
    reference text not null,
    control_endpoint text not null,
    workspace_path text not null,
    artifact_base_url text not null,
    idle_timeout_sec bigint not null,
    max_lifetime_sec bigint not null,
    last_activity_at timestamptz,
    last_heartbeat_at timestamptz,
    expires_at timestamptz,
    error_message text not null,
    metadata text not null,
    cpu_seconds double precision not null,
    storage_bytes bigint not null,
    epoch bigint not null,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create index sandboxes_user on sandboxes (user_id, created_at);
create index sandboxes_workspace on sandboxes (workspace_id, created_at);
create index sandboxes_status on sandboxes (status, expires_at);

create table sandbox_snapshots (
    id uuid primary key,
    sandbox_id uuid not null references sandboxes (id) on delete cascade,
    label text not null,
    s3_key text not null,
    archive_path text not null,
    size_bytes bigint not null,
    include_paths text not null,
    exclude_paths text not null,
    created_at timestamptz not null
);
create index sandbox_snapshots_sandbox on sandbox_snapshots (sandbox_id, created_at);

create table sandbox_artifacts (
    id uuid primary key,
    sandbox_id uuid not null references sandboxes (id) on delete cascade,
    filename text not null,
    content_type text not null,
    size_bytes bigint not null,
    storage_path text not null,
    download_url text not null,
    created_at timestamptz not null
);
create index sandbox_artifacts_sandbox on sandbox_artifacts (sandbox_id, created_at);

create table settings (
    key text primary key,
    value text not null
);

create table layers (
    digest text primary key,
    repository_id uuid,
    path text not null,
    state text not null,
    size_bytes bigint not null,
    created_at timestamptz not null,
    last_used_at timestamptz not null
);
create index layers_age on layers (last_used_at);

create table topics (
    topic text primary key,
    seq bigint not null,
    hash text not null
);

create table events (
    topic text not null,
    seq bigint not null,
    kind text not null,
    payload text not null,
    at timestamptz not null,
    prev_hash text not null,
    hash text not null,
    primary key (topic, seq)
);

create table jobs (
    id uuid primary key,
    kind text not null,
    payload text not null,
    workspace_id uuid,
    key text,
    priority bigint not null,
    attempts bigint not null,
    run_at timestamptz not null,
    cancel_requested boolean not null,
    state text not null,
    worker_id uuid,
    lease_epoch bigint not null,
    lease_until timestamptz,
    error text not null,
    finished_at timestamptz
);
create unique index jobs_key on jobs (key) where state in ('queued', 'running');
create index jobs_due on jobs (state, run_at);
create index jobs_lease on jobs (state, lease_until);
create index jobs_workspace on jobs (workspace_id, state);
create index jobs_age on jobs (finished_at);
