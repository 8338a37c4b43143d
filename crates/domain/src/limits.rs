//! The product's limits; one that protects a single mechanism stands beside it. Sizes in bytes, times in seconds unless the name says otherwise.

pub const JSON_BODY_BYTES_MAX: usize = 2_621_440;
pub const UPLOAD_BYTES_MAX: usize = 512 << 20;
pub const ENVELOPE_BYTES_MAX: usize = 20 << 20;
/// An envelope as it arrives, before it is inflated.
pub const ENVELOPE_COMPRESSED_BYTES_MAX: usize = 5 << 20;
pub const ALERT_STORED_BYTES_MAX: usize = 256 << 10;
/// Alert events kept per incident beside the latest; older ones only count.
pub const EVENTS_PER_INCIDENT_MAX: usize = 50;
pub const FRAMES_PER_EXCEPTION_MAX: usize = 250;
pub const PROMPT_BYTES_MAX: usize = 256 << 10;
pub const PROMPT_FRAMES_MAX: usize = 16;
pub const PROMPT_BREADCRUMBS_MAX: usize = 10;

pub const EVENT_PAYLOAD_BYTES_MAX: usize = 64 << 10;
pub const EVENT_CHUNK_BYTES_MAX: usize = 16 << 10;
pub const EVENTS_PER_RUN_MAX: i64 = 50_000;
pub const EVENTS_PAGE_MAX: i64 = 1_000;
pub const STREAM_HEARTBEAT_SECONDS: u64 = 15;
pub const STREAMS_PER_USER_MAX: usize = 50;

pub const EGRESS_DECISIONS_PER_RUN_MAX: usize = 200;
pub const EGRESS_RUNS_KEPT_MAX: usize = 1_000;

pub const EXEC_OUTPUT_BYTES_MAX: usize = 1 << 20;
pub const EXEC_TIMEOUT_SECONDS_MAX: u64 = 3_600;
pub const EXEC_TIMEOUT_SECONDS_DEFAULT: u64 = 300;
pub const SANDBOXES_PER_WORKSPACE_MAX: i64 = 100;

pub const AGENT_STEPS_MAX: usize = 80;
pub const AGENT_TURN_SECONDS_MAX: u64 = 1_800;
pub const AGENT_SILENCE_SECONDS_MAX: u64 = 300;
pub const AGENT_TURNS_PER_RUN_MAX: u32 = 3;
pub const RUN_TOKENS_MAX: u64 = 4_000_000;
pub const RUN_LLM_CALLS_MAX: u64 = 400;
/// Each may hold a body of the largest size in memory.
pub const RUN_LLM_CALLS_AT_ONCE_MAX: u64 = 8;
pub const SETUP_SECONDS_MAX: u64 = 900;
pub const PROOF_SECONDS_MAX: u64 = 900;
pub const STRENGTH_SECONDS_MAX: u64 = 120;

pub const DIFF_BYTES_MAX: usize = 1 << 20;
pub const DIFF_LINES_MAX: usize = 5_000;
pub const DIFF_FILES_MAX: usize = 200;

pub const LLM_BODY_BYTES_MAX: usize = 32 << 20;
pub const GIT_PUSH_BYTES_MAX: u64 = 512 << 20;
pub const GIT_SECONDS_MAX: u64 = 300;

/// Layers and checkouts that no run has asked for, and commits that no branch holds.
pub const CACHES_KEPT_SECONDS: i64 = 14 * 24 * 3_600;

pub const JOB_ATTEMPTS_MAX: i32 = 5;
/// Attempts that ended with their process count too; beyond these the job may be what ends it.
pub const JOB_CLAIMS_MAX: i32 = 15;
pub const JOB_LEASE_SECONDS: i64 = 30;
pub const JOBS_PER_WORKSPACE_MAX: i64 = 4;

pub const SESSION_SECONDS: i64 = 14 * 24 * 3_600;
pub const PASSWORD_CHARS_MIN: usize = 8;
pub const LOGIN_TRIES_PER_MINUTE_MAX: u32 = 20;
/// Under whatever names.
pub const LOGIN_TRIES_PER_ADDRESS_MINUTE_MAX: u32 = 200;
pub const API_KEYS_PER_USER_MAX: i64 = 100;
/// A brake on storms: deliveries per source and second. More are refused with 429 and count nowhere.
pub const EVENTS_PER_SOURCE_SECOND_MAX: u32 = 2_000;
pub const RUNS_PER_SOURCE_HOUR_DEFAULT: i32 = 6;
pub const RUNS_PER_WORKSPACE_HOUR_DEFAULT: i32 = 20;
/// What either budget may be set to.
pub const RUNS_PER_HOUR_MAX: i32 = 1_000;
/// Distinct users counted per incident; beyond it the count stands still.
pub const USERS_PER_INCIDENT_MAX: i64 = 10_000;
/// Event ids remembered per source, to drop repeated deliveries.
pub const ALERTS_SEEN_PER_SOURCE_MAX: i64 = 20_000;
