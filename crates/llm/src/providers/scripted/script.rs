//! The script's form: what it may hold, and how it is cut into what the model says turn by turn.

use crate::error::{Error, Result};
use regex::Regex;
use serde::Deserialize;
use serde_json::Value;

const HANG_SECONDS_MAX: u64 = 3_600;

/// One script, or several of which the first that fits the conversation is played.
#[derive(Clone, Debug)]
pub struct Book {
    pub scripts: Vec<Script>,
    /// The absolute folder that relative paths are put below, for tools that ask for absolute ones.
    pub cwd: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    #[serde(default)]
    pub name: String,
    /// A regular expression that the last human prompt must contain.
    #[serde(default, rename = "match")]
    pub pattern: Option<String>,
    /// Which human prompt of the conversation it answers, from 1.
    #[serde(default)]
    pub turn: Option<usize>,
    #[serde(default)]
    pub steps: Vec<Step>,
    /// Said when all steps are done.
    #[serde(default, rename = "final")]
    pub last_words: String,
    #[serde(skip)]
    regex: Option<Regex>,
}

/// One step; `say` goes with the tool call of the same step, or of the next one that has any.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    pub say: Option<String>,
    pub shell: Option<Shell>,
    pub edit: Option<Edit>,
    pub write: Option<Write>,
    pub tool: Option<AnyTool>,
    pub hang: Option<Hang>,
    pub fail: Option<Fail>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Shell {
    pub command: String,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    pub path: String,
    pub old: String,
    pub new: String,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Write {
    pub path: String,
    pub content: String,
}

/// A tool by its very name, for what the others do not cover.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct AnyTool {
    pub name: String,
    #[serde(default)]
    pub arguments: Value,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Hang {
    pub seconds: u64,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Fail {
    pub status: u16,
    pub message: String,
    #[serde(default)]
    pub code: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    Shell(Shell),
    Edit(Edit),
    Write(Write),
    Tool(AnyTool),
}

/// What the model does in one turn.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Beat {
    pub say: String,
    pub hang_seconds: u64,
    pub action: Option<Action>,
    pub fail: Option<Fail>,
}

impl Book {
    pub fn parse(text: &str) -> Result<Book> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Many {
            scripts: Vec<Script>,
            #[serde(default)]
            cwd: Option<String>,
        }
        let broken = |e: serde_json::Error| Error::invalid(format!("the model script can't be read: {e}"));
        let value: Value = serde_json::from_str(text).map_err(broken)?;
        let (mut scripts, cwd) = if value.get("scripts").is_some() {
            let many: Many = serde_json::from_value(value).map_err(broken)?;
            (many.scripts, many.cwd)
        } else {
            (vec![serde_json::from_value(value).map_err(broken)?], None)
        };
        for script in &mut scripts {
            script.check()?;
        }
        Ok(Book { scripts, cwd: cwd.unwrap_or_else(|| "/workspace".to_string()) })
    }

    pub(super) fn choose(&self, prompt: &str, turn: usize) -> Option<&Script> {
        self.scripts.iter().find(|script| {
            script.turn.is_none_or(|wanted| wanted == turn) && script.regex.as_ref().is_none_or(|regex| regex.is_match(prompt))
        })
    }
}

impl Script {
    fn check(&mut self) -> Result<()> {
        if let Some(pattern) = &self.pattern {
            let regex = Regex::new(pattern)
                .map_err(|e| Error::invalid(format!("script `{}`: `match` is not a regular expression: {e}", self.name)))?;
            self.regex = Some(regex);
        }
        for (at, step) in self.steps.iter().enumerate() {
            let acts = [step.shell.is_some(), step.edit.is_some(), step.write.is_some(), step.tool.is_some()];
            if acts.into_iter().filter(|set| *set).count() > 1 {
                let place = format!("script `{}`, step {}", self.name, at + 1);
                return Err(Error::invalid(format!("{place}: one step can do only one of shell, edit, write and tool")));
            }
            if step.fail.as_ref().is_some_and(|fail| !(400..600).contains(&fail.status)) {
                return Err(Error::invalid(format!("script `{}`: a failure's status is 400 to 599", self.name)));
            }
        }
        Ok(())
    }

    pub(super) fn beats(&self) -> Vec<Beat> {
        let mut beats = Vec::new();
        let mut beat = Beat::default();
        for step in &self.steps {
            if let Some(text) = &step.say {
                beat.add(text);
            }
            if let Some(hang) = &step.hang {
                beat.hang_seconds = (beat.hang_seconds + hang.seconds).min(HANG_SECONDS_MAX);
            }
            beat.fail = step.fail.clone();
            beat.action = step.action();
            if beat.action.is_some() || beat.fail.is_some() {
                beats.push(std::mem::take(&mut beat));
            }
        }
        if !self.last_words.is_empty() {
            beat.add(&self.last_words);
        }
        beats.push(beat);
        beats
    }
}

impl Step {
    fn action(&self) -> Option<Action> {
        let shell = self.shell.clone().map(Action::Shell);
        let edit = self.edit.clone().map(Action::Edit);
        let write = self.write.clone().map(Action::Write);
        shell.or(edit).or(write).or(self.tool.clone().map(Action::Tool))
    }
}

impl Beat {
    fn add(&mut self, text: &str) {
        if !self.say.is_empty() {
            self.say.push_str("\n\n");
        }
        self.say.push_str(text);
    }
}
