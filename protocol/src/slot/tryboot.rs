//! The Raspberry Pi's way to try a slot: `autoboot.txt`, and a flag that lasts one start.
//!
//! The firmware reads `autoboot.txt` from the first partition: its `[all]` section names the partition
//! of the ordinary slot, `[tryboot]` the one that is started once after `reboot "0 tryboot"`. A start
//! that fails, however it does, is followed by one from `[all]`. So an install touches nothing that the
//! next ordinary start reads, and a slot that is healthy is made the ordinary one by rewriting one
//! sector.
//!
//! The firmware counts nothing and writes nothing. The box keeps the variables in the same two blocks
//! as others do, and
//!
//! * writes `autoboot.txt` for [`Slots::ordinary`] before it writes the blocks: a power cut between
//!   the two leaves a slot on trial that is the ordinary one, which is judged as any on trial;
//! * counts the start of a slot on trial itself ([`Slots::start`]), right before it restarts with the
//!   flag. Coming back as the old slot after that is one start without a sign that the new one works,
//!   which is enough to give it up ([`super::Event::Up`]).

use super::{Slot, Slots};

/// In a slot's firmware volume: the kernel's command line.
pub const COMMAND_LINE: &str = "cmdline.txt";

/// In the first partition: which slot is the ordinary one.
pub const AUTOBOOT: &str = "autoboot.txt";

/// Partition numbers of the firmware volumes, in every image with this loader.
const PARTITIONS: [(Slot, u8); 2] = [(Slot::A, 2), (Slot::B, 3)];

/// The first firmware that knows `tryboot_a_b`, by its build time: the release of 2022-11-25. Older
/// ones hang, or start the old slot and say nothing.
pub const OLDEST_FIRMWARE: u32 = 1_669_334_400;

/// The file with `slot` as the ordinary one. It is shorter than a sector, and always as long, so that
/// it is rewritten in place and at once.
#[must_use]
pub fn autoboot(slot: Slot) -> String {
    format!(
        "[all]\ntryboot_a_b=1\nboot_partition={}\n[tryboot]\nboot_partition={}\n",
        partition(slot),
        partition(slot.other())
    )
}

/// The ordinary slot of an `autoboot.txt`; `None` where the file is not ours or was not written whole.
#[must_use]
pub fn ordinary_slot(autoboot_text: &str) -> Option<Slot> {
    Slot::ALL.into_iter().find(|&slot| autoboot(slot) == autoboot_text)
}

fn partition(slot: Slot) -> u8 {
    PARTITIONS.iter().find(|(it, _)| *it == slot).map_or(2, |(_, number)| *number)
}

impl Slots {
    /// The slot to start unless one on trial is being tried: for a loader that tries only when told to.
    #[must_use]
    pub fn ordinary(&self) -> Slot {
        let next = self.next();
        let is_alone = !self.holds_something(next.other());
        if self.trial == Some(next) && !is_alone { next.other() } else { next }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Decision, Event};
    use super::*;

    /// The firmware, as its documentation tells, and a box on it. Power may go before any write.
    struct Pi {
        autoboot: String,
        slots: Slots,
        is_tryboot: bool,
        running: Slot,
        /// Writes that still succeed.
        writes_left: u32,
    }

    impl Pi {
        fn new() -> Self {
            let mut pi = Self {
                autoboot: autoboot(Slot::A),
                slots: Slots::default(),
                is_tryboot: false,
                running: Slot::A,
                writes_left: u32::MAX,
            };
            pi.start();
            pi
        }

        /// The partition that is started; the flag is used up.
        fn start(&mut self) -> Slot {
            let section = if core::mem::take(&mut self.is_tryboot) { "[tryboot]" } else { "[all]" };
            let (mut current, mut partition, mut is_a_b) = ("", None, false);
            for line in self.autoboot.lines() {
                match line.split_once('=') {
                    None => current = line,
                    Some(("tryboot_a_b", value)) => is_a_b = value == "1",
                    Some(("boot_partition", value)) if current == section => {
                        partition = value.parse().ok();
                    }
                    Some(_) => {}
                }
            }
            assert!(is_a_b, "or tryboot would read tryboot.txt in the same partition");
            let partition: u8 = partition.expect("the section names a partition");
            let slot = PARTITIONS.iter().find(|(_, number)| *number == partition);
            self.running = slot.expect("a slot's").0;
            self.running
        }

        fn write(&mut self, slots: Slots) -> Option<()> {
            for step in 0..2 {
                self.writes_left = self.writes_left.checked_sub(1)?;
                match step {
                    0 => self.autoboot = autoboot(slots.ordinary()),
                    _ => self.slots = slots,
                }
            }
            Some(())
        }

        /// What happens; `None`: power is cut before it is written.
        fn handle(&mut self, event: Event) -> Option<Decision> {
            let mut slots = self.slots;
            let decision = slots.handle(self.running, event).ok()?;
            self.write(slots)?;
            Some(decision)
        }

        /// Restarts into the slot on trial.
        fn try_other(&mut self) -> Option<()> {
            let mut slots = self.slots;
            slots.start();
            self.write(slots)?;
            self.is_tryboot = true;
            self.start();
            Some(())
        }

        fn install(&mut self) -> Option<()> {
            self.handle(Event::InstallBegun)?;
            self.handle(Event::Installed)?;
            self.try_other()
        }
    }

    #[test]
    fn a_healthy_slot_becomes_the_ordinary_one() {
        let mut pi = Pi::new();
        assert_eq!(pi.running, Slot::A);
        pi.install().expect("power");
        assert_eq!(pi.running, Slot::B, "it is tried");
        assert_eq!(ordinary_slot(&pi.autoboot), Some(Slot::A), "and nothing is decided");
        assert_eq!(pi.handle(Event::Up), Some(Decision::Stay));
        assert_eq!(pi.handle(Event::Healthy), Some(Decision::Proved));
        assert_eq!(pi.start(), Slot::B);
        pi.install().expect("power");
        assert_eq!(pi.running, Slot::A, "the next one goes to the other slot");
    }

    #[test]
    fn a_slot_that_says_nothing_is_tried_once_and_bad_then() {
        let mut pi = Pi::new();
        pi.install().expect("power");
        assert_eq!(pi.start(), Slot::A, "a hang, a panic, a kernel that is none");
        assert_eq!(pi.handle(Event::Up), Some(Decision::FellBack));
        assert_eq!(pi.start(), Slot::A);
    }

    #[test]
    fn a_slot_that_is_not_healthy_gives_way() {
        let mut pi = Pi::new();
        pi.install().expect("power");
        assert_eq!(pi.handle(Event::Unhealthy), Some(Decision::Switch(Slot::A)));
        assert_eq!(pi.start(), Slot::A);
        assert_eq!(pi.handle(Event::Up), Some(Decision::Stay));
    }

    #[test]
    fn one_that_waits_for_its_trial_is_not_given_up() {
        let mut pi = Pi::new();
        pi.handle(Event::InstallBegun).expect("power");
        pi.handle(Event::Installed).expect("power");
        assert_eq!(pi.start(), Slot::A, "power went before the restart");
        assert_eq!(pi.handle(Event::Up), Some(Decision::Stay));
        pi.try_other().expect("power");
        assert_eq!(pi.running, Slot::B);
    }

    #[test]
    fn the_ordinary_slot_is_read_from_a_whole_file_only() {
        assert_eq!(autoboot(Slot::A).len(), autoboot(Slot::B).len());
        for slot in Slot::ALL {
            let text = autoboot(slot);
            assert!(text.len() < 512, "one sector");
            assert_eq!(ordinary_slot(&text), Some(slot));
            assert!((0..text.len()).all(|cut| ordinary_slot(&text[..cut]).is_none()));
        }
    }

    proptest! {
        /// Whatever happens and wherever power goes, the ordinary slot holds something that has
        /// proved itself, and a slot that is being overwritten is not started.
        #[test]
        fn the_ordinary_slot_always_works(
            steps in prop::collection::vec((0..6_u8, prop::option::of(0..6_u32)), 1..40)
        ) {
            let mut pi = Pi::new();
            // What each slot holds: whether it was ever proved, or is being overwritten.
            let mut works = [true, true];
            for (step, cut_after) in steps {
                pi.writes_left = cut_after.unwrap_or(u32::MAX);
                let other = pi.running.other();
                let is_refused = pi.slots.on_trial() == Some(pi.running);
                let done = match step {
                    0 if is_refused => Some(()),
                    0 => {
                        let begun = pi.handle(Event::InstallBegun);
                        // The first byte is written when both have been.
                        if begun.is_some() {
                            works[other as usize] = false;
                        }
                        begun.and_then(|_| pi.handle(Event::Installed)).and_then(|_| pi.try_other())
                    }
                    1 => pi.handle(Event::Up).map(|_| ()),
                    2 => {
                        // It has worked, whether or not that could be written.
                        works[pi.running as usize] = true;
                        pi.handle(Event::Healthy).map(|_| ())
                    }
                    3 => pi.handle(Event::Unhealthy).map(|_| { pi.start(); }),
                    4 => pi.slots.on_trial().filter(|trial| *trial != pi.running)
                        .map_or(Some(()), |_| pi.try_other()),
                    _ => None,
                };
                if done.is_none() {
                    pi.is_tryboot = false;
                    pi.start();
                }
                let ordinary = ordinary_slot(&pi.autoboot).expect("whole");
                prop_assert!(works[ordinary as usize], "{:?}", pi.slots);
            }
        }
    }
}
