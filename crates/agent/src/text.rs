//! Cutting text to size: heads and tails, lines, and small diffs. Pure.

use similar::TextDiff;

pub const DIFF_BYTES_MAX: usize = 16 << 10;

/// The text itself, or its beginning and end with a line between that says how much is missing.
pub fn head_and_tail(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_string();
    }
    let half = bytes_max / 2;
    let head = &text[..floor(text, half)];
    let tail = &text[ceil(text, text.len() - half)..];
    let left_out = text.len() - head.len() - tail.len();
    format!("{head}\n[… {left_out} bytes left out …]\n{tail}")
}

/// At most this many bytes from the start, cut between characters.
pub fn head(text: &str, bytes_max: usize) -> &str {
    &text[..floor(text, bytes_max)]
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0)
}

fn ceil(text: &str, at: usize) -> usize {
    (at..=text.len()).find(|i| text.is_char_boundary(*i)).unwrap_or(text.len())
}

/// A unified diff with three lines of context, cut at a limit.
pub fn unified_diff(path: &str, old: &str, new: &str) -> String {
    let before = if old.is_empty() { "/dev/null".to_string() } else { format!("a/{path}") };
    let diff = TextDiff::from_lines(old, new).unified_diff().context_radius(3).header(&before, &format!("b/{path}")).to_string();
    head_and_tail(&diff, DIFF_BYTES_MAX)
}

/// Bytes that arrive in pieces as text, keeping a character that is cut in two for the next piece.
#[derive(Default)]
pub struct Utf8Pieces {
    rest: Vec<u8>,
}

impl Utf8Pieces {
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.rest.extend_from_slice(bytes);
        let keep = match std::str::from_utf8(&self.rest) {
            // An error without a length is a character whose end has not come yet.
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => self.rest.len(),
        };
        let whole: Vec<u8> = self.rest.drain(..keep).collect();
        String::from_utf8_lossy(&whole).into_owned()
    }
    pub fn finish(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.rest)).into_owned()
    }
}

/// Keeps the beginning and the end of a long output while it passes.
pub struct HeadAndTail {
    head: String,
    tail: String,
    half: usize,
    left_out: usize,
}

impl HeadAndTail {
    pub fn new(bytes_max: usize) -> Self {
        HeadAndTail { head: String::new(), tail: String::new(), half: bytes_max / 2, left_out: 0 }
    }
    pub fn push(&mut self, piece: &str) {
        let room = self.half.saturating_sub(self.head.len() + usize::from(!self.tail.is_empty()) * self.half);
        let at = floor(piece, room);
        self.head.push_str(&piece[..at]);
        self.tail.push_str(&piece[at..]);
        if self.tail.len() > 2 * self.half {
            let cut = ceil(&self.tail, self.tail.len() - self.half);
            self.left_out += cut;
            self.tail.drain(..cut);
        }
    }
    pub fn finish(mut self) -> String {
        if self.tail.len() > self.half {
            let cut = ceil(&self.tail, self.tail.len() - self.half);
            self.left_out += cut;
            self.tail.drain(..cut);
        }
        if self.left_out == 0 {
            return self.head + &self.tail;
        }
        format!("{}\n[… {} bytes left out …]\n{}", self.head, self.left_out, self.tail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_keeps_both_ends_and_whole_characters() {
        let text = "ä".repeat(100);
        let cut = head_and_tail(&text, 51);
        assert!(cut.starts_with(&"ä".repeat(12)) && cut.ends_with(&"ä".repeat(12)) && cut.contains("152 bytes"), "{cut}");
        assert_eq!(head_and_tail("short", 51), "short");
        assert_eq!(head("äö", 3), "ä");
    }

    #[test]
    fn output_in_pieces_is_kept_as_if_it_came_at_once() {
        let text: String = (0..1000).map(|n| format!("{n}\n")).collect();
        for size in [1, 7, 100, 5000] {
            let mut kept = HeadAndTail::new(100);
            text.as_bytes().chunks(size).for_each(|c| kept.push(std::str::from_utf8(c).unwrap()));
            assert_eq!(kept.finish(), head_and_tail(&text, 100), "{size}");
        }
        let mut short = HeadAndTail::new(100);
        short.push("abc");
        assert_eq!(short.finish(), "abc");
    }

    #[test]
    fn a_character_cut_in_two_is_put_together() {
        let mut pieces = Utf8Pieces::default();
        let bytes = "aé".as_bytes();
        assert_eq!(pieces.push(&bytes[..2]) + &pieces.push(&bytes[2..]) + &pieces.finish(), "aé");
        assert_eq!(pieces.push(b"\xff!"), "\u{fffd}!");
    }

    #[test]
    fn a_diff_names_the_file() {
        assert_eq!(unified_diff("a.py", "x\ny\n", "x\nz\n"), "--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n x\n-y\n+z\n");
        assert!(unified_diff("a.py", "", "x\n").starts_with("--- /dev/null\n"));
    }
}
