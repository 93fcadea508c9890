//! A box with two slots on disk, two copies of the variables, and a switch that cuts its power
//! between any two writes and within any of them.

use proptest::prelude::*;

use super::block::{BLOCK_BYTES, write_order};
use super::{Decision, Event, MAX_TRIES, Slot, Slots};

/// What a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    /// Never written, or half.
    Nothing,
    /// It starts and becomes healthy.
    Works,
    /// The loader cannot read it and goes on to the next.
    Unreadable,
    /// It is started and nothing more is heard: a panic, a hang that the watchdog ends.
    Silent,
    /// It starts and does not become healthy.
    Unhealthy,
}

/// Something that happens to the box.
#[derive(Clone, Debug)]
enum Step {
    /// An upgrade; power is cut after so many of its writes.
    Install { content: Content, writes: usize },
    /// Power is cut so many writes after it has come back; at the end it stays.
    PowerCycle { writes: Vec<usize> },
    /// One copy of the variables is lost.
    LoseCopy(usize),
}

struct Device {
    copies: [Vec<u8>; 2],
    content: [Content; 2],
    running: Slot,
    /// Writes until power is cut.
    writes_left: usize,
}

/// Power was cut.
#[derive(Debug)]
struct Cut;

impl Device {
    fn new() -> Self {
        let block = Slots::fresh().to_block().to_vec();
        Self {
            copies: [block.clone(), block],
            content: [Content::Works, Content::Nothing],
            running: Slot::A,
            writes_left: usize::MAX,
        }
    }

    fn slots(&self) -> Slots {
        Slots::from_copies([&self.copies[0], &self.copies[1]])
    }

    fn write(&mut self) -> Result<(), Cut> {
        self.writes_left = self.writes_left.checked_sub(1).ok_or(Cut)?;
        Ok(())
    }

    /// Both copies, one after the other; the one that is being written when power is cut is torn.
    fn store(&mut self, slots: Slots) -> Result<(), Cut> {
        for copy in write_order([&self.copies[0], &self.copies[1]]) {
            if self.write().is_err() {
                self.copies[copy] = vec![0; BLOCK_BYTES];
                return Err(Cut);
            }
            self.copies[copy] = slots.to_block().to_vec();
        }
        Ok(())
    }

    fn tell(&mut self, event: Event) -> Result<Decision, Cut> {
        let mut slots = self.slots();
        let decision = slots.handle(self.running, event).expect("what the box does is allowed");
        self.store(slots)?;
        Ok(decision)
    }

    /// From power on to a slot that runs and has been judged.
    fn boot(&mut self) -> Result<(), Cut> {
        for _ in 0..4 * MAX_TRIES {
            let mut slots = self.slots();
            let mut slot = slots.start();
            self.store(slots)?;
            if !self.can_be_read(slot) {
                assert_ne!(self.content(slot), Content::Nothing, "{slot} was never installed");
                // The loader's own fall back, in the order of the variables.
                slot = slot.other();
                if !slots.order().any(|other| other == slot) || !self.can_be_read(slot) {
                    continue;
                }
            }
            self.running = slot;
            match self.content(slot) {
                Content::Silent => continue,
                Content::Unhealthy => {
                    self.tell(Event::Up)?;
                    match self.tell(Event::Unhealthy)? {
                        Decision::Switch(_) => continue,
                        _ => return Ok(()),
                    }
                }
                _ => {
                    self.tell(Event::Up)?;
                    self.tell(Event::Healthy)?;
                    return Ok(());
                }
            }
        }
        panic!("nothing has started: {:?} {:?}", self.slots(), self.content);
    }

    fn install(&mut self, content: Content) -> Result<(), Cut> {
        let to = self.running.other();
        self.tell(Event::InstallBegun)?;
        self.content[to as usize] = Content::Nothing;
        self.write()?;
        self.content[to as usize] = content;
        self.tell(Event::Installed)?;
        self.boot()
    }

    fn content(&self, slot: Slot) -> Content {
        self.content[slot as usize]
    }

    fn can_be_read(&self, slot: Slot) -> bool {
        !matches!(self.content(slot), Content::Nothing | Content::Unreadable)
    }

    fn boot_with_power(&mut self) {
        self.writes_left = usize::MAX;
        self.boot().expect("power stays");
        assert_eq!(self.content(self.running), Content::Works);
    }
}

fn content() -> impl Strategy<Value = Content> {
    prop_oneof![
        Just(Content::Works),
        Just(Content::Unreadable),
        Just(Content::Silent),
        Just(Content::Unhealthy),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (content(), prop_oneof![0..30usize, Just(usize::MAX)])
            .prop_map(|(content, writes)| Step::Install { content, writes }),
        2 => prop::collection::vec(0..8usize, 0..8).prop_map(|writes| Step::PowerCycle { writes }),
        1 => (0..2usize).prop_map(Step::LoseCopy),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever is installed and wherever power is cut, the box ends on a slot that works, and
    /// never tries to start one that holds nothing.
    #[test]
    fn a_slot_that_works_always_comes_back(steps in prop::collection::vec(step(), 1..20)) {
        let mut device = Device::new();
        device.boot_with_power();
        for step in steps {
            match step {
                Step::Install { content, writes } => {
                    device.writes_left = writes;
                    drop(device.install(content));
                }
                Step::PowerCycle { writes } => {
                    for writes in writes {
                        device.writes_left = writes;
                        drop(device.boot());
                    }
                }
                Step::LoseCopy(copy) => device.copies[copy] = vec![0; BLOCK_BYTES],
            }
            device.boot_with_power();
            prop_assert_eq!(device.slots().on_trial(), None);
        }
    }

    #[test]
    fn no_text_is_too_much_for_the_reader(text in "(ORDER=|A_OK=|B_TRY=|TRIAL=|[AB01 =#\n-]){0,40}") {
        if let Ok(slots) = Slots::from_text(&text) {
            prop_assert_eq!(Slots::from_text(&slots.to_text()), Ok(slots));
        }
    }

    #[test]
    fn what_is_written_is_read_again(events in prop::collection::vec(0..7u8, 0..30)) {
        let mut slots = Slots::fresh();
        let mut running = Slot::A;
        for event in events {
            let event = match event {
                0 => Event::InstallBegun,
                1 => Event::Installed,
                2 => Event::Up,
                3 => Event::Healthy,
                4 => Event::Unhealthy,
                _ => { running = slots.start(); continue }
            };
            let _ = slots.handle(running, event);
            prop_assert_eq!(Slots::from_text(&slots.to_text()), Ok(slots));
            prop_assert_eq!(Slots::from_copies([&slots.to_block(), b""]), slots);
        }
    }
}
