//! What a gateway must know of a request before it forwards it, read without building the whole conversation, and the
//! request without what the provider would do on its own.

use crate::error::{Error, Result};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Peek {
    pub model: String,
    pub stream: bool,
    /// For each of the choices.
    pub max_output_tokens: Option<u64>,
    /// Chat completions: how many answers are asked for at once.
    pub choices: u64,
    /// Chat completions: the client asked for the usage chunk itself.
    pub include_usage: bool,
    /// Types of the tools that the provider would carry out itself, such as `web_search`: a way out of a sandbox
    /// that has no network.
    pub hosted_tools: Vec<String>,
    /// Content that the provider would fetch from an address: another such way.
    pub names_remote_content: bool,
    /// The answer would come after the connection, where no meter sees it.
    pub in_background: bool,
    /// A prompt kept at the provider, with tools of its own.
    pub names_stored_prompt: bool,
}

/// Tool types that the client carries out, so that nothing leaves through them.
const CLIENT_TOOLS: &[&str] = &["function", "custom", "namespace", "local_shell", "shell", "apply_patch", "tool_search"];
/// Searches without a tool of that name.
const SEARCH_OPTIONS: &str = "web_search_options";
/// Where content may be given by its address.
const ADDRESSES: &[&str] = &["image_url", "file_url", "audio_url", "video_url"];
/// Definitions of tools longer than this are refused where some of them have to be taken out.
const TOOLS_BYTES_MAX: usize = 4 << 20;

pub fn peek(body: &[u8]) -> Result<Peek> {
    #[derive(Deserialize)]
    struct Body {
        model: String,
        #[serde(default)]
        stream: Option<bool>,
        #[serde(default)]
        n: Option<f64>,
        #[serde(default)]
        max_tokens: Option<f64>,
        #[serde(default)]
        max_completion_tokens: Option<f64>,
        #[serde(default)]
        max_output_tokens: Option<f64>,
        #[serde(default)]
        stream_options: Option<StreamOptions>,
        #[serde(default)]
        tools: Option<Vec<Tool>>,
        #[serde(default)]
        web_search_options: Option<IgnoredAny>,
        #[serde(default)]
        background: Option<bool>,
        #[serde(default)]
        prompt: Option<IgnoredAny>,
        #[serde(default)]
        messages: Option<Addresses>,
        #[serde(default)]
        input: Option<Addresses>,
    }
    #[derive(Deserialize)]
    struct StreamOptions {
        #[serde(default)]
        include_usage: Option<bool>,
    }
    let body: Body = serde_json::from_slice(body).map_err(|e| Error::invalid(format!("the request body is not a model request: {e}")))?;
    let mut hosted_tools = Vec::new();
    for tool in body.tools.iter().flatten() {
        tool.hosted(&mut hosted_tools);
    }
    if body.web_search_options.is_some() {
        hosted_tools.push(SEARCH_OPTIONS.to_string());
    }
    let is_remote = |part: &Option<Addresses>| part.as_ref().is_some_and(|part| part.0);
    Ok(Peek {
        model: body.model,
        stream: body.stream.unwrap_or(false),
        max_output_tokens: body.max_output_tokens.or(body.max_completion_tokens).or(body.max_tokens).map(whole),
        choices: body.n.map_or(1, whole).max(1),
        include_usage: body.stream_options.and_then(|o| o.include_usage).unwrap_or(false),
        hosted_tools,
        names_remote_content: is_remote(&body.messages) || is_remote(&body.input),
        in_background: body.background.unwrap_or(false),
        names_stored_prompt: body.prompt.is_some(),
    })
}

/// JSON knows one kind of number, so `1.0` is a count like `1`; what is too large for a count is the largest one.
fn whole(number: f64) -> u64 {
    number.ceil() as u64
}

#[derive(Deserialize)]
struct Tool {
    #[serde(default)]
    r#type: Option<String>,
    /// A shell in a container of the provider's, unless it is `local`.
    #[serde(default)]
    environment: Option<Environment>,
    /// Those of a namespace.
    #[serde(default)]
    tools: Option<Vec<Tool>>,
}

#[derive(Deserialize)]
struct Environment {
    #[serde(default)]
    r#type: Option<String>,
}

impl Tool {
    fn is_hosted(&self) -> bool {
        let is_elsewhere = self.environment.as_ref().is_some_and(|e| e.r#type.as_deref() != Some("local"));
        is_elsewhere || self.r#type.as_deref().is_some_and(|kind| !CLIENT_TOOLS.contains(&kind))
    }
    fn hosted(&self, found: &mut Vec<String>) {
        if self.is_hosted() {
            found.push(self.r#type.clone().unwrap_or_default());
        }
        for inner in self.tools.iter().flatten() {
            inner.hosted(found);
        }
    }
}

/// The body without the tools that the provider would carry out itself, or `None` when there are none: then the
/// client's own bytes can pass unchanged.
pub fn without_hosted_tools(body: &[u8]) -> Result<Option<Vec<u8>>> {
    let unreadable = |e: serde_json::Error| Error::invalid(format!("the request body is not a model request: {e}"));
    let mut fields: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(body).map_err(unreadable)?;
    let mut is_less = fields.remove(SEARCH_OPTIONS).is_some();
    if let Some(raw) = fields.get_mut("tools") {
        if raw.get().len() > TOOLS_BYTES_MAX {
            return Err(Error::invalid(format!("definitions of tools have at most {TOOLS_BYTES_MAX} bytes")));
        }
        let mut tools: Value = serde_json::from_str(raw.get()).map_err(unreadable)?;
        is_less |= take_out_hosted(&mut tools);
        *raw = serde_json::value::to_raw_value(&tools).map_err(unreadable)?;
    }
    if is_less { serde_json::to_vec(&fields).map(Some).map_err(unreadable) } else { Ok(None) }
}

fn take_out_hosted(tools: &mut Value) -> bool {
    let Some(tools) = tools.as_array_mut() else { return false };
    let before = tools.len();
    tools.retain(|tool| Tool::deserialize(tool).is_ok_and(|tool| !tool.is_hosted()));
    let mut is_less = tools.len() < before;
    for tool in tools {
        is_less |= tool.get_mut("tools").is_some_and(take_out_hosted);
    }
    is_less
}

/// Whether anything below names content by an address that is not the content itself.
struct Addresses(bool);

impl<'de> Deserialize<'de> for Addresses {
    fn deserialize<D: Deserializer<'de>>(source: D) -> std::result::Result<Self, D::Error> {
        Look { is_address: false }.deserialize(source).map(Addresses)
    }
}

/// Walks any JSON and keeps nothing of it.
#[derive(Clone, Copy)]
struct Look {
    /// A text here would be an address.
    is_address: bool,
}

impl<'de> DeserializeSeed<'de> for Look {
    type Value = bool;
    fn deserialize<D: Deserializer<'de>>(self, source: D) -> std::result::Result<bool, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Look {
    type Value = bool;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }
    fn visit_str<E: de::Error>(self, text: &str) -> std::result::Result<bool, E> {
        Ok(self.is_address && !text.is_empty() && !text.starts_with("data:"))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<bool, A::Error> {
        let mut is_found = false;
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            let is_address = ADDRESSES.contains(&key.as_ref()) || self.is_address && key == "url";
            is_found |= map.next_value_seed(Look { is_address })?;
        }
        Ok(is_found)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<bool, A::Error> {
        let mut is_found = false;
        while let Some(found) = seq.next_element_seed(self)? {
            is_found |= found;
        }
        Ok(is_found)
    }
    fn visit_bool<E: de::Error>(self, _: bool) -> std::result::Result<bool, E> {
        Ok(false)
    }
    fn visit_i64<E: de::Error>(self, _: i64) -> std::result::Result<bool, E> {
        Ok(false)
    }
    fn visit_u64<E: de::Error>(self, _: u64) -> std::result::Result<bool, E> {
        Ok(false)
    }
    fn visit_f64<E: de::Error>(self, _: f64) -> std::result::Result<bool, E> {
        Ok(false)
    }
    fn visit_unit<E: de::Error>(self) -> std::result::Result<bool, E> {
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn peeked(body: Value) -> Peek {
        peek(body.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_peek_sees_the_limit_and_the_tools_of_the_provider() {
        let body = json!({"model": "m", "stream": true, "max_tokens": 7, "n": 3, "stream_options": {"include_usage": true},
            "web_search_options": {}, "tools": [{"type": "function", "function": {"name": "a"}}, {"type": "web_search"},
            {"type": "shell", "environment": {"type": "local"}}, {"type": "shell", "environment": {"type": "container_auto"}},
            {"type": "namespace", "name": "n", "tools": [{"type": "custom"}, {"type": "mcp"}]}], "unknown": [1, {}]});
        let seen = peeked(body.clone());
        assert_eq!((seen.model.as_str(), seen.stream, seen.max_output_tokens, seen.choices), ("m", true, Some(7), 3));
        assert!(seen.include_usage && !seen.names_remote_content && !seen.in_background && !seen.names_stored_prompt);
        assert_eq!(seen.hosted_tools, ["web_search", "shell", "mcp", "web_search_options"]);
        let cleaned = without_hosted_tools(body.to_string().as_bytes()).unwrap().expect("there were some");
        let cleaned: Value = serde_json::from_slice(&cleaned).unwrap();
        assert_eq!(cleaned["tools"].as_array().unwrap().len(), 3);
        assert_eq!(cleaned["tools"][2]["tools"], json!([{"type": "custom"}]));
        assert_eq!((cleaned["web_search_options"].clone(), cleaned["unknown"].clone()), (Value::Null, json!([1, {}])));
        assert_eq!(without_hosted_tools(br#"{"model":"m","tools":[{"type":"function"}]}"#).unwrap(), None);
    }

    #[test]
    fn content_elsewhere_is_seen_in_every_place_and_content_itself_is_not_taken_for_it() {
        let data = "data:image/png;base64,AAAA";
        for harmless in [
            json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": data}}]}]}),
            json!({"input": [{"type": "input_image", "image_url": data}, {"type": "function_call", "arguments": "{\"image_url\":\"http://x\"}"}]}),
            json!({"input": "see http://example.com/image_url", "tools": [{"type": "function", "parameters":
                {"properties": {"image_url": {"type": "string", "default": "http://x"}}}}]}),
            json!({"input": [{"type": "message", "content": [{"type": "output_text", "annotations": [{"url": "http://x"}]}]}]}),
        ] {
            let mut body = harmless;
            body["model"] = "m".into();
            assert!(!peeked(body.clone()).names_remote_content, "{body}");
        }
        for remote in [
            r#"{"model":"m","messages":[{"content":[{"type":"image_url","image_url":{"url":"https://evil.example/?q=secret"}}]}]}"#,
            r#"{"model":"m","input":[{"content":[{"type":"input_image","image_url":"http://evil.example/"}]}]}"#,
            r#"{"model":"m","input":[{"content":[{"type":"input_file","file_url":"//evil.example/x"}]}]}"#,
            r#"{"model":"m","input":[{"output":[{"image_url":"data:,x","image\u005furl":"ftp://evil.example/"}]}]}"#,
            r#"{"model":"m","input":{"deep":[[[{"video_url":[{"url":"HTTP://evil.example"}]}]]]}}"#,
        ] {
            assert!(peek(remote.as_bytes()).unwrap().names_remote_content, "{remote}");
        }
        assert!(peeked(json!({"model": "m", "background": true})).in_background);
        assert!(peeked(json!({"model": "m", "prompt": {"id": "pmpt_1"}})).names_stored_prompt);
        let deep = format!("{{\"model\":\"m\",\"input\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(peek(deep.as_bytes()).is_err());
    }
}
