//! Which host a TLS client says it wants, read from its first record without opening anything.

/// What the first bytes of a connection are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    /// Too short to tell yet.
    More,
    /// The beginning of a TLS handshake, with the host it names, if any.
    Tls(Option<String>),
    /// Something else.
    Other,
    /// Looks like TLS and is not well formed.
    Broken,
}

/// A record's header, and the most that one may hold.
const HEADER_BYTES: usize = 5;
pub const RECORD_BYTES_MAX: usize = HEADER_BYTES + (1 << 14);

pub fn look(bytes: &[u8]) -> Opening {
    match bytes.first() {
        None => return Opening::More,
        Some(0x16) => {}
        Some(_) => return Opening::Other,
    }
    if bytes.len() < HEADER_BYTES {
        return Opening::More;
    }
    let length = usize::from(u16::from_be_bytes([bytes[3], bytes[4]]));
    if bytes[1] != 3 || length > 1 << 14 {
        return Opening::Broken;
    }
    match bytes.get(HEADER_BYTES..HEADER_BYTES + length) {
        None => Opening::More,
        // A greeting that is spread over several records is legal and rare; nobody who means well needs it.
        Some(record) => host_of(record).map_or(Opening::Broken, Opening::Tls),
    }
}

/// None if it is not one whole ClientHello.
fn host_of(record: &[u8]) -> Option<Option<String>> {
    let mut record = Reader(record);
    if record.number(1)? != 1 {
        return None;
    }
    let length = record.number(3)?;
    let mut hello = Reader(record.take(length)?);
    hello.take(2 + 32)?;
    hello.block(1)?;
    hello.block(2)?;
    hello.block(1)?;
    if hello.0.is_empty() {
        return Some(None);
    }
    let mut extensions = Reader(hello.block(2)?);
    let mut found = None;
    while !extensions.0.is_empty() {
        let (kind, body) = (extensions.number(2)?, extensions.block(2)?);
        if kind == 0 {
            let mut names = Reader(Reader(body).block(2)?);
            let (name_kind, name) = (names.number(1)?, names.block(2)?);
            // One name of the one kind there is; two would let the far end choose another than the one that was checked.
            if name_kind != 0 || !names.0.is_empty() || found.is_some() {
                return None;
            }
            found = Some(std::str::from_utf8(name).ok()?.to_ascii_lowercase());
        }
    }
    Some(found)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
    fn number(&mut self, bytes: usize) -> Option<usize> {
        Some(self.take(bytes)?.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }
    /// Bytes behind their length, which itself has so many bytes.
    fn block(&mut self, length_bytes: usize) -> Option<&'a [u8]> {
        let length = self.number(length_bytes)?;
        self.take(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(length_bytes: usize, content: &[u8]) -> Vec<u8> {
        let length = (content.len() as u32).to_be_bytes();
        [&length[4 - length_bytes..], content].concat()
    }

    fn hello(names: &[&str]) -> Vec<u8> {
        let extension = |name: &&str| {
            let entry = [vec![0], block(2, name.as_bytes())].concat();
            [vec![0, 0], block(2, &block(2, &entry))].concat()
        };
        let other = [vec![0, 43], block(2, &[2, 3, 4])].concat();
        let extensions = [other, names.iter().flat_map(extension).collect()].concat();
        let body = [vec![3, 3], vec![7; 32], block(1, &[1; 32]), block(2, &[0x13, 1]), block(1, &[0]), block(2, &extensions)].concat();
        [vec![0x16, 3, 1], block(2, &[vec![1], block(3, &body)].concat())].concat()
    }

    #[test]
    fn the_name_is_found_and_tricks_are_not_followed() {
        assert_eq!(look(&hello(&["PyPI.org"])), Opening::Tls(Some("pypi.org".into())));
        assert_eq!(look(&hello(&[])), Opening::Tls(None));
        assert_eq!(look(&hello(&["a.org", "b.org"])), Opening::Broken);
        assert_eq!(look(b"GET / HTTP/1.1"), Opening::Other);
        let whole = hello(&["pypi.org"]);
        for length in 0..whole.len() {
            assert_eq!(look(&whole[..length]), Opening::More, "{length}");
        }
        // No cut inside the record, whose length then lies, leads to a panic or to a name.
        for length in HEADER_BYTES..whole.len() {
            let mut cut = whole[..length].to_vec();
            cut[3..5].copy_from_slice(&((length - HEADER_BYTES) as u16).to_be_bytes());
            assert_eq!(look(&cut), Opening::Broken, "{length}");
        }
    }
}
