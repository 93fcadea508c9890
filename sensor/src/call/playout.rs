//! What a receiver's jitter buffer would have made of a stream: which packets it throws away as
//! too late, how long the others wait. Nothing is stored but a few sums.
//!
//! A buffer plays each packet at its timestamp plus an offset. The offset is the fastest
//! transit of the last 10 to 20 s (the *floor*) plus the buffer's depth; a packet that is slower
//! than that is thrown away. The floor moves with the clocks: a sender that is 100 ppm off
//! drifts 2 ms in that time, so an hour of drift makes nothing late. When [`RESYNC_AFTER`]
//! packets in a row are late (the route became longer), the buffer starts over from the packet
//! at hand, as a device that has been silent for half a second does.
//!
//! Fixed buffers keep their depth. The adaptive one follows the mean excess over the floor plus
//! four mean deviations (Ramjee et al., "Adaptive playout mechanisms for packetized audio
//! applications in wide-area networks", 1994). It opens at once to a packet that came too late,
//! and comes back down over some ten seconds.

/// Depth of the shallow fixed buffer, microseconds.
pub const FIXED_50: i32 = 50_000;

/// Depth of the deep fixed buffer, microseconds.
pub const FIXED_200: i32 = 200_000;

/// Where the adaptive buffer begins, microseconds.
pub const ADAPTIVE_START: i32 = 60_000;

/// Its least depth, microseconds.
pub const ADAPTIVE_MIN: i32 = 20_000;

/// Its greatest depth, microseconds.
pub const ADAPTIVE_MAX: i32 = 500_000;

/// How much further it opens than the late packet needed, microseconds.
const OPENING_MARGIN: i32 = 10_000;

/// Packets over which it averages excess and deviation.
const AVERAGED: i32 = 64;

/// Packets over which it comes back down: ten seconds.
const CLOSING: i32 = 512;

/// Late packets in a row after which a buffer starts over.
pub const RESYNC_AFTER: u8 = 25;

/// What became of each sequence number, decided [`PENDING`] numbers behind the highest: late
/// packets have come by then, or can no longer be played.
#[derive(Clone, Copy, Debug)]
pub struct Fates {
    /// Bit `i`: the number `i` behind the highest was received (or played).
    received: u64,
    /// How many of those bits stand for numbers of this stream.
    pending: u32,
    runs: Runs,
}

/// Numbers whose fate is still open: 1.28 s of 20 ms packets.
pub const PENDING: u32 = u64::BITS;

/// Losses and the bursts they came in, in order of sequence numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    /// Numbers lost.
    pub lost: u32,
    /// Runs of consecutive losses.
    pub bursts: u32,
    in_burst: bool,
}

impl Runs {
    #[inline]
    const fn push(&mut self, received: bool) {
        if received {
            self.in_burst = false;
        } else {
            self.push_lost(1);
        }
    }

    const fn push_lost(&mut self, many: u32) {
        self.lost += many;
        if !self.in_burst {
            self.bursts += 1;
            self.in_burst = true;
        }
    }
}

impl Fates {
    /// Begins with one number, received or not.
    #[must_use]
    pub fn new(received: bool) -> Self {
        Self { received: u64::from(received), pending: 1, runs: Runs::default() }
    }

    /// The highest number moves up by `step`; the new highest was received or not.
    #[inline]
    pub fn advance(&mut self, step: u32, received: bool) {
        for _ in 1..step.min(PENDING + 1) {
            self.shift(false);
        }
        if let Some(more @ 1..) = step.checked_sub(PENDING + 1) {
            self.runs.push_lost(more);
        }
        self.shift(received);
    }

    #[inline]
    fn shift(&mut self, received: bool) {
        if self.pending == PENDING {
            self.runs.push(self.received >> (PENDING - 1) != 0);
        } else {
            self.pending += 1;
        }
        self.received = self.received << 1 | u64::from(received);
    }

    /// A number that was missing has come after all, or come from before the first.
    pub fn receive_late(&mut self, behind: u32) {
        if behind < PENDING {
            self.received |= 1 << behind;
            self.pending = self.pending.max(behind + 1);
        }
    }

    /// Losses so far, open numbers counted as they stand.
    #[must_use]
    pub fn runs(&self) -> Runs {
        let mut runs = self.runs;
        for behind in (0..self.pending).rev() {
            runs.push(self.received >> behind & 1 != 0);
        }
        runs
    }
}

/// One jitter buffer.
#[derive(Clone, Copy, Debug)]
pub struct Buffer {
    fates: Fates,
    /// Wait of the packets that were played, microseconds.
    waited: u64,
    played: u32,
    discarded: u32,
    depth: i32,
    floor: i32,
    floor_before: i32,
    mean_excess: i32,
    mean_deviation: i32,
    late_in_a_row: u8,
    adaptive: bool,
}

impl Buffer {
    /// A buffer of a fixed depth, which has played the stream's first packet.
    #[must_use]
    pub fn fixed(depth: i32) -> Self {
        Self {
            fates: Fates::new(true),
            waited: 0,
            played: 0,
            discarded: 0,
            depth,
            floor: i32::MAX,
            floor_before: i32::MAX,
            mean_excess: 0,
            mean_deviation: 0,
            late_in_a_row: 0,
            adaptive: false,
        }
    }

    /// A buffer that adapts its depth.
    #[must_use]
    pub fn adaptive() -> Self {
        Self { adaptive: true, ..Self::fixed(ADAPTIVE_START) }
    }

    /// The timestamps broke off and began anew: so does the floor.
    pub const fn restart(&mut self) {
        self.floor = i32::MAX;
        self.floor_before = i32::MAX;
        self.late_in_a_row = 0;
    }

    /// Ten seconds have passed: the floor forgets what is older than that.
    pub const fn age_floor(&mut self) {
        self.floor_before = self.floor;
        self.floor = i32::MAX;
    }

    /// The fastest transit since the floor last aged; `None` where nothing came.
    #[must_use]
    pub const fn floor(&self) -> Option<i32> {
        if self.floor == i32::MAX { None } else { Some(self.floor) }
    }

    /// A packet with this transit has come; whether it is played.
    #[inline]
    pub fn offer(&mut self, transit: i32) -> bool {
        self.floor = self.floor.min(transit);
        let mut excess = transit.saturating_sub(self.floor.min(self.floor_before));
        let mut in_time = excess <= self.depth;
        if in_time {
            self.late_in_a_row = 0;
        } else {
            self.late_in_a_row += 1;
            if self.late_in_a_row == RESYNC_AFTER {
                self.restart();
                self.floor = transit;
                (excess, in_time) = (0, true);
            }
        }
        if in_time {
            self.waited += u64::from((self.depth - excess).unsigned_abs());
            self.played += 1;
        } else {
            self.discarded += 1;
        }
        if self.adaptive {
            self.adapt(excess);
        }
        in_time
    }

    #[inline]
    fn adapt(&mut self, excess: i32) {
        // Beyond the greatest depth a packet says no more than that it was late.
        let excess = excess.min(ADAPTIVE_MAX);
        self.mean_excess += (excess - self.mean_excess) / AVERAGED;
        let deviation = (excess - self.mean_excess).abs();
        self.mean_deviation += (deviation - self.mean_deviation) / AVERAGED;
        let mut target = self.mean_excess + 4 * self.mean_deviation;
        if excess > self.depth {
            target = target.max(excess + OPENING_MARGIN);
        }
        let target = target.clamp(ADAPTIVE_MIN, ADAPTIVE_MAX);
        self.depth = target.max(self.depth - (self.depth - target) / CLOSING);
    }

    /// Reads a part of it; see [`super::flows::Flows::touch`].
    #[inline]
    #[must_use]
    pub const fn touch(&self) -> u32 {
        self.played
    }

    /// The stream's highest number moved up; the packet that did it was played or not.
    #[inline]
    pub fn advance(&mut self, step: u32, played: bool) {
        self.fates.advance(step, played);
    }

    /// A packet came late in the sequence but in time to be played.
    pub fn receive_late(&mut self, behind: u32) {
        self.fates.receive_late(behind);
    }

    /// Packets thrown away as too late.
    #[must_use]
    pub const fn discarded(&self) -> u32 {
        self.discarded
    }

    /// Total wait, microseconds, and over how many packets.
    #[must_use]
    pub const fn waits(&self) -> (u64, u32) {
        (self.waited, self.played)
    }

    /// What the listener missed: lost in the network or thrown away.
    #[must_use]
    pub fn runs(&self) -> Runs {
        self.fates.runs()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn play(mut buffer: Buffer, transits: impl IntoIterator<Item = i32>) -> Buffer {
        for transit in transits {
            let played = buffer.offer(transit);
            buffer.advance(1, played);
        }
        buffer
    }

    fn one_late(late: i32) -> Vec<i32> {
        let mut transits = vec![0; 200];
        transits[100] = late;
        transits
    }

    #[test]
    fn sixty_ms_late_is_too_late_for_50_and_not_for_200() {
        let narrow = play(Buffer::fixed(FIXED_50), one_late(60_000));
        let wide = play(Buffer::fixed(FIXED_200), one_late(60_000));
        assert_eq!((narrow.discarded(), narrow.runs().lost), (1, 1));
        assert_eq!((wide.discarded(), wide.runs().lost), (0, 0));
    }

    #[test]
    fn a_constant_delay_discards_nothing() {
        for delay in [0, 1_000_000, -1_000_000] {
            assert_eq!(play(Buffer::fixed(FIXED_50), vec![delay; 1000]).discarded(), 0);
            assert_eq!(play(Buffer::adaptive(), vec![delay; 1000]).discarded(), 0);
        }
    }

    #[test]
    fn a_late_first_packet_costs_nothing() {
        assert_eq!(play(Buffer::fixed(FIXED_50), [70_000, 0, 0, 0]).discarded(), 0);
    }

    #[test]
    fn an_hour_of_drift_makes_nothing_late() {
        for ppm in [100, -100] {
            for mut buffer in [Buffer::fixed(FIXED_50), Buffer::adaptive()] {
                // One packet each 100 ms.
                for packet in 0..36_000 {
                    if packet % 100 == 0 {
                        buffer.age_floor();
                    }
                    buffer.offer(packet * 100 * ppm / 1000);
                }
                assert_eq!(buffer.discarded(), 0);
            }
        }
    }

    #[test]
    fn a_longer_route_costs_half_a_second_and_then_nothing() {
        let transits = core::iter::repeat_n(0, 100).chain(core::iter::repeat_n(120_000, 400));
        let narrow = play(Buffer::fixed(FIXED_50), transits.clone());
        assert_eq!(narrow.discarded(), u32::from(RESYNC_AFTER) - 1);
        assert_eq!(play(Buffer::adaptive(), transits).discarded(), 1, "it opens at once");
    }

    #[test]
    fn the_adaptive_buffer_never_waits_longer_than_500_ms() {
        let buffer =
            play(Buffer::adaptive(), (0..400).map(|n| if n % 3 == 0 { 900_000 } else { 0 }));
        assert_eq!(buffer.depth, ADAPTIVE_MAX);
        assert_eq!(buffer.discarded(), 133);
    }

    #[test]
    fn the_adaptive_buffer_comes_back_down() {
        let calm = core::iter::repeat_n(0, 3000);
        let buffer = play(Buffer::adaptive(), one_late(300_000).into_iter().chain(calm));
        assert!(buffer.depth < ADAPTIVE_MIN + 2000, "{}", buffer.depth);
    }

    #[test]
    fn the_mean_wait_is_what_the_depth_leaves() {
        let buffer =
            play(Buffer::fixed(FIXED_50), (0..100).map(|n| if n % 2 == 0 { 0 } else { 10_000 }));
        assert_eq!(buffer.waits(), (45_000 * 100, 100));
    }

    #[test]
    fn bursts_are_counted_in_order_of_sequence_numbers() {
        // Ten bursts of three in 1000.
        let mut fates = Fates::new(true);
        for number in 1..1000 {
            fates.advance(1, number % 100 >= 3);
        }
        let runs = fates.runs();
        assert_eq!((runs.lost, runs.bursts), (29, 10), "number 0 was received");
    }

    #[test]
    fn a_long_gap_is_one_burst_and_late_packets_split_it() {
        let mut fates = Fates::new(true);
        fates.advance(301, true);
        assert_eq!(fates.runs(), Runs { lost: 300, bursts: 1, in_burst: false });
        fates.receive_late(50);
        assert_eq!(fates.runs(), Runs { lost: 299, bursts: 2, in_burst: false });
        fates.receive_late(PENDING);
        assert_eq!(fates.runs().lost, 299, "decided already");
        fates.advance(1000, false);
        assert_eq!(fates.runs().lost, 1299);
    }

    proptest! {
        /// Against the whole row of numbers: gaps, losses, and packets that come up to
        /// `PENDING - 1` numbers late.
        #[test]
        fn fates_agree_with_the_whole_row(
            steps in proptest::collection::vec(
                (1_u32..6, any::<bool>(), proptest::option::of(0..PENDING)), 1..300),
        ) {
            let (mut fates, mut row) = (Fates::new(true), vec![true]);
            for (step, received, late) in steps {
                fates.advance(step, received);
                row.resize(row.len() + step as usize - 1, false);
                row.push(received);
                if let Some(behind) = late.filter(|&behind| (behind as usize) < row.len()) {
                    fates.receive_late(behind);
                    let at = row.len() - 1 - behind as usize;
                    row[at] = true;
                }
            }
            let runs = fates.runs();
            let lost = row.iter().filter(|&&received| !received).count();
            let bursts = row.chunk_by(|a, b| a == b).filter(|run| !run[0]).count();
            prop_assert_eq!((runs.lost as usize, runs.bursts as usize), (lost, bursts));
        }
    }
}
