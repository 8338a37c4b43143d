//! A model that follows a script: the demo without a key, and the one test double of everything that thinks.
//!
//! It keeps no state. Which step comes next is the number of tool turns since the last human prompt of the request,
//! so the same script drives any client, any number of times, also after a resume. It knows nothing of the client:
//! it looks for a tool that can do what the step wants and fills in the arguments from the schema it was sent.

mod script;
mod tools;

use super::{BodyStream, Entry, Provider, RawRequest, RawResponse, Settings};
use crate::chat::{ChatRequest, Finish, Message, Reply, Usage};
use crate::error::{Error, Result};
use crate::wire::{self, Dialect, Stamp, StreamWriter};
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, StreamExt};
pub use script::{Action, Book, Script, Step};
use script::{Beat, Fail};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

pub const ENTRY: Entry = Entry { id: "scripted", label: "Scripted answers (no model)", build };

/// Characters per streamed piece.
const PIECE_CHARS: usize = 24;
/// Roughly what one token takes.
const CHARS_PER_TOKEN: usize = 4;

fn build(settings: Settings) -> Result<Arc<dyn Provider>> {
    let text = settings.script.ok_or_else(|| Error::invalid("the scripted provider needs a script"))?;
    Ok(Arc::new(Scripted::new(Book::parse(&text)?)))
}

pub struct Scripted {
    book: Book,
}

impl Scripted {
    pub fn new(book: Book) -> Self {
        Scripted { book }
    }
}

#[async_trait]
impl Provider for Scripted {
    fn id(&self) -> &'static str {
        ENTRY.id
    }

    async fn call(&self, request: RawRequest) -> Result<RawResponse> {
        let chat = wire::parse_request(request.dialect, &request.body)?;
        let answer = answer(&self.book, &chat, request.body.len());
        Ok(match answer {
            Answer::Fail(fail) => failure(request.dialect, &fail),
            Answer::Reply { hang_seconds, reply } => {
                let stamp = stamp(&chat, &request.body);
                respond(request.dialect, &chat, reply, stamp, Duration::from_secs(hang_seconds))
            }
        })
    }

    /// A script that begins by refusing for good does so every time.
    fn refuses(&self, prompt: &str) -> Option<String> {
        let beat = self.book.choose(prompt, 1)?.beats().into_iter().next()?;
        beat.fail.filter(|fail| fail.status == 400).map(|fail| fail.message)
    }
}

#[derive(Debug, PartialEq)]
pub enum Answer {
    Reply { hang_seconds: u64, reply: Reply },
    Fail(Fail),
}

/// What the script says to this conversation. Pure.
pub fn answer(book: &Book, request: &ChatRequest, body_bytes: usize) -> Answer {
    let place = Place::of(request);
    let script = book.choose(&place.prompt, place.turn);
    let beats = script.map(Script::beats).unwrap_or_default();
    let mut hang_seconds = 0;
    let mut reply = if let Some(schema) = &request.answer_schema {
        said(tools::sample(schema).to_string())
    } else if request.tools.is_empty() && beats.iter().any(|beat| beat.action.is_some()) {
        // A side request, such as for a title: nothing to work with, so nothing of the script's work fits.
        said(title(script, &place.prompt))
    } else if let Some(beat) = beats.get(place.tool_turns).or(beats.last()) {
        if let Some(fail) = &beat.fail {
            return Answer::Fail(fail.clone());
        }
        hang_seconds = beat.hang_seconds;
        perform(beat, request, place.tool_turns, &book.cwd)
    } else {
        said("No script fits this request.".to_string())
    };
    reply.usage = Some(usage(body_bytes, &reply));
    Answer::Reply { hang_seconds, reply }
}

/// Where in the conversation we are.
struct Place {
    /// The last human prompt.
    prompt: String,
    /// How many human prompts there were, from 1.
    turn: usize,
    /// Tool turns since the last one.
    tool_turns: usize,
}

impl Place {
    fn of(request: &ChatRequest) -> Place {
        let mut place = Place { prompt: String::new(), turn: 0, tool_turns: 0 };
        for message in &request.messages {
            match message {
                Message::User { text } if is_human(text) => {
                    place = Place { prompt: text.clone(), turn: place.turn + 1, tool_turns: 0 };
                }
                Message::Assistant { tool_calls, .. } if !tool_calls.is_empty() => place.tool_turns += 1,
                _ => {}
            }
        }
        place
    }
}

/// Clients tell the model about its surroundings in the user's name; those are not prompts.
fn is_human(text: &str) -> bool {
    const SURROUNDINGS: &[&str] = &[
        "<environment_context",
        "<user_instructions",
        "# AGENTS.md instructions",
        "<turn_aborted",
        "<skill",
        "<system-reminder",
        "<subagent_notification",
    ];
    let text = text.trim_start();
    !SURROUNDINGS.iter().any(|start| text.starts_with(start))
}

fn said(text: String) -> Reply {
    Reply { text, ..Reply::default() }
}

fn title(script: Option<&Script>, prompt: &str) -> String {
    let name = script.map(|s| s.name.as_str()).filter(|name| !name.is_empty());
    let line = prompt.lines().find(|line| !line.trim().is_empty()).unwrap_or("New conversation");
    name.unwrap_or(line).chars().take(60).collect()
}

fn perform(beat: &Beat, request: &ChatRequest, turn: usize, cwd: &str) -> Reply {
    let mut reply = said(beat.say.clone());
    if let Some(action) = &beat.action {
        match tools::call(action, &request.tools, &format!("call_{turn}"), cwd) {
            Some(call) => {
                reply.tool_calls.push(call);
                reply.finish = Finish::ToolCalls;
            }
            None => reply.text = format!("{}\nNone of the offered tools can do the next step.", reply.text).trim().to_string(),
        }
    }
    reply
}

/// Made up, but of a plausible size.
fn usage(body_bytes: usize, reply: &Reply) -> Usage {
    let written = reply.text.len() + reply.tool_calls.iter().map(|c| c.name.len() + c.arguments.len()).sum::<usize>();
    Usage {
        input_tokens: body_bytes.div_ceil(CHARS_PER_TOKEN) as u64,
        output_tokens: written.div_ceil(CHARS_PER_TOKEN) as u64,
        ..Usage::default()
    }
}

/// The same request gets the same id, so that answers can be compared.
fn stamp(chat: &ChatRequest, body: &[u8]) -> Stamp {
    let hash = body.iter().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3));
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Stamp { id: format!("scripted{hash:016x}"), model: chat.model.clone(), created: since.as_secs() as i64 }
}

fn respond(dialect: Dialect, chat: &ChatRequest, reply: Reply, stamp: Stamp, hang: Duration) -> RawResponse {
    let (content_type, pieces) = if chat.stream {
        let mut writer = StreamWriter::new(dialect, stamp, chat.include_usage);
        let mut pieces = vec![writer.start()];
        pieces.extend(reply.events(PIECE_CHARS).into_iter().map(|event| writer.event(event)));
        pieces.push(writer.end());
        ("text/event-stream", pieces)
    } else {
        ("application/json", vec![wire::render_reply(dialect, &reply, &stamp).to_string()])
    };
    let silence = stream::once(async move {
        tokio::time::sleep(hang).await;
        Ok(Bytes::new())
    });
    let pieces = stream::iter(pieces.into_iter().map(|piece| Ok(Bytes::from(piece))));
    let body: BodyStream = Box::pin(silence.chain(pieces).filter(|piece| {
        let empty = matches!(piece, Ok(bytes) if bytes.is_empty());
        async move { !empty }
    }));
    let response = RawResponse::metered(dialect, 200, content_type.to_string(), Vec::new(), body);
    if !chat.include_usage && chat.stream {
        // The client did not ask for the usage chunk, so the meter can't see it; the script knows.
        response.gauge.preset(reply.usage);
    }
    response
}

fn failure(dialect: Dialect, fail: &Fail) -> RawResponse {
    let kind = if fail.status >= 500 { "server_error" } else { "invalid_request_error" };
    let body: Value = json!({"error": {"message": fail.message, "type": kind, "param": null, "code": fail.code}});
    let body: BodyStream = Box::pin(stream::iter([Ok(Bytes::from(body.to_string()))]));
    RawResponse::metered(dialect, fail.status, "application/json".to_string(), Vec::new(), body)
}

#[cfg(test)]
mod tests;
