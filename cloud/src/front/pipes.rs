//! Bytes on their way from one client's request to another's answer, through memory and nothing else.
//!
//! ```text
//!  sensor =TLS=> input --pour--> Pipe (at most PIPE_BYTES) --draw--> out =TLS=> browser
//!    loop of one listener        shared, behind a lock          loop of another
//! ```
//!
//! Handlers open a pipe under a key, and name the key in their answers to the two requests: the one
//! whose body is *poured*, and the one that *draws* it. A full pipe is not poured into, so its
//! client is not read from, so the system's window closes: who draws slowly slows who pours. Nobody
//! can lose a wake: whoever finds nothing to do says so under the pipe's lock.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::limits::{ANSWER_BUFFER_BYTES, PIECE_BYTES};
use super::wakes::Wakes;

/// Bytes that one pipe holds, at most.
pub const PIPE_BYTES: usize = 64 * 1024;

/// Bytes that have arrived of one transfer and are not poured, at most: a piece and a TLS record in
/// a vector that may have doubled, and a record that is not whole.
pub const ARRIVED_BYTES: usize = 2 * (PIECE_BYTES + TLS_RECORD_BYTES) + TLS_RECORD_BYTES;

/// Bytes that one transfer holds, at most: what has arrived, what is in its pipe, and what is drawn
/// and not taken.
pub const TRANSFER_BYTES: usize =
    ARRIVED_BYTES + PIPE_BYTES + 2 * PIECE_BYTES + ANSWER_BUFFER_BYTES;

/// A TLS record with everything around it (RFC 8446 §5.2).
const TLS_RECORD_BYTES: usize = 16 * 1024 + 512;

const _: () = assert!(TRANSFER_BYTES <= 256 * 1024);

/// The pipes of a service, shared by its listeners. Clones are the same thing.
#[derive(Clone, Default)]
pub struct Pipes {
    shared: Arc<Mutex<HashMap<String, Arc<Pipe>>>>,
}

/// What a pipe has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PipeState {
    /// Bytes that were drawn.
    pub drawn: u64,
    /// Bytes that it holds.
    pub held: usize,
    /// The most that it has held.
    pub most_held: usize,
    /// Whether somebody pours, or has poured.
    pub is_poured: bool,
    /// Whether somebody draws, or has drawn.
    pub is_drawn: bool,
    /// How it has ended: whole, or broken off.
    pub ended: Option<bool>,
}

impl Pipes {
    /// Opens a pipe; one that was there under this key is broken off.
    pub fn open(&self, key: &str) {
        let old = self.lock().insert(key.to_owned(), Arc::default());
        if let Some(old) = old {
            old.break_off();
        }
    }

    /// Forgets a pipe; one that is not at its end is broken off. Nobody else forgets it.
    pub fn close(&self, key: &str) {
        let pipe = self.lock().remove(key);
        if let Some(pipe) = pipe {
            pipe.break_off();
        }
    }

    /// How far a pipe is.
    #[must_use]
    pub fn state(&self, key: &str) -> Option<PipeState> {
        self.find(key).map(|pipe| pipe.state())
    }

    /// Pipes that are open.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    pub(super) fn find(&self, key: &str) -> Option<Arc<Pipe>> {
        self.lock().get(key).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Pipe>>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One end of a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Pour,
    Draw,
}

/// A pipe.
#[derive(Default)]
pub(super) struct Pipe(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    bytes: VecDeque<u8>,
    state: PipeState,
    /// Everything was poured.
    is_whole: bool,
    pourer: End,
    drawer: End,
}

/// Who is at an end.
#[derive(Default)]
struct End {
    /// How to tell them, once they have come.
    told_by: Option<(Wakes, String)>,
    /// They found nothing to do.
    waits: bool,
}

impl End {
    fn tell(&mut self) {
        if core::mem::take(&mut self.waits)
            && let Some((wakes, key)) = &self.told_by
        {
            wakes.wake(key);
        }
    }
}

/// What pouring came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Poured {
    /// So many bytes were taken; none when it is full.
    Took(usize),
    /// Nobody wants them any more.
    Broken,
}

/// What drawing came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drawn {
    /// Some bytes.
    Some,
    /// None are there yet.
    Wait,
    /// That was all.
    Done,
    /// No more will come, and it was not all.
    Broken,
}

impl Pipe {
    /// Somebody comes to an end: false where somebody came before.
    pub(super) fn attach(&self, side: Side, wakes: &Wakes, key: &str) -> bool {
        let mut inner = self.lock();
        if inner.state.ended.is_some() || inner.end(side).told_by.is_some() {
            return false;
        }
        inner.end(side).told_by = Some((wakes.clone(), key.to_owned()));
        inner.state.is_drawn |= side == Side::Draw;
        inner.state.is_poured |= side == Side::Pour;
        true
    }

    /// Takes as many of these bytes as fit.
    pub(super) fn pour(&self, bytes: &[u8]) -> Poured {
        let mut inner = self.lock();
        if inner.state.ended.is_some() {
            return Poured::Broken;
        }
        let count = bytes.len().min(PIPE_BYTES - inner.bytes.len());
        // All at once, since growing may take twice as much.
        let room = PIPE_BYTES - inner.bytes.len();
        inner.bytes.reserve_exact(room);
        inner.bytes.extend(&bytes[..count]);
        inner.state.held = inner.bytes.len();
        inner.state.most_held = inner.state.most_held.max(inner.state.held);
        inner.pourer.waits = count < bytes.len();
        if count > 0 {
            inner.drawer.tell();
        }
        Poured::Took(count)
    }

    /// Everything was poured. The pourer waits until everything is drawn.
    pub(super) fn finish(&self) {
        let mut inner = self.lock();
        inner.is_whole = true;
        inner.pourer.waits = true;
        inner.drawer.tell();
    }

    /// Appends up to `max` bytes to `out`.
    pub(super) fn draw(&self, out: &mut Vec<u8>, max: usize) -> Drawn {
        let mut inner = self.lock();
        let count = inner.bytes.len().min(max);
        if count > 0 {
            out.extend(inner.bytes.drain(..count));
            inner.state.held = inner.bytes.len();
            inner.state.drawn += count as u64;
            // Not for every piece: waking costs the other loop a turn.
            if inner.bytes.len() <= PIPE_BYTES / 2 && !inner.is_whole {
                inner.pourer.tell();
            }
            return Drawn::Some;
        }
        match inner.state.ended {
            Some(false) => return Drawn::Broken,
            Some(true) => return Drawn::Done,
            None => {}
        }
        if inner.is_whole {
            inner.state.ended = Some(true);
            inner.pourer.tell();
            return Drawn::Done;
        }
        inner.drawer.waits = true;
        Drawn::Wait
    }

    /// Whoever is at an end leaves, or has to: what is not whole is broken off.
    pub(super) fn break_off(&self) {
        let mut inner = self.lock();
        if inner.state.ended.is_some() {
            return;
        }
        inner.state.ended = Some(false);
        inner.bytes = VecDeque::new();
        inner.state.held = 0;
        (inner.pourer.waits, inner.drawer.waits) = (true, true);
        inner.pourer.tell();
        inner.drawer.tell();
    }

    pub(super) fn state(&self) -> PipeState {
        self.lock().state
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    const fn end(&mut self, side: Side) -> &mut End {
        match side {
            Side::Pour => &mut self.pourer,
            Side::Draw => &mut self.drawer,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn open() -> (Pipes, Arc<Pipe>) {
        let pipes = Pipes::default();
        pipes.open("k");
        let pipe = pipes.find("k").expect("it is open");
        (pipes, pipe)
    }

    #[test]
    fn a_full_pipe_takes_nothing_until_it_is_drawn_from() {
        let (pipes, pipe) = open();
        assert_eq!(pipe.pour(&vec![7; PIPE_BYTES + 5]), Poured::Took(PIPE_BYTES));
        assert_eq!(pipe.pour(&[7; 5]), Poured::Took(0));
        let mut out = Vec::new();
        assert_eq!(pipe.draw(&mut out, 3), Drawn::Some);
        assert_eq!(pipe.pour(&[8; 5]), Poured::Took(3));
        let state = pipes.state("k").expect("it is open");
        assert_eq!((state.held, state.most_held, state.drawn), (PIPE_BYTES, PIPE_BYTES, 3));
    }

    #[test]
    fn the_end_is_reached_when_everything_is_drawn() {
        let (_, pipe) = open();
        pipe.pour(b"abc");
        pipe.finish();
        let mut out = Vec::new();
        assert_eq!(pipe.draw(&mut out, 2), Drawn::Some);
        assert_eq!(pipe.state().ended, None);
        assert_eq!(pipe.draw(&mut out, 2), Drawn::Some);
        assert_eq!(pipe.draw(&mut out, 2), Drawn::Done);
        assert_eq!((out.as_slice(), pipe.state().ended), (&b"abc"[..], Some(true)));
        pipe.break_off();
        assert_eq!(pipe.state().ended, Some(true), "what is whole cannot break");
    }

    #[test]
    fn whoever_leaves_breaks_it_off_for_the_other() {
        let (pipes, pipe) = open();
        pipe.pour(b"abc");
        pipes.close("k");
        assert_eq!(pipe.pour(b"d"), Poured::Broken);
        assert_eq!(pipe.draw(&mut Vec::new(), 9), Drawn::Broken);
        assert_eq!((pipes.state("k"), pipes.count()), (None, 0));
    }

    #[test]
    fn an_end_belongs_to_whoever_came_first() {
        let (_, pipe) = open();
        let wakes = Wakes::new();
        assert!(pipe.attach(Side::Draw, &wakes, "a"));
        assert!(!pipe.attach(Side::Draw, &wakes, "b"));
        assert!(pipe.attach(Side::Pour, &wakes, "c"));
        pipe.break_off();
        assert!(!pipe.attach(Side::Pour, &wakes, "d"));
    }

    proptest! {
        #[test]
        fn what_is_drawn_is_what_was_poured(
            steps in proptest::collection::vec((0_usize..70_000, 0_usize..70_000), 1..20),
        ) {
            let (_, pipe) = open();
            let (mut poured, mut drawn, mut next) = (Vec::new(), Vec::new(), 0_u8);
            for (pour, draw) in steps {
                let bytes: Vec<u8> = (0..pour)
                    .map(|_| {
                        next = next.wrapping_add(7);
                        next
                    })
                    .collect();
                if let Poured::Took(count) = pipe.pour(&bytes) {
                    poured.extend_from_slice(&bytes[..count]);
                }
                pipe.draw(&mut drawn, draw);
                prop_assert!(pipe.state().held <= PIPE_BYTES);
            }
            pipe.finish();
            while pipe.draw(&mut drawn, 50_000) == Drawn::Some {}
            prop_assert_eq!(poured, drawn);
        }
    }
}
