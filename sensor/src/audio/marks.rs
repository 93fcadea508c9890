//! What happened in a call's sound, and when.

use serde::Serialize;

use crate::call::dialog::Side;

/// Marks of one call; with more, those of one kind that lie close together become one.
pub(super) const MAX_MARKS: usize = 2000;

/// What a mark stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MarkKind {
    /// Packets never came: the sound has a gap.
    Loss,
    /// A packet came after a later one, and was put right.
    Reordered,
    /// Nobody speaks (below -50 dBm0), and nothing is lost.
    Silence,
    /// The encoding begins, or changes.
    Codec,
    /// A digit (RFC 4733).
    Dtmf,
    /// This side holds the other.
    Hold,
    /// No key opens the packets.
    Encrypted,
    /// There is no decoder for the packets.
    NoDecoder,
    /// Headers only were kept.
    HeadersOnly,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// What.
    pub kind: MarkKind,
    /// Whose sound it is in; with [`MarkKind::Hold`] who holds.
    pub side: Side,
    /// The first sample.
    pub from: u64,
    /// Behind the last sample.
    pub to: u64,
    /// Packets.
    pub count: u32,
    /// An encoding, a digit.
    pub text: String,
}

/// Marks of one kind and side that lie within `distance` of each other become one until all fit.
pub(super) fn thin(marks: &mut Vec<Mark>, len: u64) {
    marks.sort_by_key(|mark| (mark.from, mark.to));
    let mut distance = (len / 1000).max(1);
    while marks.len() > MAX_MARKS && distance <= len {
        let mut kept: Vec<Mark> = Vec::new();
        for mark in marks.drain(..) {
            let is_joined =
                matches!(mark.kind, MarkKind::Loss | MarkKind::Reordered | MarkKind::Silence);
            let before = kept.iter_mut().rev().take(64).find(|it| {
                (it.kind, it.side) == (mark.kind, mark.side) && it.to + distance >= mark.from
            });
            match before.filter(|_| is_joined) {
                Some(before) => {
                    before.to = before.to.max(mark.to);
                    before.count += mark.count;
                }
                None => kept.push(mark),
            }
        }
        *marks = kept;
        distance *= 4;
    }
    marks.truncate(MAX_MARKS);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_losses_become_one_when_there_are_too_many() {
        let mark = |at: u64, kind| Mark {
            kind,
            side: Side::Caller,
            from: at,
            to: at + 10,
            count: 1,
            text: String::new(),
        };
        let mut marks: Vec<Mark> = (0..6000).map(|at| mark(at * 100, MarkKind::Loss)).collect();
        marks.push(mark(77, MarkKind::Dtmf));
        thin(&mut marks, 600_000);
        assert!(marks.len() <= MAX_MARKS);
        let lost: u32 =
            marks.iter().filter(|it| it.kind == MarkKind::Loss).map(|it| it.count).sum();
        assert_eq!(lost, 6000);
        assert!(marks.iter().any(|mark| mark.kind == MarkKind::Dtmf));
    }
}
