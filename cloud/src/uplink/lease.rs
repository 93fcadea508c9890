//! Sharing a customer's channels among its sensors.
//!
//! Pure: the shares as they stand go in, the grants to be made come out.
//!
//! What a sensor may believe is any grant that was sent and is not older than the newest it has
//! acknowledged. `reserved` is the largest of these. The sum of `reserved` never passes the total:
//! a raise takes from what is free, and a reduction frees only when it is acknowledged. A sensor
//! that is offline keeps what is reserved for it.
//!
//! Every sensor that is online wants its calls in progress and some headroom; what is left over is
//! split evenly, so that a lone sensor has it all. Grants stay as they are while nobody is short,
//! since each change is written to the disk.

/// The least headroom over the calls in progress, channels.
const HEADROOM_MIN: u16 = 20;

/// Headroom in parts of the calls in progress: a quarter.
const HEADROOM_DIVISOR: u16 = 4;

/// A raise that nobody needs yet is made only when it is at least this large, channels.
const IDLE_STEP: u16 = 50;

/// One sensor's share of its customer's channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Counts the grants to this sensor.
    pub serial: u32,
    /// The newest grant.
    pub channels: u16,
    /// The largest grant that it may still believe; at least `channels`.
    pub reserved: u16,
    /// Calls in progress, of its last heartbeat.
    pub in_use: u16,
    /// Whether it was heard of lately; grants to others are left alone.
    pub is_online: bool,
}

impl Share {
    fn wants(&self, total: u16) -> u16 {
        let headroom = (self.in_use / HEADROOM_DIVISOR).max(HEADROOM_MIN);
        self.in_use.saturating_add(headroom).min(total)
    }

    fn grant(&mut self, channels: u16) {
        self.serial = self.serial.wrapping_add(1);
        self.channels = channels;
        self.reserved = self.reserved.max(channels);
    }
}

/// Grants anew where somebody is short or much is idle; answers which shares changed.
///
/// Afterwards the sum of `reserved` is at most `total`, if it was before.
pub fn reallocate(total: u16, shares: &mut [Share]) -> Vec<usize> {
    let ideals = ideals(total, shares);
    let is_short = |share: &Share, ideal: u16| {
        share.is_online && share.channels < ideal.min(share.wants(total))
    };
    let somebody_is_short =
        shares.iter().zip(&ideals).any(|(share, ideal)| is_short(share, *ideal));
    let mut changed = Vec::new();
    if somebody_is_short {
        for (index, (share, &ideal)) in shares.iter_mut().zip(&ideals).enumerate() {
            if share.is_online && share.channels > ideal {
                share.grant(ideal);
                changed.push(index);
            }
        }
    }
    let reserved: u32 = shares.iter().map(|share| u32::from(share.reserved)).sum();
    let mut free = u32::from(total).saturating_sub(reserved);
    // Those who are short come first.
    for in_need in [true, false] {
        for (index, (share, &ideal)) in shares.iter_mut().zip(&ideals).enumerate() {
            if !share.is_online || is_short(share, ideal) != in_need {
                continue;
            }
            let reach = u32::from(share.reserved) + free;
            let raised = ideal.min(u16::try_from(reach).unwrap_or(u16::MAX));
            let step = if in_need { 1 } else { IDLE_STEP };
            if raised >= share.channels.saturating_add(step) {
                free -= u32::from(raised.saturating_sub(share.reserved));
                share.grant(raised);
                changed.push(index);
            }
        }
    }
    changed.sort_unstable();
    changed
}

/// What each would have if every grant could be moved at once.
fn ideals(total: u16, shares: &[Share]) -> Vec<u16> {
    let offline: u32 =
        shares.iter().filter(|share| !share.is_online).map(|share| u32::from(share.reserved)).sum();
    let pool = u32::from(total).saturating_sub(offline);
    let wants: Vec<u16> =
        shares.iter().map(|share| if share.is_online { share.wants(total) } else { 0 }).collect();
    let level = level(pool, &wants);
    let given: u32 = wants.iter().map(|want| u32::from((*want).min(level))).sum();
    let online = shares.iter().filter(|share| share.is_online).count();
    let online = u32::try_from(online).unwrap_or(u32::MAX);
    let left = pool.saturating_sub(given);
    let even = left.checked_div(online).unwrap_or(0);
    // What cannot be split goes to the first of those who want more.
    let mut odd = left.checked_rem(online).unwrap_or(0);
    let even = u16::try_from(even).unwrap_or(u16::MAX);
    let ideal = |(share, want): (&Share, u16)| {
        if !share.is_online {
            return share.channels;
        }
        let one_more = u16::from(want > level && odd > 0);
        odd -= u32::from(one_more);
        want.min(level).saturating_add(even).saturating_add(one_more)
    };
    shares.iter().zip(wants).map(ideal).collect()
}

/// The greatest level to which all wants can be met out of `pool` (max-min fairness).
fn level(pool: u32, wants: &[u16]) -> u16 {
    let mut sorted: Vec<u16> = wants.iter().copied().filter(|want| *want > 0).collect();
    sorted.sort_unstable();
    let mut left = pool;
    let mut claimants = u32::try_from(sorted.len()).unwrap_or(u32::MAX);
    for want in sorted {
        let fair = left / claimants;
        if u32::from(want) > fair {
            return u16::try_from(fair).unwrap_or(u16::MAX);
        }
        left -= u32::from(want);
        claimants -= 1;
    }
    u16::MAX
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TOTAL: u16 = 2000;

    fn online(in_use: u16) -> Share {
        Share { in_use, is_online: true, ..Share::default() }
    }

    /// Grants and acknowledges until nothing changes.
    fn settle(shares: &mut [Share]) {
        for _ in 0..10 {
            if reallocate(TOTAL, shares).is_empty() {
                return;
            }
            for share in shares.iter_mut().filter(|share| share.is_online) {
                share.reserved = share.channels;
            }
        }
        panic!("grants do not settle: {shares:?}");
    }

    fn channels(shares: &[Share]) -> Vec<u16> {
        shares.iter().map(|share| share.channels).collect()
    }

    #[test]
    fn a_lone_sensor_has_every_channel() {
        let mut shares = [online(0)];
        assert_eq!(reallocate(TOTAL, &mut shares), [0]);
        assert_eq!((shares[0].channels, shares[0].serial), (2000, 1));
        assert_eq!(reallocate(TOTAL, &mut shares), [0; 0]);
    }

    #[test]
    fn a_newcomer_waits_until_the_other_has_given_back() {
        let mut shares = [online(0)];
        settle(&mut shares);
        let mut shares = [shares[0], online(0)];
        assert_eq!(reallocate(TOTAL, &mut shares), [0]);
        assert_eq!((shares[0].channels, shares[0].reserved, shares[1].channels), (1000, 2000, 0));
        shares[0].reserved = shares[0].channels;
        assert_eq!(reallocate(TOTAL, &mut shares), [1]);
        assert_eq!(channels(&shares), [1000, 1000]);
    }

    #[test]
    fn idle_channels_flow_to_the_busy_sensor() {
        let mut shares = [online(0), online(0)];
        settle(&mut shares);
        assert_eq!(channels(&shares), [1000, 1000]);
        shares[1].in_use = 1000;
        settle(&mut shares);
        assert!(shares[1].channels >= 1250, "{shares:?}");
        assert!(shares[0].channels >= HEADROOM_MIN);
    }

    #[test]
    fn a_change_that_nobody_needs_is_not_made() {
        let mut shares = [online(10), online(10)];
        settle(&mut shares);
        for in_use in 0..500 {
            shares[0].in_use = in_use;
            assert_eq!(reallocate(TOTAL, &mut shares), [0; 0], "at {in_use}");
        }
    }

    #[test]
    fn overload_is_shared_fairly() {
        let mut shares = [online(1900), online(300), online(1900)];
        settle(&mut shares);
        assert_eq!(channels(&shares), [813, 375, 812]);
    }

    #[test]
    fn an_offline_sensor_keeps_its_grant_and_a_removed_one_gives_it_up() {
        let mut shares = [online(0), online(0)];
        settle(&mut shares);
        shares[0].is_online = false;
        shares[1].in_use = 1000;
        settle(&mut shares);
        assert_eq!(channels(&shares), [1000, 1000]);
        let mut shares = [shares[1]];
        settle(&mut shares);
        assert_eq!(channels(&shares), [2000]);
    }

    #[test]
    fn more_sensors_than_channels_share_what_there_is() {
        let mut shares = vec![online(5); 3000];
        settle(&mut shares);
        assert_eq!(shares.iter().filter(|share| share.channels == 1).count(), 2000);
        let mut shares = vec![online(5); 900];
        settle(&mut shares);
        assert!(shares.iter().all(|share| (2..=3).contains(&share.channels)));
    }

    /// What may happen to a customer's sensors, each with the number of one of them.
    #[derive(Clone, Debug)]
    enum Event {
        /// Says how many calls it has and which grant it applies.
        Heartbeat(usize, u16),
        /// Applies the newest grant that was written for it.
        Receives(usize),
        /// Applies a grant that was delayed on its way.
        ReceivesLate(usize, usize),
        GoesOffline(usize),
        /// Comes back, with the grant that it had.
        ComesBack(usize),
        /// The cloud forgets all but what its database holds.
        CloudRestarts,
    }

    /// A sensor of the model: what was sent to it, and what it believes.
    #[derive(Clone, Default)]
    struct Model {
        sent: Vec<(u32, u16)>,
        applied: (u32, u16),
    }

    impl Model {
        fn apply(&mut self, grant: Option<(u32, u16)>) {
            if let Some(grant) = grant.filter(|grant| grant.0 > self.applied.0) {
                self.applied = grant;
            }
        }

        /// The most that it can come to believe without another grant.
        fn may_believe(&self) -> u16 {
            let newer = self.sent.iter().filter(|grant| grant.0 > self.applied.0);
            newer.map(|grant| grant.1).max().unwrap_or(0).max(self.applied.1)
        }
    }

    fn event(sensors: usize) -> impl Strategy<Value = Event> {
        let who = 0..sensors;
        prop_oneof![
            4 => (who.clone(), 0u16..2500).prop_map(|(who, calls)| Event::Heartbeat(who, calls)),
            2 => who.clone().prop_map(Event::Receives),
            1 => (who.clone(), 0usize..8).prop_map(|(who, back)| Event::ReceivesLate(who, back)),
            1 => who.clone().prop_map(Event::GoesOffline),
            1 => who.prop_map(Event::ComesBack),
            1 => Just(Event::CloudRestarts),
        ]
    }

    proptest! {
        #[test]
        fn sensors_never_believe_more_than_the_customer_has(
            events in proptest::collection::vec(event(5), 1..200)
        ) {
            let mut shares = vec![Share::default(); 5];
            let mut models = vec![Model::default(); 5];
            for event in events {
                match event {
                    Event::Heartbeat(who, calls) => {
                        let share = &mut shares[who];
                        share.is_online = true;
                        share.in_use = calls;
                        if models[who].applied.0 == share.serial {
                            share.reserved = share.channels;
                        }
                    }
                    Event::Receives(who) => {
                        let newest = models[who].sent.last().copied();
                        models[who].apply(newest);
                        continue;
                    }
                    Event::ReceivesLate(who, back) => {
                        let late = models[who].sent.iter().rev().nth(back).copied();
                        models[who].apply(late);
                        continue;
                    }
                    Event::GoesOffline(who) => shares[who].is_online = false,
                    Event::ComesBack(who) => shares[who].is_online = true,
                    Event::CloudRestarts => {
                        for share in &mut shares {
                            share.is_online = false;
                        }
                    }
                }
                for index in reallocate(TOTAL, &mut shares) {
                    models[index].sent.push((shares[index].serial, shares[index].channels));
                }
                let reserved: u32 = shares.iter().map(|share| u32::from(share.reserved)).sum();
                prop_assert!(reserved <= u32::from(TOTAL), "{shares:?}");
                for (share, model) in shares.iter().zip(&models) {
                    prop_assert!(model.may_believe() <= share.reserved, "{share:?}");
                }
            }
        }

        #[test]
        fn capacity_reaches_those_who_need_it(
            calls in proptest::collection::vec(0u16..600, 1..6)
        ) {
            let mut shares: Vec<Share> = calls.iter().map(|_| online(0)).collect();
            settle(&mut shares);
            for (share, calls) in shares.iter_mut().zip(&calls) {
                share.in_use = *calls;
            }
            settle(&mut shares);
            let wanted: u32 = shares.iter().map(|share| u32::from(share.wants(TOTAL))).sum();
            if wanted <= u32::from(TOTAL) {
                for share in &shares {
                    prop_assert!(share.channels >= share.wants(TOTAL), "{shares:?}");
                }
            } else {
                let given: u32 = shares.iter().map(|share| u32::from(share.channels)).sum();
                prop_assert!(given + 6 >= u32::from(TOTAL), "{shares:?}");
            }
        }
    }
}
