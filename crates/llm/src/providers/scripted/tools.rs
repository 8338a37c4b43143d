//! Finding a client's own tool for an action, and filling its arguments from the schema that the client sent.
//!
//! The names are those that real coding agents use for their tools.

use super::script::{Action, Edit, Write};
use crate::chat::{Tool, ToolCall, ToolKind};
use serde_json::{Map, Value, json};

const SHELLS: &[&str] = &[
    "exec_command",
    "shell",
    "Bash",
    "bash",
    "run_shell_command",
    "execute",
    "terminal",
    "run_commands",
    "Shell",
    "sandbox_shell",
    "shell_command",
    "execute_bash",
    "run_terminal_cmd",
];
const EDITORS: &[&str] = &[
    "Edit",
    "edit",
    "edit_file",
    "replace",
    "file_editor",
    "editor",
    "StrReplaceFile",
    "search_replace",
    "str_replace",
    "str_replace_editor",
];
const WRITERS: &[&str] = &["Write", "write", "write_file", "WriteFile", "create_file", "file_editor", "editor"];

const COMMAND: &[&str] = &["command", "cmd", "commands", "script"];
const PATH: &[&str] = &["file_path", "path", "filePath", "absolute_path", "filename", "file", "target_file"];
const OLD: &[&str] = &["old_string", "old_str", "oldString", "old_text", "oldText", "old", "search"];
const NEW: &[&str] = &["new_string", "new_str", "newString", "new_text", "newText", "new", "replacement"];
const CONTENT: &[&str] = &["content", "file_text", "text", "contents"];

/// Codex hands a command back unfinished after this time; the longest it allows.
const YIELD_MS: u64 = 30_000;

/// The call of the best tool for this action, or `None` when no tool fits.
pub(super) fn call(action: &Action, tools: &[Tool], id: &str, cwd: &str) -> Option<ToolCall> {
    match action {
        Action::Shell(shell) => shell_call(&shell.command, tools, id),
        Action::Edit(edit) => edit_call(edit, tools, id, cwd)
            .or_else(|| shell_call(&edit_command(edit), tools, id))
            .or_else(|| patch_call(&edit_patch(edit), tools, id)),
        Action::Write(write) => write_call(write, tools, id, cwd)
            .or_else(|| shell_call(&write_command(write), tools, id))
            .or_else(|| patch_call(&write_patch(write), tools, id)),
        Action::Tool(named) => {
            let tool = tools.iter().find(|tool| tool.name == named.name)?;
            let arguments = match &named.arguments {
                Value::String(text) if tool.kind == ToolKind::Custom => text.clone(),
                other => other.to_string(),
            };
            Some(made(tool, id, arguments))
        }
    }
}

fn made(tool: &Tool, id: &str, arguments: String) -> ToolCall {
    ToolCall { id: id.to_string(), name: tool.name.clone(), arguments, kind: tool.kind, namespace: tool.namespace.clone() }
}

fn named<'a>(tools: &'a [Tool], names: &'a [&str]) -> impl Iterator<Item = &'a Tool> {
    names.iter().filter_map(|name| tools.iter().find(|tool| tool.name == *name && tool.namespace.is_none()))
}

fn shell_call(command: &str, tools: &[Tool], id: &str) -> Option<ToolCall> {
    let tool = named(tools, SHELLS).next()?;
    if tool.kind == ToolKind::Custom {
        return Some(made(tool, id, command.to_string()));
    }
    let field = field(tool, COMMAND).unwrap_or("command");
    let value = match type_of(&tool.schema["properties"][field]) {
        "array" if field == "commands" => json!([command]),
        "array" => json!(["bash", "-lc", command]),
        _ => json!(command),
    };
    let mut arguments = Map::from_iter([(field.to_string(), value)]);
    if tool.schema["properties"].get("yield_time_ms").is_some() {
        arguments.insert("yield_time_ms".into(), json!(YIELD_MS));
    }
    Some(made(tool, id, filled(tool, arguments)))
}

fn edit_call(edit: &Edit, tools: &[Tool], id: &str, cwd: &str) -> Option<ToolCall> {
    named(tools, EDITORS).find_map(|tool| {
        let (path, old, new) = (field(tool, PATH)?, field(tool, OLD)?, field(tool, NEW)?);
        let mut arguments = Map::new();
        choose_command(tool, "str_replace", &mut arguments)?;
        arguments.insert(path.into(), json!(tool_path(tool, path, &edit.path, cwd)));
        arguments.insert(old.into(), json!(edit.old));
        arguments.insert(new.into(), json!(edit.new));
        Some(made(tool, id, filled(tool, arguments)))
    })
}

fn write_call(write: &Write, tools: &[Tool], id: &str, cwd: &str) -> Option<ToolCall> {
    named(tools, WRITERS).find_map(|tool| {
        let (path, content) = (field(tool, PATH)?, field(tool, CONTENT)?);
        let mut arguments = Map::new();
        choose_command(tool, "create", &mut arguments)?;
        arguments.insert(path.into(), json!(tool_path(tool, path, &write.path, cwd)));
        arguments.insert(content.into(), json!(write.content));
        Some(made(tool, id, filled(tool, arguments)))
    })
}

/// Some editors are several tools in one, told apart by an enumerated `command`. `None` when it lacks ours.
fn choose_command(tool: &Tool, wanted: &str, arguments: &mut Map<String, Value>) -> Option<()> {
    let Some(choices) = tool.schema["properties"]["command"]["enum"].as_array() else { return Some(()) };
    choices.iter().find(|choice| *choice == wanted)?;
    arguments.insert("command".into(), json!(wanted));
    Some(())
}

fn patch_call(patch: &str, tools: &[Tool], id: &str) -> Option<ToolCall> {
    let tool = named(tools, &["apply_patch"]).next()?;
    let arguments = match tool.kind {
        ToolKind::Custom => patch.to_string(),
        ToolKind::Function => filled(tool, Map::from_iter([(field(tool, &["input", "patch"])?.to_string(), json!(patch))])),
    };
    Some(made(tool, id, arguments))
}

fn field<'a>(tool: &Tool, names: &[&'a str]) -> Option<&'a str> {
    let properties = tool.schema.get("properties")?;
    names.iter().find(|name| properties.get(**name).is_some()).copied()
}

fn tool_path(tool: &Tool, field: &str, path: &str, cwd: &str) -> String {
    let about = tool.schema["properties"][field]["description"].as_str().unwrap_or_default().to_lowercase();
    let absolute = field == "absolute_path" || (about.contains("absolute") && !about.contains("relative"));
    if absolute && !path.starts_with('/') { format!("{}/{path}", cwd.trim_end_matches('/')) } else { path.to_string() }
}

/// Adds a harmless value for whatever else the schema requires.
fn filled(tool: &Tool, mut arguments: Map<String, Value>) -> String {
    for name in tool.schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !arguments.contains_key(name) {
            arguments.insert(name.to_string(), sample(&tool.schema["properties"][name]));
        }
    }
    Value::Object(arguments).to_string()
}

fn type_of(schema: &Value) -> &str {
    if let Some(kind) = schema["type"].as_str() {
        return kind;
    }
    let kinds = schema["type"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let variants = ["anyOf", "oneOf"].into_iter().filter_map(|key| schema[key].as_array()).flatten().map(type_of);
    kinds.chain(variants).find(|kind| !kind.is_empty() && *kind != "null").unwrap_or("")
}

/// The smallest value that a schema takes, as far as simple schemas go.
pub(super) fn sample(schema: &Value) -> Value {
    if let Some(value) = schema.get("const").or(schema.get("default")).or(schema["enum"].get(0)) {
        return value.clone();
    }
    for key in ["anyOf", "oneOf", "allOf"] {
        if let Some(variant) = schema[key].get(0) {
            return sample(variant);
        }
    }
    match type_of(schema) {
        "string" => json!("scripted"),
        "integer" | "number" => schema.get("minimum").cloned().unwrap_or(json!(0)),
        "boolean" => json!(false),
        "array" => match schema["minItems"].as_u64() {
            Some(count) if count > 0 => json!(vec![sample(&schema["items"]); count.min(16) as usize]),
            _ => json!([]),
        },
        _ => {
            let properties = schema["properties"].as_object();
            let required = schema["required"].as_array();
            let wanted = |name: &String| required.is_none_or(|r| r.iter().any(|n| n == name));
            let fields = properties.into_iter().flatten().filter(|(name, _)| wanted(name));
            Value::Object(fields.map(|(name, inner)| (name.clone(), sample(inner))).collect())
        }
    }
}

/// JSON strings are also Python strings, so nothing in them can end the program early.
fn edit_command(edit: &Edit) -> String {
    format!(
        "python3 - <<'END_OF_EDIT'\nfrom pathlib import Path\nfile = Path({path})\ntext = file.read_text()\n\
         old = {old}\nassert text.count(old) == 1, f'found {{text.count(old)}} times in {{file}}'\n\
         file.write_text(text.replace(old, {new}))\nEND_OF_EDIT",
        path = json!(edit.path),
        old = json!(edit.old),
        new = json!(edit.new),
    )
}

fn write_command(write: &Write) -> String {
    let path = quoted(&write.path);
    let folder = match write.path.rsplit_once('/') {
        Some((folder, _)) if !folder.is_empty() => format!("mkdir -p {} && ", quoted(folder)),
        _ => String::new(),
    };
    let fits_here = write.content.ends_with('\n') && !write.content.contains("END_OF_FILE");
    if fits_here {
        format!("{folder}cat > {path} <<'END_OF_FILE'\n{}END_OF_FILE", write.content)
    } else {
        format!("{folder}printf %s {} > {path}", quoted(&write.content))
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn edit_patch(edit: &Edit) -> String {
    let lines = |mark: char, text: &str| text.lines().map(|line| format!("{mark}{line}\n")).collect::<String>();
    let (old, new) = (lines('-', &edit.old), lines('+', &edit.new));
    format!("*** Begin Patch\n*** Update File: {}\n@@\n{old}{new}*** End Patch", edit.path)
}

fn write_patch(write: &Write) -> String {
    let lines: String = write.content.lines().map(|line| format!("+{line}\n")).collect();
    format!("*** Begin Patch\n*** Add File: {}\n{lines}*** End Patch", write.path)
}
