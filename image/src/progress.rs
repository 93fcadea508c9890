//! How far something long has come, on standard error.

use std::io::{IsTerminal, Write};

/// Percent between two lines where standard error is not a terminal.
const STEP: u64 = 25;

/// What is shorter is done before anybody reads about it, bytes.
const SHORT: u64 = 1 << 20;

/// One long step.
#[derive(Debug)]
pub struct Progress {
    what: String,
    total: u64,
    done: u64,
    shown: Option<u64>,
    is_terminal: bool,
}

impl Progress {
    /// `what` is a verb and its object: "writing ringside.img".
    #[must_use]
    pub fn new(what: impl Into<String>, total: u64) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        Self { what: what.into(), total, done: 0, shown: None, is_terminal }
    }

    /// So many bytes more are done.
    pub fn advance(&mut self, bytes: u64) {
        self.done += bytes;
        if self.total < SHORT {
            return;
        }
        let percent = (self.done * 100).checked_div(self.total).unwrap_or(100).min(100);
        let step = if self.is_terminal { 1 } else { STEP };
        let shown = percent / step * step;
        if self.shown.is_none_or(|before| shown > before) {
            self.shown = Some(shown);
            // Progress that nobody can see stops nothing.
            let mut stderr = std::io::stderr();
            let line = format!("{}: {shown} %", self.what);
            drop(match (self.is_terminal, shown) {
                (true, 100) => writeln!(stderr, "\r{line}"),
                (true, _) => write!(stderr, "\r{line}"),
                (false, _) => writeln!(stderr, "{line}"),
            });
        }
    }
}
