//! A record as the outbox holds it.
//!
//! ```text
//!  0         1          17                       25
//! +---------+----------+------------------------+---------------------+
//! | version | boot     | clock offset, µs (i64) | the record, postcard|
//! +---------+----------+------------------------+---------------------+
//! ```
//!
//! The offset is [`Now::offset`](crate::clock::Now::offset) when the record was made. A record
//! made while the clock was set is in wall time; one made while it was not carries
//! [`flags::CLOCK_UNSET`] and is shifted once, before it is first sent.

use ringside_protocol::cdr::{Boot, Cdr, flags};

use crate::clock::{Now, shifted};

/// How [`Cdr`] is encoded; a build that changes that reads both.
const ENCODING: u8 = 1;

const BOOT_AT: usize = 1;
const OFFSET_AT: usize = BOOT_AT + 16;
const CDR_AT: usize = OFFSET_AT + 8;

/// Bytes before the record itself.
pub(super) const HEAD_LEN: usize = CDR_AT;

/// One record with what its boot and clock were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) boot: Boot,
    pub(super) offset: i64,
    pub(super) cdr: Cdr,
}

/// Bytes that are no record of this build's encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

impl Record {
    /// A call that has ended, its times as the analysis gave them. With `now`, they are on the
    /// line of the process's start and become wall time if the clock is set; without (a capture
    /// file), they stay as they are.
    pub(super) fn made(boot: Boot, mut cdr: Cdr, now: Option<Now>) -> Self {
        let offset = now.map_or(0, Now::offset);
        match now {
            Some(now) if !now.is_set() => cdr.flags |= flags::CLOCK_UNSET,
            _ => cdr.first_at = shifted(cdr.first_at, offset),
        }
        Self { boot, offset, cdr }
    }

    /// Whether its times are not wall time.
    pub(super) const fn is_unset(&self) -> bool {
        self.cdr.has(flags::CLOCK_UNSET)
    }

    /// Its times become wall time. Only for records of this boot.
    pub(super) fn rebase(&mut self, now: Now) {
        self.offset = now.offset();
        self.cdr.first_at = shifted(self.cdr.first_at, self.offset);
        self.cdr.flags &= !flags::CLOCK_UNSET;
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, Unreadable> {
        let mut bytes = Vec::with_capacity(1024);
        bytes.push(ENCODING);
        bytes.extend_from_slice(&self.boot.0);
        bytes.extend_from_slice(&self.offset.to_be_bytes());
        postcard::to_extend(&self.cdr, bytes).map_err(|_| Unreadable)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let (&encoding, rest) = bytes.split_first().ok_or(Unreadable)?;
        if encoding != ENCODING {
            return Err(Unreadable);
        }
        let (boot, rest) = rest.split_first_chunk().ok_or(Unreadable)?;
        let (offset, rest) = rest.split_first_chunk().ok_or(Unreadable)?;
        let cdr = postcard::from_bytes(rest).map_err(|_| Unreadable)?;
        Ok(Self { boot: Boot(*boot), offset: i64::from_be_bytes(*offset), cdr })
    }
}

#[cfg(test)]
mod tests {
    use embassy_time::Instant;
    use proptest::prelude::*;
    use ringside_protocol::time::UnixMicros;

    use super::*;

    const BOOT: Boot = Boot([4; 16]);

    fn cdr(first_at: u64) -> Cdr {
        Cdr { number: 3, first_at: UnixMicros(first_at), call_id: "a".into(), ..Cdr::default() }
    }

    fn at(instant: u64, wall: u64) -> Option<Now> {
        Some(Now { instant: Instant::from_micros(instant), wall: UnixMicros(wall) })
    }

    const SET: u64 = 1_790_000_000_000_000;

    #[test]
    fn a_record_survives_its_bytes() {
        let record = Record::made(BOOT, cdr(5), at(9, SET));
        let bytes = record.encode().expect("encode");
        assert_eq!(Record::decode(&bytes), Ok(record));
        assert_eq!(Record::decode(&bytes[..HEAD_LEN + 2]), Err(Unreadable));
        assert_eq!(Record::decode(&[&[9], &bytes[1..]].concat()), Err(Unreadable));
    }

    #[test]
    fn a_set_clock_makes_wall_time_at_once() {
        let record = Record::made(BOOT, cdr(SET + 5), at(SET + 9, SET + 9));
        assert_eq!((record.cdr.first_at, record.is_unset()), (UnixMicros(SET + 5), false));
        let stepped = Record::made(BOOT, cdr(5), at(9, SET + 9));
        assert_eq!((stepped.cdr.first_at, stepped.is_unset()), (UnixMicros(SET + 5), false));
    }

    #[test]
    fn an_unset_clock_is_flagged_and_shifted_later() {
        let mut record = Record::made(BOOT, cdr(5), at(9, 9));
        assert_eq!((record.cdr.first_at, record.is_unset()), (UnixMicros(5), true));
        record.rebase(at(20, SET + 20).expect("a time"));
        assert_eq!((record.cdr.first_at, record.is_unset()), (UnixMicros(SET + 5), false));
    }

    #[test]
    fn times_of_a_file_stay_as_they_are() {
        let record = Record::made(BOOT, cdr(5), None);
        assert_eq!((record.cdr.first_at, record.is_unset()), (UnixMicros(5), false));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_record_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(record) = Record::decode(&bytes) {
                prop_assert_eq!(record.boot.0.as_slice(), &bytes[1..17]);
            }
        }
    }
}
