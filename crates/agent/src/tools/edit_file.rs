//! `edit_file`: replaces a text that occurs exactly once, or everywhere.

use super::{Ground, Tool, parsed};
use async_trait::async_trait;
use domain::{Error, Result};
use serde::Deserialize;
use serde_json::{Value, json};

pub struct EditFile;

#[derive(Deserialize)]
struct Arguments {
    #[serde(alias = "path")]
    file_path: String,
    old_string: String,
    new_string: String,
    #[serde(default)]
    replace_all: bool,
}

#[async_trait]
impl Tool for EditFile {
    fn name(&self) -> &'static str {
        "edit_file"
    }
    fn description(&self) -> &'static str {
        "Replaces a text in a file. The old text must be there exactly once, spaces and line breaks included, unless \
         replace_all is set."
    }
    fn schema(&self) -> Value {
        json!({
            "type": "object",
            "properties": {
                "file_path": {"type": "string"},
                "old_string": {"type": "string"},
                "new_string": {"type": "string"},
                "replace_all": {"type": "boolean"},
            },
            "required": ["file_path", "old_string", "new_string"],
        })
    }
    async fn run(&self, ground: &Ground, _id: &str, arguments: Value) -> Result<String> {
        let arguments: Arguments = parsed(arguments)?;
        let old = ground.read_text(&arguments.file_path).await?;
        let (new, count) = replaced(&old, &arguments.old_string, &arguments.new_string, arguments.replace_all)
            .map_err(|message| Error::invalid(format!("{}: {message}", ground.shown(&arguments.file_path))))?;
        ground.change(&arguments.file_path, &old, new).await?;
        Ok(format!("Replaced {count} in {}.", ground.shown(&arguments.file_path)))
    }
}

fn replaced(text: &str, old: &str, new: &str, all: bool) -> Result<(String, usize), String> {
    if old.is_empty() {
        return Err("old_string is empty; use write_file for a new file".into());
    }
    if old == new {
        return Err("old_string and new_string are the same".into());
    }
    match text.matches(old).count() {
        0 => Err("old_string is not in the file; read it and copy the text exactly".into()),
        count if count > 1 && !all => Err(format!("old_string is there {count} times; add the lines around it, or set replace_all")),
        count => Ok((text.replace(old, new), count)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replacement_is_unambiguous_or_refused() {
        assert_eq!(replaced("a b", "a", "c", false), Ok(("c b".into(), 1)));
        assert_eq!(replaced("a a", "a", "c", true), Ok(("c c".into(), 2)));
        for (old, new) in [("a", "c"), ("x", "c"), ("", "c"), ("a", "a")] {
            assert!(replaced("a a", old, new, false).is_err(), "{old:?}");
        }
    }
}
