//! Server-sent events: an incremental reader over bytes cut anywhere, and a writer. No sockets here.

use bytes::{Buf, BytesMut};

/// More than this in one event is not an event of any model protocol.
pub const EVENT_BYTES_MAX: usize = 16 << 20;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Empty when the stream did not name one.
    pub name: String,
    pub data: String,
}

/// Feed it bytes as they come, take whole events out. Understands LF, CRLF and comments.
#[derive(Debug, Default)]
pub struct Reader {
    buffer: BytesMut,
    /// Bytes of `buffer` already searched for a line end.
    searched: usize,
    pending: Event,
    has_data: bool,
    overflowed: bool,
}

impl Reader {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes and returns the events that they complete.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        self.buffer.extend_from_slice(bytes);
        while let Some(at) = self.buffer[self.searched..].iter().position(|b| *b == b'\n') {
            let end = self.searched + at;
            let line = self.buffer.split_to(end);
            self.buffer.advance(1);
            self.searched = 0;
            let line = line.strip_suffix(b"\r").unwrap_or(&line);
            if let Some(event) = self.line(line) {
                events.push(event);
            }
        }
        self.searched = self.buffer.len();
        if self.buffer.len() + self.pending.data.len() > EVENT_BYTES_MAX {
            self.overflowed = true;
            self.buffer.clear();
            self.searched = 0;
            self.pending = Event::default();
            self.has_data = false;
        }
        events
    }

    /// The event that was still open when the stream ended, if any; some servers leave out the last blank line.
    pub fn finish(&mut self) -> Option<Event> {
        let rest = self.buffer.split();
        self.searched = 0;
        if !rest.is_empty() {
            let line = rest.strip_suffix(b"\r").unwrap_or(&rest);
            if let Some(event) = self.line(line) {
                return Some(event);
            }
        }
        self.take()
    }

    /// An event was too long and its bytes were dropped.
    pub fn overflowed(&self) -> bool {
        self.overflowed
    }

    fn line(&mut self, line: &[u8]) -> Option<Event> {
        if line.is_empty() {
            return self.take();
        }
        let (field, value) = match line.iter().position(|b| *b == b':') {
            Some(at) => (&line[..at], line[at + 1..].strip_prefix(b" ").unwrap_or(&line[at + 1..])),
            None => (line, &b""[..]),
        };
        match field {
            b"data" => {
                if self.has_data {
                    self.pending.data.push('\n');
                }
                self.has_data = true;
                self.pending.data.push_str(&String::from_utf8_lossy(value));
            }
            b"event" => self.pending.name = String::from_utf8_lossy(value).into_owned(),
            _ => {}
        }
        None
    }

    fn take(&mut self) -> Option<Event> {
        let event = std::mem::take(&mut self.pending);
        std::mem::take(&mut self.has_data).then_some(event)
    }
}

/// One event as bytes. `data` must not hold line breaks, which compact JSON never does.
pub fn write(name: &str, data: &str) -> String {
    debug_assert!(!data.contains('\n'));
    if name.is_empty() { format!("data: {data}\n\n") } else { format!("event: {name}\ndata: {data}\n\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] = b": hello\r\nevent: a\r\ndata: one\r\n\r\ndata: {\"x\":1}\ndata:two\n\nid: 3\n\ndata: \xc3\xa4\n\ndata: last";

    fn expected() -> Vec<Event> {
        let event = |name: &str, data: &str| Event { name: name.into(), data: data.into() };
        vec![event("a", "one"), event("", "{\"x\":1}\ntwo"), event("", "ä"), event("", "last")]
    }

    #[test]
    fn a_cut_at_any_byte_changes_nothing() {
        for cut in 0..STREAM.len() {
            let mut reader = Reader::new();
            let mut events = reader.push(&STREAM[..cut]);
            events.extend(reader.push(&STREAM[cut..]));
            events.extend(reader.finish());
            assert_eq!(events, expected(), "cut at {cut}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes = write("x", "{}") + &write("", "[DONE]");
        let events = Reader::new().push(bytes.as_bytes());
        assert_eq!((events[0].name.as_str(), events[1].data.as_str()), ("x", "[DONE]"));
    }
}
