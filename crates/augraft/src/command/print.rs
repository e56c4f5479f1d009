//! What a command prints.

use std::io::{ErrorKind, Write};

use crate::failure::Failure;

/// A number of things in words.
pub(super) fn counted(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// Prints to standard output; a closed pipe is the end, not an error.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::user(error)),
        _ => Ok(()),
    }
}
