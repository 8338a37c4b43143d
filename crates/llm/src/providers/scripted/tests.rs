use super::*;
use crate::chat::{Tool, ToolKind};

const CODEX: &str = include_str!("../../../tests/data/codex_request.json");
const SCRIPT: &str = r#"{"scripts": [
    {"name": "mend", "turn": 2, "steps": [{"shell": {"command": "pytest"}}], "final": "Mended."},
    {"name": "fix", "match": "(?i)fix .* bug", "steps": [
        {"say": "I look at the file."},
        {"say": "It subtracts.", "shell": {"command": "cat calc.py"}},
        {"edit": {"path": "calc.py", "old": "a - b", "new": "a + b"}},
        {"write": {"path": "tests/test_calc.py", "content": "def test_add():\n    assert True\n"}}
    ], "final": "Fixed."},
    {"name": "broken", "match": "fail", "steps": [{"hang": {"seconds": 1}}, {"fail": {"status": 503, "message": "down"}}]}
]}"#;

fn book() -> Book {
    Book::parse(SCRIPT).unwrap()
}

#[test]
fn only_a_script_that_begins_with_a_lasting_refusal_is_known_to_refuse() {
    let refuses = |fail: Value| {
        let book =
            json!({"scripts": [{"match": "known", "steps": [{"shell": {"command": "true"}}, fail]}, {"name": "else", "steps": [fail]}]});
        let provider = Scripted::new(Book::parse(&book.to_string()).unwrap());
        (provider.refuses("this is known"), provider.refuses("this is not"))
    };
    assert_eq!(refuses(json!({"fail": {"status": 400, "message": "no"}})), (None, Some("no".to_string())));
    assert_eq!(refuses(json!({"fail": {"status": 503, "message": "down"}})), (None, None), "a later call may be answered");
}

fn chat(prompt: &str, tool_turns: usize, tools: Vec<Tool>) -> ChatRequest {
    let mut messages = vec![Message::System { text: "x".into() }, Message::User { text: prompt.into() }];
    for turn in 0..tool_turns {
        let call = crate::ToolCall { id: format!("c{turn}"), name: "t".into(), ..crate::ToolCall::default() };
        messages.push(Message::Assistant { text: String::new(), tool_calls: vec![call] });
        messages.push(Message::Tool { call_id: format!("c{turn}"), text: "ok".into() });
    }
    ChatRequest { model: "m".into(), messages, tools, ..ChatRequest::default() }
}

fn tool(name: &str, schema: Value) -> Tool {
    Tool { name: name.into(), description: String::new(), kind: ToolKind::Function, namespace: None, schema }
}

fn bash() -> Tool {
    tool(
        "bash",
        json!({"type": "object", "required": ["command", "description"], "properties": {
        "command": {"type": "string"}, "description": {"type": "string"}, "timeout": {"type": "integer"}}}),
    )
}

fn reply(request: &ChatRequest) -> Reply {
    match answer(&book(), request, 400) {
        Answer::Reply { reply, .. } => reply,
        Answer::Fail(fail) => panic!("{fail:?}"),
    }
}

fn call(request: &ChatRequest) -> (String, Value) {
    let call = reply(request).tool_calls.remove(0);
    (call.name, serde_json::from_str(&call.arguments).unwrap())
}

#[test]
fn a_step_is_chosen_by_the_tool_turns_since_the_prompt() {
    let first = reply(&chat("please fix the bug", 0, vec![bash()]));
    assert_eq!(first.text, "I look at the file.\n\nIt subtracts.");
    assert_eq!(first.finish, Finish::ToolCalls);
    assert_eq!(first.usage.unwrap().input_tokens, 100);
    let arguments: Value = serde_json::from_str(&first.tool_calls[0].arguments).unwrap();
    assert_eq!(arguments, json!({"command": "cat calc.py", "description": "scripted"}));
    let last = reply(&chat("please fix the bug", 3, vec![bash()]));
    assert_eq!((last.text.as_str(), last.tool_calls.len()), ("Fixed.", 0));
    // After the end it stays at the end.
    assert_eq!(reply(&chat("please fix the bug", 9, vec![bash()])).text, "Fixed.");
}

#[test]
fn a_second_prompt_gets_its_own_script() {
    let mut request = chat("please fix the bug", 3, vec![bash()]);
    request.messages.push(Message::Assistant { text: "Fixed.".into(), tool_calls: vec![] });
    request.messages.push(Message::User { text: "<environment_context>x</environment_context>".into() });
    request.messages.push(Message::User { text: "The proof failed: no test.".into() });
    assert_eq!(call(&request).1["command"], "pytest");
}

#[test]
fn each_client_gets_its_own_tool() {
    let schema = |fields: &[&str]| {
        let properties: serde_json::Map<String, Value> = fields.iter().map(|f| (f.to_string(), json!({"type": "string"}))).collect();
        json!({"type": "object", "properties": properties, "required": fields})
    };
    let edit = |tools| call(&chat("fix the bug", 1, tools));
    let (name, arguments) = edit(vec![bash(), tool("edit_file", schema(&["path", "old_string", "new_string"]))]);
    assert_eq!((name.as_str(), arguments), ("edit_file", json!({"path": "calc.py", "old_string": "a - b", "new_string": "a + b"})));
    let absolute = json!({"properties": {"file_path": {"description": "The absolute path"}, "old_string": {}, "new_string": {}}});
    assert_eq!(edit(vec![tool("replace", absolute)]).1["file_path"], "/workspace/calc.py");
    let mut many = schema(&["command", "path", "old_str", "new_str", "file_text"]);
    many["properties"]["command"]["enum"] = json!(["view", "create", "str_replace"]);
    assert_eq!(edit(vec![tool("file_editor", many)]).1["command"], "str_replace");
    let (name, arguments) = edit(vec![bash()]);
    assert_eq!(name, "bash");
    assert!(arguments["command"].as_str().unwrap().starts_with("python3 - <<'END_OF_EDIT'"));
    let list = json!({"properties": {"command": {"type": "array", "items": {"type": "string"}}}});
    let (_, arguments) = call(&chat("fix the bug", 0, vec![tool("shell", list)]));
    assert_eq!(arguments["command"], json!(["bash", "-lc", "cat calc.py"]));
}

#[test]
fn side_requests_and_failures_are_answered_sensibly() {
    assert_eq!(reply(&chat("fix the bug", 0, vec![])).text, "fix");
    let mut json_wanted = chat("fix the bug", 0, vec![]);
    json_wanted.answer_schema = Some(json!({"type": "object", "required": ["model"], "properties": {
        "model": {"enum": ["small", "big"]}, "why": {"type": "string"}}}));
    assert_eq!(reply(&json_wanted).text, r#"{"model":"small"}"#);
    let fail = answer(&book(), &chat("fail now", 0, vec![bash()]), 0);
    assert_eq!(fail, Answer::Fail(Fail { status: 503, message: "down".into(), code: None }));
    assert!(reply(&chat("something else", 0, vec![bash()])).text.contains("No script"));
    assert!(Book::parse(r#"{"steps": [{"shell": {"command": "x"}, "fail": {"status": 200, "message": ""}}]}"#).is_err());
    assert!(Book::parse(r#"{"stepps": []}"#).is_err());
}

#[tokio::test]
async fn codex_is_driven_by_its_own_tools() {
    let mut request: Value = serde_json::from_str(CODEX).unwrap();
    let body = |request: &Value| RawRequest { dialect: Dialect::Responses, body: request.to_string().into(), headers: Vec::new() };
    // The recorded conversation stands after one tool turn: the edit is next, as a command since Codex edits by patch.
    let provider = Scripted::new(book());
    let response = provider.call(body(&request)).await.unwrap();
    let (gauge, status) = (response.gauge.clone(), response.status);
    let text = String::from_utf8(response.collect(1 << 20).await.unwrap().to_vec()).unwrap();
    assert_eq!(status, 200);
    assert!(text.starts_with("event: response.created\n"));
    let last = crate::sse::Reader::new().push(text.as_bytes()).pop().unwrap();
    let last: Value = serde_json::from_str(&last.data).unwrap();
    let item = &last["response"]["output"][0];
    assert_eq!((item["type"].as_str(), item["name"].as_str()), (Some("function_call"), Some("exec_command")));
    let arguments: Value = serde_json::from_str(item["arguments"].as_str().unwrap()).unwrap();
    assert!(arguments["cmd"].as_str().unwrap().contains(r#"replace(old, "a + b")"#));
    assert_eq!(arguments["yield_time_ms"], 30_000);
    let reading = gauge.read();
    assert_eq!(reading.usage.unwrap().total(), last["response"]["usage"]["total_tokens"].as_u64().unwrap());
    assert!(reading.finished);
    // With no shell the patch tool does it.
    request["tools"].as_array_mut().unwrap().remove(0);
    request["stream"] = json!(false);
    let whole = provider.call(body(&request)).await.unwrap().collect(1 << 20).await.unwrap();
    let whole: Value = serde_json::from_slice(&whole).unwrap();
    assert_eq!(whole["output"][0]["type"], "custom_tool_call");
    assert_eq!(whole["output"][0]["input"], "*** Begin Patch\n*** Update File: calc.py\n@@\n-a - b\n+a + b\n*** End Patch");
}
