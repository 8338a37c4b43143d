//! Keeping a conversation within what a model can take: old tool outputs go first, the talk stays. Pure.

use crate::text;
use llm::Message;

/// The newest messages are never touched.
const FRESH_MESSAGES: usize = 8;
/// What stays of an old tool output.
const REMAINS_BYTES: usize = 200;

/// A copy that fits into `bytes_max`, as far as dropping old outputs and old arguments can make it.
pub fn fit(history: &[Message], bytes_max: usize) -> Vec<Message> {
    let mut messages = history.to_vec();
    let mut size: usize = messages.iter().map(bytes).sum();
    let old = messages.len().saturating_sub(FRESH_MESSAGES);
    for message in &mut messages[..old] {
        if size <= bytes_max {
            break;
        }
        let before = bytes(message);
        shorten(message);
        size = size - before + bytes(message);
    }
    messages
}

/// Every tool call of the last assistant message gets a result, so that the conversation can be sent again after a
/// turn that ended in the middle of its work.
pub fn close_open_calls(history: &mut Vec<Message>) {
    let Some(at) = history.iter().rposition(|m| matches!(m, Message::Assistant { .. })) else { return };
    let Message::Assistant { tool_calls, .. } = &history[at] else { return };
    let answered = |id: &str| history[at..].iter().any(|m| matches!(m, Message::Tool { call_id, .. } if call_id == id));
    let open: Vec<String> = tool_calls.iter().map(|c| c.id.clone()).filter(|id| !answered(id)).collect();
    history.extend(open.into_iter().map(|call_id| Message::Tool { call_id, text: "Not done: the turn ended first.".into() }));
}

fn bytes(message: &Message) -> usize {
    match message {
        Message::System { text } | Message::User { text } | Message::Tool { text, .. } => text.len(),
        Message::Assistant { text, tool_calls } => text.len() + tool_calls.iter().map(|c| c.name.len() + c.arguments.len()).sum::<usize>(),
    }
}

fn shorten(message: &mut Message) {
    match message {
        Message::Tool { text, .. } if text.len() > 2 * REMAINS_BYTES => {
            let left_out = text.len();
            *text =
                format!("{}\n[… output of {left_out} bytes dropped to save room; run it again if needed]", text::head(text, REMAINS_BYTES));
        }
        // Arguments must stay JSON, so a long one is replaced as a whole.
        Message::Assistant { tool_calls, .. } => {
            for call in tool_calls.iter_mut().filter(|call| call.arguments.len() > 10 * REMAINS_BYTES) {
                call.arguments = r#"{"dropped":"to save room"}"#.to_string();
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use llm::ToolCall;

    fn step(n: usize) -> [Message; 2] {
        let call = ToolCall { id: format!("c{n}"), name: "shell".into(), arguments: "{}".into(), ..ToolCall::default() };
        [
            Message::Assistant { text: String::new(), tool_calls: vec![call] },
            Message::Tool { call_id: format!("c{n}"), text: "x".repeat(10_000) },
        ]
    }

    #[test]
    fn the_oldest_outputs_go_and_the_prompt_stays() {
        let mut history = vec![Message::User { text: "p".repeat(5_000) }];
        history.extend((0..10).flat_map(step));
        assert_eq!(fit(&history, 1 << 20), history);
        let fitted = fit(&history, 60_000);
        assert_eq!(fitted.len(), history.len());
        assert_eq!(fitted[0], history[0]);
        assert!(bytes(&fitted[2]) < 400);
        assert_eq!(fitted[13..], history[13..]);
        assert!(fitted.iter().map(bytes).sum::<usize>() <= 60_000);
    }

    #[test]
    fn open_calls_are_closed_once() {
        let mut history: Vec<_> = step(1).into();
        close_open_calls(&mut history);
        assert_eq!(history.len(), 2);
        history.truncate(1);
        close_open_calls(&mut history);
        close_open_calls(&mut history);
        assert_eq!(history.len(), 2);
    }
}
