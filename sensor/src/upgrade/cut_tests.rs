//! Power is cut before every single change that an upgrade makes on disk; what the next start would
//! run is then looked at.

use std::cell::Cell;
use std::fs;
use std::io;
use std::path::PathBuf;

use ringside_protocol::slot::{Event, Slot};

use super::install::install;
use super::package::Package;
use super::program::Program;
use super::state::State;
use super::uninterrupted;
use crate::store::test_dir::TestDir;

const OLD: &[u8] = b"the old program, whole";
const NEW: &[u8] = b"the new program, whole";

struct Host {
    dir: TestDir,
    program: Program,
}

impl Host {
    fn new() -> Self {
        let dir = TestDir::new();
        let path = dir.path().join("ringside-sensor");
        fs::write(&path, OLD).expect("write");
        let (program, _) = Program::of(&path);
        Self { dir, program }
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Cuts power at the change of this number; gives whether there was one.
    fn upgrade_until(&self, cut_at: usize) -> bool {
        let done = Cell::new(0);
        let steps = |_: &'static str| {
            done.set(done.get() + 1);
            if done.get() > cut_at { Err(io::Error::other("power cut")) } else { Ok(()) }
        };
        fs::create_dir_all(self.data()).expect("data");
        let (version, target) = ("0.2.0".to_owned(), "here".to_owned());
        let package = Package { version, target, program: NEW.to_vec() };
        let installed = install(&self.program, &self.data(), &package, "0.1.0", &steps);
        let promoted = installed.is_ok()
            && self.prove().is_ok_and(|slot| self.program.point_to(slot, &steps).is_ok());
        !promoted
    }

    /// What a launch does for a program that becomes healthy.
    fn prove(&self) -> io::Result<Slot> {
        let mut state = State::load(&self.data())?.expect("installed");
        let slot = state.slots.start();
        state.slots.handle(slot, Event::Healthy).expect("it runs");
        state.store(&self.data(), &uninterrupted)?;
        Ok(slot)
    }

    /// What the next start runs first.
    fn started(&self) -> Vec<u8> {
        let link = fs::read(self.program.path()).expect("the link leads to a program");
        assert!(link == OLD || link == NEW, "the link leads to half a program");
        match State::load(&self.data()).expect("readable") {
            Some(state) => fs::read(self.program.file(state.slots.next())).expect("a program"),
            None => link,
        }
    }
}

#[test]
fn wherever_power_is_cut_a_whole_program_is_started_and_the_upgrade_can_be_repeated() {
    let mut cuts = 0;
    loop {
        let host = Host::new();
        let was_cut = host.upgrade_until(cuts);
        let started = host.started();
        assert!(started == OLD || started == NEW, "cut {cuts}: half a program");
        // The link leads to what has proved itself.
        let link = fs::read(host.program.path()).expect("a program");
        let has_proved = State::load(&host.data())
            .expect("readable")
            .is_some_and(|state| state.slots.on_trial().is_none() && state.slots.next() == Slot::B);
        assert!(link == OLD || has_proved, "cut {cuts}: the link leads to a program on trial");
        if !was_cut {
            assert_eq!(link, NEW);
            break;
        }
        // The person tries again, with power.
        if !host.started().eq(NEW) {
            assert!(!host.upgrade_until(usize::MAX), "cut {cuts}: the upgrade cannot be repeated");
            assert_eq!(host.started(), NEW);
        }
        cuts += 1;
    }
    assert!(cuts > 15, "{cuts} places");
}

#[test]
fn what_is_on_trial_is_not_overwritten_by_itself() {
    let host = Host::new();
    assert!(!host.upgrade_until(usize::MAX));
    assert_eq!(host.program.current(), Some(Slot::B));
    let state = State::load(&host.data()).expect("readable").expect("there");
    assert_eq!((state.version(Slot::A), state.version(Slot::B)), (Some("0.1.0"), Some("0.2.0")));
}
