//! Commands whose reader goes away, as in `astraforge doctor | head -1`.

use super::house::PROGRAM;
use std::process::{Command, Output, Stdio};

/// 128 and the number of SIGPIPE.
const CLOSED_STATUS: i32 = 141;

fn run(words: &[&str], stdout: Stdio) -> Output {
    let data = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(PROGRAM);
    command.args(words).env("ASTRAFORGE_DATA_DIR", data.path()).env_remove("DATABASE_URL").env_remove("ASTRAFORGE_CONFIG");
    command.stdin(Stdio::null()).stdout(stdout).output().expect("the command runs")
}

#[test]
fn a_command_ends_without_a_word_when_nobody_reads_on() {
    for words in [&["openapi"][..], &["migrate"], &["doctor"]] {
        let heard = run(words, Stdio::piped());
        assert!(!heard.stdout.is_empty(), "the control: {words:?} has something to say");

        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let unheard = run(words, writer.into());
        let complaint = String::from_utf8_lossy(&unheard.stderr);
        assert_eq!(unheard.status.code(), Some(CLOSED_STATUS), "{words:?}: {complaint}");
        assert_eq!(complaint, "", "{words:?}");
    }
}
