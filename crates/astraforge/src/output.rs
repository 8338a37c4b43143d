//! What commands print on standard output, also when nobody reads it to the end.

use std::fmt;
use std::io::{self, Write};

/// What a shell reports of a program that ended because its reader had gone: 128 and the number of SIGPIPE.
pub const CLOSED_STATUS: u8 = 141;

/// Standard output can't be written to.
#[derive(Debug)]
pub struct Unheard(io::Error);

impl Unheard {
    /// The reader has gone, as in `astraforge doctor | head -1`: no fault, only the end.
    pub fn is_closed(&self) -> bool {
        self.0.kind() == io::ErrorKind::BrokenPipe
    }
}

impl fmt::Display for Unheard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "standard output can't be written to: {}", self.0)
    }
}

impl std::error::Error for Unheard {}

/// Writes a text as it is, at once.
pub fn print(text: &str) -> Result<(), Unheard> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Unheard)
}

/// `println!` that answers an error where that one panics.
macro_rules! say {
    () => { $crate::output::print("\n") };
    ($($words:tt)*) => { $crate::output::print(&(format!($($words)*) + "\n")) };
}
pub(crate) use say;
