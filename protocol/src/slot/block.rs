//! The variables as text, and as the environment block that GRUB reads and writes.
//!
//! ```text
//! # GRUB Environment Block\n        a fixed first line
//! ORDER=B A\n … TRIAL=B\n RINGSIDE=1\n
//! ####…                             up to 1024 bytes
//! ```
//!
//! The magic value comes last, so that a block that was written half does not hold it. A block is
//! always written in place and whole, because a power cut can tear a file on FAT that is made anew.
//! There are two of them; the first that is whole holds. They are written one after the other, and
//! one that is not whole is written first ([`write_order`]): so one of them is whole at any moment,
//! even if power is cut in two writes in a row.

use core::fmt;
use core::fmt::Write as _;

use super::{Decision, Event, Mark, Refusal, Slot, Slots};

/// Bytes of a GRUB environment block.
pub const BLOCK_BYTES: usize = 1024;

const HEAD: &str = "# GRUB Environment Block\n";
const MAGIC: (&str, &str) = ("RINGSIDE", "1");

/// Why a text holds no variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockError {
    /// It is not what GRUB calls an environment block.
    NotABlock,
    /// A variable is missing.
    Missing(&'static str),
    /// A variable has a value that it cannot have.
    Value(&'static str),
}

impl fmt::Display for BlockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotABlock => f.write_str("it is no GRUB environment block of 1024 bytes"),
            Self::Missing(name) => write!(f, "it lacks {name}: it was not written whole"),
            Self::Value(name) => write!(f, "{name} has a value that it cannot have"),
        }
    }
}

impl core::error::Error for BlockError {}

impl Slots {
    /// One variable a line, `NAME=VALUE`.
    #[must_use]
    pub fn to_text(&self) -> String {
        let order: Vec<_> = self.order().map(Slot::name).collect();
        let mut text = format!("ORDER={}\n", order.join(" "));
        for slot in Slot::ALL {
            let Mark { ok, tries } = self.mark(slot);
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{slot}_OK={}\n{slot}_TRY={tries}", u8::from(ok));
        }
        let trial = self.on_trial().map_or("-", Slot::name);
        let (magic, value) = MAGIC;
        let _ = writeln!(text, "TRIAL={trial}\n{magic}={value}");
        text
    }

    /// Reads the lines of [`Slots::to_text`]; other variables and comments are passed over.
    ///
    /// # Errors
    /// A variable is missing or wrong.
    pub fn from_text(text: &str) -> Result<Self, BlockError> {
        let value = |name: &'static str| {
            let mut lines = text.lines().filter_map(|line| line.split_once('='));
            let found = lines.find(|(key, _)| *key == name).map(|(_, value)| value);
            found.ok_or(BlockError::Missing(name))
        };
        if value(MAGIC.0)? != MAGIC.1 {
            return Err(BlockError::Value(MAGIC.0));
        }
        let (first, has_second) = match value("ORDER")? {
            "A" => (Slot::A, false),
            "B" => (Slot::B, false),
            "A B" => (Slot::A, true),
            "B A" => (Slot::B, true),
            _ => return Err(BlockError::Value("ORDER")),
        };
        let mark = |ok, tries| {
            let is_ok = match value(ok)? {
                "0" => false,
                "1" => true,
                _ => return Err(BlockError::Value(ok)),
            };
            let tries = value(tries)?.parse().map_err(|_| BlockError::Value(tries))?;
            Ok(Mark { ok: is_ok, tries })
        };
        let marks = [mark("A_OK", "A_TRY")?, mark("B_OK", "B_TRY")?];
        let trial = match value("TRIAL")? {
            "-" => None,
            name => Some(name.parse().map_err(|_| BlockError::Value("TRIAL"))?),
        };
        let slots = Self { first, has_second, marks, trial };
        let is_possible = trial.is_none_or(|trial| slots.holds_something(trial));
        is_possible.then_some(slots).ok_or(BlockError::Value("TRIAL"))
    }

    /// The environment block.
    #[must_use]
    pub fn to_block(&self) -> [u8; BLOCK_BYTES] {
        let mut block = [b'#'; BLOCK_BYTES];
        let text = [HEAD, &self.to_text()].concat();
        // Some hundred bytes: the names are fixed and the values short.
        block[..text.len()].copy_from_slice(text.as_bytes());
        block
    }

    /// Reads an environment block, as GRUB may have rewritten it.
    ///
    /// # Errors
    /// Every [`BlockError`].
    pub fn from_block(block: &[u8]) -> Result<Self, BlockError> {
        let text = str::from_utf8(block).map_err(|_| BlockError::NotABlock)?;
        if block.len() != BLOCK_BYTES || !text.starts_with(HEAD) {
            return Err(BlockError::NotABlock);
        }
        Self::from_text(text)
    }

    /// What holds of two copies: the first that is whole. Where neither is, everything is worth a
    /// try ([`Slots::default`]).
    #[must_use]
    pub fn from_copies(copies: [&[u8]; 2]) -> Self {
        copies.into_iter().find_map(|copy| Self::from_block(copy).ok()).unwrap_or_default()
    }
}

/// Takes in what has happened while `running` ran, on two copies.
///
/// Where something changes, or a copy is not whole, both are handed to `write`, one after the other,
/// with the number of the copy: it writes the block in place and syncs it before it returns.
///
/// # Errors
/// A [`Refusal`], or what `write` says.
pub fn handle<E: From<Refusal>>(
    copies: [&[u8]; 2],
    running: Slot,
    event: Event,
    write: impl FnMut(usize, &[u8; BLOCK_BYTES]) -> Result<(), E>,
) -> Result<Decision, E> {
    let mut slots = Slots::from_copies(copies);
    let decision = slots.handle(running, event)?;
    store(copies, slots, write).map(|()| decision)
}

/// Counts a start, on two copies: [`Slots::start`] for a loader that writes nothing. Gives the slot.
///
/// # Errors
/// What `write` says.
pub fn start<E>(
    copies: [&[u8]; 2],
    write: impl FnMut(usize, &[u8; BLOCK_BYTES]) -> Result<(), E>,
) -> Result<Slot, E> {
    let mut slots = Slots::from_copies(copies);
    let slot = slots.start();
    store(copies, slots, write).map(|()| slot)
}

fn store<E>(
    copies: [&[u8]; 2],
    slots: Slots,
    mut write: impl FnMut(usize, &[u8; BLOCK_BYTES]) -> Result<(), E>,
) -> Result<(), E> {
    let before = Slots::from_copies(copies);
    let is_whole = copies.iter().all(|copy| Slots::from_block(copy) == Ok(before));
    if slots != before || !is_whole {
        let block = slots.to_block();
        for copy in write_order(copies) {
            write(copy, &block)?;
        }
    }
    Ok(())
}

/// Which of two copies to write first, and which then.
#[must_use]
pub fn write_order(copies: [&[u8]; 2]) -> [usize; 2] {
    if Slots::from_block(copies[1]).is_ok() { [0, 1] } else { [1, 0] }
}

#[cfg(test)]
mod tests {
    use super::super::Event;
    use super::*;

    #[test]
    fn the_text_of_a_trial() {
        let mut slots = Slots::fresh();
        slots.handle(Slot::A, Event::InstallBegun).expect("A runs");
        slots.handle(Slot::A, Event::Installed).expect("begun");
        slots.start();
        let text = "ORDER=B A\nA_OK=1\nA_TRY=0\nB_OK=1\nB_TRY=1\nTRIAL=B\nRINGSIDE=1\n";
        assert_eq!(slots.to_text(), text);
        assert_eq!(Slots::from_text(text), Ok(slots));
    }

    #[test]
    fn a_block_is_what_grub_takes_for_one() {
        let block = Slots::fresh().to_block();
        assert!(block.starts_with(b"# GRUB Environment Block\nORDER=A\n"));
        assert_eq!(block[BLOCK_BYTES - 1], b'#');
        assert_eq!(Slots::from_block(&block), Ok(Slots::fresh()));
    }

    #[test]
    fn variables_of_others_and_another_order_do_not_matter() {
        let text =
            "RINGSIDE=1\nsaved_entry=3\nTRIAL=-\nB_TRY=2\nB_OK=1\nA_TRY=0\nA_OK=0\nORDER=B\n";
        let slots = Slots::from_text(text).expect("whole");
        assert_eq!(slots.to_text().lines().next(), Some("ORDER=B"));
    }

    #[test]
    fn a_block_that_was_cut_anywhere_is_not_taken() {
        let whole = Slots::fresh().to_block();
        let end = 1 + whole.windows(2).position(|pair| pair == b"\n#").expect("padding");
        for cut in 0..end - 1 {
            let mut torn = [0; BLOCK_BYTES];
            torn[..cut].copy_from_slice(&whole[..cut]);
            assert!(Slots::from_block(&torn).is_err(), "cut at {cut}");
            assert!(Slots::from_block(&whole[..cut]).is_err(), "short by {cut}");
        }
    }

    /// What [`handle`] wrote, copy by copy.
    fn written(copies: [&[u8]; 2], event: Event) -> Result<(Decision, Vec<usize>), Refusal> {
        let mut written = Vec::new();
        let decision = handle(copies, Slot::A, event, |copy, block| {
            assert!(Slots::from_block(block).is_ok());
            written.push(copy);
            Ok::<_, Refusal>(())
        })?;
        Ok((decision, written))
    }

    #[test]
    fn both_copies_are_written_where_something_changes_the_damaged_one_first() {
        let whole = Slots::fresh().to_block();
        let begun = |copies| written(copies, Event::InstallBegun).map(|(_, order)| order);
        assert_eq!(written([&whole; 2], Event::Up), Ok((Decision::Stay, vec![])));
        assert_eq!(begun([&whole; 2]), Ok(vec![]), "B holds nothing already");
        let changed = Slots::default().to_block();
        assert_eq!(begun([&changed; 2]), Ok(vec![0, 1]));
        assert_eq!(begun([&changed, b"torn"]), Ok(vec![1, 0]));
        assert_eq!(begun([b"torn", &changed]), Ok(vec![0, 1]));
        let mended = written([&whole, b"torn"], Event::Up);
        assert_eq!(mended, Ok((Decision::Stay, vec![1, 0])), "a damaged copy is mended");
        let refused = written([&changed; 2], Event::Installed);
        assert_eq!(refused, Err(Refusal::NothingInstalled), "and nothing is written");
    }

    #[test]
    fn a_counted_start_is_written_to_both_copies() {
        let copies = [Slots::fresh().to_block(), Slots::fresh().to_block()];
        let mut written = Vec::new();
        let slot = start([&copies[0], &copies[1]], |copy, block| {
            written.push((copy, Slots::from_block(block).map(|it| it.state(Slot::A))));
            Ok::<_, Refusal>(())
        });
        assert_eq!(slot, Ok(Slot::A));
        let counted = Ok(super::super::State::Good { tries: 1 });
        assert_eq!(written, [(0, counted.clone()), (1, counted)]);
    }

    #[test]
    fn impossible_values_are_refused() {
        let good = Slots::fresh().to_text();
        for (from, to, error) in [
            ("ORDER=A", "ORDER=", BlockError::Value("ORDER")),
            ("ORDER=A", "ORDER=A A", BlockError::Value("ORDER")),
            ("A_OK=1", "A_OK=2", BlockError::Value("A_OK")),
            ("A_TRY=0", "A_TRY=256", BlockError::Value("A_TRY")),
            ("B_TRY=0\n", "", BlockError::Missing("B_TRY")),
            ("TRIAL=-", "TRIAL=C", BlockError::Value("TRIAL")),
            ("TRIAL=-", "TRIAL=B", BlockError::Value("TRIAL")),
            ("RINGSIDE=1", "RINGSIDE=2", BlockError::Value("RINGSIDE")),
        ] {
            assert_eq!(Slots::from_text(&good.replace(from, to)), Err(error), "{to}");
        }
    }

    #[test]
    fn the_first_whole_copy_holds_and_without_one_both_slots_are_tried() {
        let mut second = Slots::fresh();
        second.start();
        let (a, b) = (Slots::fresh().to_block(), second.to_block());
        assert_eq!(Slots::from_copies([&a, &b]), Slots::fresh());
        assert_eq!(Slots::from_copies([b"", &b]), second);
        assert_eq!(Slots::from_copies([b"", &[0xff; BLOCK_BYTES]]), Slots::default());
        assert_eq!(write_order([&a, &b]), [0, 1]);
        assert_eq!(write_order([b"", &b]), [0, 1]);
        assert_eq!(write_order([&a, b""]), [1, 0], "the one that is not whole");
    }
}
