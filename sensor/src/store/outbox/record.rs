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
//! `CLOCK_UNSET` and is shifted once, before it is first sent.

use ringside_protocol::cdr::{Boot, Cdr};
use ringside_protocol::record::Record;

use crate::clock::{Now, shifted};

/// How a [`Record`] is encoded; a build that changes that reads both.
const ENCODING: u8 = 2;

/// A [`Cdr`] alone, before there were other records.
const ENCODING_OF_CALLS: u8 = 1;

const BOOT_AT: usize = 1;
const OFFSET_AT: usize = BOOT_AT + 16;
const RECORD_AT: usize = OFFSET_AT + 8;

/// Bytes before the record itself.
pub(super) const HEAD_LEN: usize = RECORD_AT;

/// One record with what its boot and clock were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) boot: Boot,
    pub(super) offset: i64,
    pub(super) record: Record,
}

/// Bytes that are no record of this build's encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

impl Entry {
    /// A record with its times as the analysis gave them. With `now`, they are on the
    /// line of the process's start and become wall time if the clock is set; without (a capture
    /// file), they stay as they are.
    pub(super) fn made(boot: Boot, mut record: Record, now: Option<Now>) -> Self {
        let offset = now.map_or(0, Now::offset);
        match now {
            Some(now) if !now.is_set() => record.set_clock_unset(true),
            _ => record.set_first_at(shifted(record.first_at(), offset)),
        }
        Self { boot, offset, record }
    }

    /// Whether its times are not wall time.
    pub(super) fn is_unset(&self) -> bool {
        self.record.is_clock_unset()
    }

    /// Its times become wall time. Only for records of this boot.
    pub(super) fn rebase(&mut self, now: Now) {
        self.offset = now.offset();
        self.record.set_first_at(shifted(self.record.first_at(), self.offset));
        self.record.set_clock_unset(false);
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, Unreadable> {
        let mut bytes = Vec::with_capacity(1024);
        bytes.push(ENCODING);
        bytes.extend_from_slice(&self.boot.0);
        bytes.extend_from_slice(&self.offset.to_be_bytes());
        postcard::to_extend(&self.record, bytes).map_err(|_| Unreadable)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let (&encoding, rest) = bytes.split_first().ok_or(Unreadable)?;
        let (boot, rest) = rest.split_first_chunk().ok_or(Unreadable)?;
        let (offset, rest) = rest.split_first_chunk().ok_or(Unreadable)?;
        let record = match encoding {
            ENCODING => postcard::from_bytes(rest).map_err(|_| Unreadable)?,
            ENCODING_OF_CALLS => {
                let cdr: Cdr = postcard::from_bytes(rest).map_err(|_| Unreadable)?;
                cdr.into()
            }
            _ => return Err(Unreadable),
        };
        Ok(Self { boot: Boot(*boot), offset: i64::from_be_bytes(*offset), record })
    }
}

#[cfg(test)]
mod tests {
    use embassy_time::Instant;
    use proptest::prelude::*;
    use ringside_protocol::time::UnixMicros;

    use super::*;

    const BOOT: Boot = Boot([4; 16]);

    fn cdr(first_at: u64) -> Record {
        let first_at = UnixMicros(first_at);
        Cdr { number: 3, first_at, call_id: "a".into(), ..Cdr::default() }.into()
    }

    fn at(instant: u64, wall: u64) -> Option<Now> {
        Some(Now { instant: Instant::from_micros(instant), wall: UnixMicros(wall) })
    }

    const SET: u64 = 1_790_000_000_000_000;

    #[test]
    fn a_record_survives_its_bytes() {
        let entry = Entry::made(BOOT, cdr(5), at(9, SET));
        let bytes = entry.encode().expect("encode");
        assert_eq!(Entry::decode(&bytes), Ok(entry));
        assert_eq!(Entry::decode(&bytes[..HEAD_LEN + 2]), Err(Unreadable));
        assert_eq!(Entry::decode(&[&[9], &bytes[1..]].concat()), Err(Unreadable));
    }

    #[test]
    fn a_call_of_an_outbox_from_before_other_records_is_read() {
        let entry = Entry::made(BOOT, cdr(5), None);
        let mut bytes = entry.encode().expect("encode");
        bytes[0] = ENCODING_OF_CALLS;
        // The kind is what the older encoding did not have.
        bytes.remove(RECORD_AT);
        assert_eq!(Entry::decode(&bytes), Ok(entry));
    }

    #[test]
    fn a_set_clock_makes_wall_time_at_once() {
        let entry = Entry::made(BOOT, cdr(SET + 5), at(SET + 9, SET + 9));
        assert_eq!((entry.record.first_at(), entry.is_unset()), (UnixMicros(SET + 5), false));
        let stepped = Entry::made(BOOT, cdr(5), at(9, SET + 9));
        assert_eq!((stepped.record.first_at(), stepped.is_unset()), (UnixMicros(SET + 5), false));
    }

    #[test]
    fn an_unset_clock_is_flagged_and_shifted_later() {
        let mut entry = Entry::made(BOOT, cdr(5), at(9, 9));
        assert_eq!((entry.record.first_at(), entry.is_unset()), (UnixMicros(5), true));
        entry.rebase(at(20, SET + 20).expect("a time"));
        assert_eq!((entry.record.first_at(), entry.is_unset()), (UnixMicros(SET + 5), false));
    }

    #[test]
    fn times_of_a_file_stay_as_they_are() {
        let entry = Entry::made(BOOT, cdr(5), None);
        assert_eq!((entry.record.first_at(), entry.is_unset()), (UnixMicros(5), false));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_record_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(entry) = Entry::decode(&bytes) {
                prop_assert_eq!(entry.boot.0.as_slice(), &bytes[1..17]);
            }
        }
    }
}
