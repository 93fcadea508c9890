//! Sequence numbers of one RTP stream: what came, what never came, what came twice or late
//! (RFC 3550 A.1 and A.3).
//!
//! The 16 bits on the wire are extended to 32. A bitmap remembers which of the last [`WINDOW`]
//! numbers came, so that a late packet gives its number back and a duplicate hides no loss. A
//! packet that is later than the window counts as reordered; its number stays as it was judged
//! (10 s of 20 ms packets: nobody could have played it).

/// Sequence numbers behind the highest whose arrival is remembered.
pub const WINDOW: u32 = 512;

const WORDS: usize = WINDOW as usize / 64;

/// Numbers after which a stream ends and another begins: 497 days at 50 a second. It keeps every
/// count within 32 bits, whatever somebody sends.
pub const MAX_NUMBERS: u32 = 1 << 31;

/// Which sequence numbers came.
#[derive(Clone, Debug)]
pub struct Sequence {
    lowest: u32,
    highest: u32,
    distinct: u32,
    duplicates: u32,
    reordered: u32,
    /// Bit `n % WINDOW` is set when number `n` came; valid for `highest - WINDOW < n <= highest`.
    came: [u64; WORDS],
}

/// What a packet's sequence number turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrived {
    /// So many above the highest before it: 1 when none is missing.
    Ahead(u32),
    /// It had come before.
    Duplicate,
    /// So many behind the highest, and the first of its number.
    Late(u32),
    /// Too far behind to know whether it is late or came twice.
    TooLate,
}

impl Sequence {
    /// Begins with the first packet.
    #[must_use]
    pub fn new(sequence_number: u16) -> Self {
        // One cycle up, so that packets from before the first one have room below it.
        let first = (1 << 16) | u32::from(sequence_number);
        let mut sequence = Self {
            lowest: first,
            highest: first,
            distinct: 1,
            duplicates: 0,
            reordered: 0,
            came: [0; WORDS],
        };
        sequence.mark(first);
        sequence
    }

    /// Reads a part of it; see [`super::flows::Flows::touch`].
    #[inline]
    #[must_use]
    pub fn touch(&self) -> u32 {
        self.highest ^ u32::from(self.came[0] == 0)
    }

    /// Whether [`MAX_NUMBERS`] are used up.
    #[must_use]
    #[inline]
    pub const fn is_full(&self) -> bool {
        self.highest >= MAX_NUMBERS
    }

    /// How far a sequence number is ahead of the highest; negative: behind.
    #[must_use]
    #[inline]
    pub fn distance(&self, sequence_number: u16) -> i32 {
        let [.., high, low] = self.highest.to_be_bytes();
        i32::from(sequence_number.wrapping_sub(u16::from_be_bytes([high, low])).cast_signed())
    }

    /// Whether a number so far behind the highest belongs to the stream and has not come.
    #[must_use]
    pub fn is_missing(&self, behind: u32) -> bool {
        behind < WINDOW && behind <= self.highest - self.lowest && !self.has(self.highest - behind)
    }

    /// Takes in a packet.
    #[inline]
    pub fn insert(&mut self, sequence_number: u16) -> Arrived {
        let distance = self.distance(sequence_number);
        let step = distance.unsigned_abs();
        if distance > 0 {
            self.advance(step);
            self.distinct += 1;
            return Arrived::Ahead(step);
        }
        self.insert_behind(step)
    }

    #[inline]
    fn advance(&mut self, step: u32) {
        if step >= WINDOW {
            self.came = [0; WORDS];
        } else {
            for skipped in 1..step {
                self.unmark(self.highest + skipped);
            }
        }
        self.highest += step;
        self.mark(self.highest);
    }

    fn insert_behind(&mut self, behind: u32) -> Arrived {
        if behind >= WINDOW {
            self.reordered = self.reordered.saturating_add(1);
            return Arrived::TooLate;
        }
        let number = self.highest - behind;
        if self.has(number) {
            self.duplicates = self.duplicates.saturating_add(1);
            return Arrived::Duplicate;
        }
        self.mark(number);
        self.lowest = self.lowest.min(number);
        self.distinct += 1;
        self.reordered = self.reordered.saturating_add(1);
        Arrived::Late(behind)
    }

    /// The highest extended sequence number.
    #[must_use]
    pub const fn highest(&self) -> u32 {
        self.highest
    }

    /// Highest minus first, plus 1 (RFC 3550 A.3). The first is the lowest number seen: packets
    /// that were overtaken at the very start count.
    #[must_use]
    pub const fn expected(&self) -> u32 {
        self.highest - self.lowest + 1
    }

    /// Numbers that never came.
    #[must_use]
    pub const fn lost(&self) -> u32 {
        self.expected().saturating_sub(self.distinct)
    }

    /// Packets whose number had come before.
    #[must_use]
    pub const fn duplicates(&self) -> u32 {
        self.duplicates
    }

    /// Packets that came after one with a higher number.
    #[must_use]
    pub const fn reordered(&self) -> u32 {
        self.reordered
    }

    const fn has(&self, number: u32) -> bool {
        let (word, bit) = place(number);
        self.came[word] & bit != 0
    }

    const fn mark(&mut self, number: u32) {
        let (word, bit) = place(number);
        self.came[word] |= bit;
    }

    const fn unmark(&mut self, number: u32) {
        let (word, bit) = place(number);
        self.came[word] &= !bit;
    }
}

const fn place(number: u32) -> (usize, u64) {
    let slot = number % WINDOW;
    ((slot / 64) as usize, 1 << (slot % 64))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn fed(numbers: &[u16]) -> Sequence {
        let mut sequence = Sequence::new(numbers[0]);
        for &number in &numbers[1..] {
            sequence.insert(number);
        }
        sequence
    }

    #[test]
    fn numbers_wrap_at_65535() {
        let sequence = fed(&[65_534, 65_535, 0, 2]);
        assert_eq!((sequence.expected(), sequence.lost()), (5, 1));
    }

    #[test]
    fn a_late_packet_gives_its_number_back() {
        let mut sequence = fed(&[10, 12]);
        assert_eq!(sequence.lost(), 1);
        assert_eq!(sequence.insert(11), Arrived::Late(1));
        assert_eq!((sequence.lost(), sequence.reordered()), (0, 1));
    }

    #[test]
    fn duplicates_hide_no_loss() {
        let sequence = fed(&[10, 10, 12, 12]);
        assert_eq!((sequence.expected(), sequence.lost(), sequence.duplicates()), (3, 1, 2));
    }

    #[test]
    fn packets_overtaken_at_the_very_start_count_as_expected() {
        let sequence = fed(&[2, 0, 1, 3]);
        assert_eq!((sequence.expected(), sequence.lost(), sequence.reordered()), (4, 0, 2));
        let across_the_wrap = fed(&[1, 65_535, 0]);
        assert_eq!((across_the_wrap.expected(), across_the_wrap.lost()), (3, 0));
    }

    #[test]
    fn behind_the_window_a_packet_is_reordered_and_its_number_stays_lost() {
        let mut sequence = fed(&[0]);
        for number in (2..=513).chain([1]) {
            sequence.insert(number);
        }
        assert_eq!((sequence.lost(), sequence.reordered()), (1, 1));
        assert_eq!(sequence.insert(2), Arrived::Duplicate, "511 behind: still remembered");
    }

    #[test]
    fn a_gap_longer_than_the_window_forgets_what_came_before_it() {
        let mut sequence = fed(&[0, 600]);
        assert_eq!(sequence.lost(), 599);
        assert_eq!(sequence.insert(599), Arrived::Late(1));
        assert!(sequence.is_missing(300));
        assert_eq!(sequence.lost(), 598);
    }

    #[test]
    fn a_stream_is_full_after_max_numbers() {
        let mut sequence = Sequence::new(0);
        let mut number = 0_u16;
        while !sequence.is_full() {
            number = number.wrapping_add(32_767);
            sequence.insert(number);
        }
        assert!(sequence.expected() > MAX_NUMBERS - (1 << 17));
        assert!(sequence.lost() < sequence.expected());
    }

    proptest! {
        /// Against a set of every number that came: loss, duplicates, and reordering of fewer
        /// than `WINDOW` numbers, from any start.
        #[test]
        fn agrees_with_a_set_of_all_numbers(
            start in any::<u16>(),
            steps in proptest::collection::vec((-200_i32..40, any::<bool>()), 1..600),
        ) {
            let mut sequence = Sequence::new(start);
            let first = i64::from(start);
            let (mut highest, mut came) = (first, BTreeSet::from([first]));
            let (mut duplicates, mut reordered) = (0, 0);
            for (jump, forward) in steps {
                let number = if forward { highest + 1 } else { highest + i64::from(jump) };
                sequence.insert(u16::try_from(number.rem_euclid(65_536)).unwrap());
                if !came.insert(number) {
                    duplicates += 1;
                } else if number < highest {
                    reordered += 1;
                }
                highest = highest.max(number);
            }
            let expected = highest - came.first().unwrap() + 1;
            prop_assert_eq!(i64::from(sequence.expected()), expected);
            prop_assert_eq!(i64::from(sequence.lost()), expected - i64::try_from(came.len()).unwrap());
            prop_assert_eq!(sequence.duplicates(), duplicates);
            prop_assert_eq!(sequence.reordered(), reordered);
        }
    }
}
