//! Secrets are planted wherever a server has them, an agent looks everywhere it can, and nothing of them shows anywhere.

use super::house::{EXAMPLE_PROMPT, House, script};
use super::upstream::Upstream;
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::thread;
use std::time::Duration;

const SECRET_KEY: &str = "canary-secret-key-7f3a91c2d4e5b6a798";
const IN_ENVIRONMENT: &str = "canary-in-environment-51d0";
const IN_DATA_DIR: &str = "canary-in-data-dir-9e44";

/// Everything an agent may try to find what it should not have.
fn looks_everywhere(data: &str) -> String {
    let look = |command: &str| json!({"shell": {"command": command}});
    script(
        json!([
            look("env; cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n'; cat /proc/*/cmdline 2>/dev/null | tr '\\0' ' '"),
            look(&format!("cat {data}/canary {data}/secret.key; ls -la {data}; cat /etc/shadow; ls -la /root /home")),
            look("find / -maxdepth 4 -name 'canary*' -o -maxdepth 4 -name 'secret.key' 2>/dev/null; cat /proc/self/mountinfo | head -50"),
            look("grep -rl canary- /tmp /workspace /home /etc /dev /layer 2>/dev/null"),
            look("echo it was looked everywhere"),
        ]),
        "Nothing to change.",
    )
}

#[test]
fn nothing_secret_shows_anywhere() {
    // The data dir's path is only known once the house stands, so the script names the folder by a pattern.
    let env = [("SECRET_KEY", SECRET_KEY), ("ASTRAFORGE_CANARY", IN_ENVIRONMENT), ("LOG_LEVEL", "debug")];
    let house = House::with(Some(&looks_everywhere("/tmp/astraforge-door*/data")), &env);
    fs::write(house.data.join("canary"), IN_DATA_DIR).expect("planted");

    // The control: the host finds each of them where the agent will look.
    let environment = fs::read(format!("/proc/{}/environ", house.pid())).expect("ours to read");
    let environment = String::from_utf8_lossy(&environment);
    assert!(environment.contains(SECRET_KEY) && environment.contains(IN_ENVIRONMENT));
    assert_eq!(fs::read_to_string(house.data.join("canary")).expect("ours to read"), IN_DATA_DIR);

    let request = house.request(EXAMPLE_PROMPT);
    let run = house.ended(&request);
    assert!(run.to_string().contains("it was looked everywhere"), "the agent did look: {run:#}");
    for path in [
        "/api/requests/",
        "/api/runs/",
        "/api/incidents/",
        "/api/inbox/",
        "/api/system/",
        "/api/activity/",
        "/api/sandbox/sessions/",
        "/metrics",
    ] {
        house.get(path);
    }

    let heard = String::from_utf8_lossy(&house.heard.lock().expect("heard")).into_owned();
    let said = house.log.lock().expect("log").clone();
    let argv: String = house.processes().into_iter().map(|p| p.command_line + "\n").collect();
    for (place, text) in [("an answer or event", &heard), ("the server's log", &said), ("a command line", &argv)] {
        for canary in [SECRET_KEY, IN_ENVIRONMENT, IN_DATA_DIR, house.key.as_str(), "afr-"] {
            assert!(!text.contains(canary), "`{canary}` shows in {place}");
        }
    }
}

const MODEL_KEY: &str = "sk-canary-model-key-c0ffee-81b2";
const IN_HOME: &str = "canary-in-home-27fe";

#[test]
fn the_model_key_reaches_the_model_and_nobody_else() {
    let home = tempfile::tempdir().expect("a home");
    fs::write(home.path().join(".netrc"), format!("machine forge login me password {IN_HOME}")).expect("planted");
    let home_path = home.path().to_str().expect("UTF-8");
    let upstream = Upstream::start(&looks_everywhere(&format!("{home_path}/.netrc {home_path}")));
    let env = [
        ("LLM_PROVIDER", "openai"),
        ("OPENAI_API_KEY", MODEL_KEY),
        ("OPENAI_BASE_URL", upstream.base_url.as_str()),
        ("LLM_MODEL", "a-model"),
        ("HOME", home_path),
        ("LOG_LEVEL", "debug"),
    ];
    let house = House::with(None, &env);
    let request = house.request(EXAMPLE_PROMPT);
    // While it runs: what every process of ours shows to the others, and what those in sandboxes know.
    let mut shown = BTreeSet::new();
    while !house.has_ended(&request) {
        for process in house.processes() {
            if process.pid != house.pid() {
                let environment = fs::read(format!("/proc/{}/environ", process.pid)).unwrap_or_default();
                shown.insert(String::from_utf8_lossy(&environment).into_owned());
            }
            shown.insert(process.command_line);
        }
        thread::sleep(Duration::from_millis(20));
    }
    let run = house.ended(&request);
    assert!(run.to_string().contains("it was looked everywhere"), "the agent did look: {run:#}");
    assert!(shown.len() > 1, "no process was seen at work");

    // The controls: the model's server got the key, the host can read what was planted.
    let keys = upstream.keys.lock().expect("keys").clone();
    assert!(keys.len() > 3 && keys.iter().all(|key| *key == format!("Bearer {MODEL_KEY}")), "{keys:?}");
    assert!(fs::read_to_string(home.path().join(".netrc")).expect("ours to read").contains(IN_HOME));

    let heard = String::from_utf8_lossy(&house.heard.lock().expect("heard")).into_owned();
    let said = house.log.lock().expect("log").clone();
    let told = upstream.told.lock().expect("told").clone();
    let shown: String = shown.into_iter().collect();
    for (place, text) in [("an answer or event", &heard), ("the server's log", &said), ("the conversation", &told), ("a process", &shown)] {
        for canary in [MODEL_KEY, IN_HOME, house.key.as_str(), "afr-"] {
            assert!(!text.contains(canary), "`{canary}` shows in {place}");
        }
    }
}
