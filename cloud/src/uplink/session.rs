//! Open sessions, and who has been heard of lately.
//!
//! In memory only: a restart of the cloud ends every session, and sensors open new ones. Pure, with
//! `now` passed in.
//!
//! A device that is copied shows as two boots that both speak:
//!
//! ```text
//!            a newer boot appears, the older stays silent: a restart
//!          +------------------------------------------------------+
//!          v                                                      |
//!       [alone] -- the older boot speaks after the newer has --> [cloned]: both are refused
//!          ^                                                      |
//!          +---------- only one has spoken for 90 s --------------+
//! ```

use core::net::SocketAddr;
use std::collections::HashMap;

use ringside_protocol::cdr::{Boot, Fingerprint};
use ringside_protocol::step::Failure;
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};

use crate::db::Customer;
use crate::db::sensors::HEARTBEAT_SECONDS;

/// Names a session.
pub type Token = [u8; 32];

/// Devices that are remembered at once. At the bound those whose session has ended leave; if there
/// are none, the newcomer is told that the cloud is busy.
pub const MAX_DEVICES: usize = 20_000;

/// A session ends when its sensor has been silent for so many heartbeats.
pub const SILENT_HEARTBEATS: u64 = 10;

/// A boot that has been silent this long is no longer there, seconds.
pub const CLONE_SILENCE_SECONDS: u64 = 90;

/// Boots of one device that are told apart; the one silent longest leaves.
const MAX_BOOTS: usize = 4;

/// An open session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// The device that opened it.
    pub device: Fingerprint,
    /// Whose it was then.
    pub customer: Customer,
    /// The sensor's start.
    pub boot: Boot,
    /// The newest lease that the sensor has acknowledged in this session.
    pub acknowledged: u32,
    /// The last command that a poll answered, and when.
    pub told: Option<(u64, UnixMicros)>,
    /// The version of the capture rules that a poll answered, and when.
    pub told_rules: Option<(u64, UnixMicros)>,
    /// The order of an upgrade that a poll answered, and when.
    pub told_upgrade: Option<(u64, UnixMicros)>,
    /// How often news of the rules that it applies was written down since when.
    pub noted_rules: (u32, UnixMicros),
    seen_at: UnixMicros,
}

/// All sessions.
#[derive(Default)]
pub struct Sessions {
    devices: HashMap<Fingerprint, Device>,
    by_token: HashMap<Token, Fingerprint>,
}

#[derive(Default)]
struct Device {
    /// In order of appearance.
    boots: Vec<Heard>,
    is_cloned: bool,
    session: Option<(Token, Session)>,
}

#[derive(Clone, Copy)]
struct Heard {
    boot: Boot,
    address: SocketAddr,
    last_at: UnixMicros,
}

impl Sessions {
    /// A device has proved its key and says which boot it is.
    ///
    /// # Errors
    /// [`Failure::ClonedDevice`], [`Failure::Busy`].
    pub fn appear(
        &mut self,
        device: Fingerprint,
        boot: Boot,
        address: SocketAddr,
        now: UnixMicros,
    ) -> Result<(), Failure> {
        if !self.devices.contains_key(&device) {
            self.make_room(now)?;
        }
        self.devices.entry(device).or_default().hear(boot, address, now)
    }

    /// Opens a session, in place of the one that the device had. The device has appeared.
    pub fn open(
        &mut self,
        token: Token,
        device: Fingerprint,
        customer: Customer,
        boot: Boot,
        now: UnixMicros,
    ) {
        let session = Session {
            device,
            customer,
            boot,
            acknowledged: 0,
            told: None,
            told_rules: None,
            told_upgrade: None,
            noted_rules: (0, now),
            seen_at: now,
        };
        let entry = self.devices.entry(device).or_default();
        if let Some((old, _)) = entry.session.replace((token, session)) {
            self.by_token.remove(&old);
        }
        self.by_token.insert(token, device);
    }

    /// A request has come in a session.
    ///
    /// # Errors
    /// [`Failure::SessionEnded`], [`Failure::ClonedDevice`].
    pub fn speak(
        &mut self,
        token: &Token,
        address: SocketAddr,
        now: UnixMicros,
    ) -> Result<Session, Failure> {
        let device = self.live(token, now)?;
        let (_, session) = device.session.as_mut().ok_or(Failure::SessionEnded)?;
        session.seen_at = now;
        let session = *session;
        device.hear(session.boot, address, now)?;
        Ok(session)
    }

    /// The session of a request that was parked: waiting is not speaking.
    ///
    /// # Errors
    /// [`Failure::SessionEnded`].
    pub fn find(&mut self, token: &Token, now: UnixMicros) -> Result<Session, Failure> {
        let (_, session) = self.live(token, now)?.session.ok_or(Failure::SessionEnded)?;
        Ok(session)
    }

    /// Changes what is remembered of a session, if it is still open.
    pub fn update(&mut self, token: &Token, change: impl FnOnce(&mut Session)) {
        let device = self.by_token.get(token).and_then(|device| self.devices.get_mut(device));
        if let Some((_, session)) = device.and_then(|device| device.session.as_mut()) {
            change(session);
        }
    }

    /// Ends a device's session, if it has one.
    pub fn end(&mut self, device: Fingerprint) {
        let ended = self.devices.get_mut(&device).and_then(|device| device.session.take());
        if let Some((token, _)) = ended {
            self.by_token.remove(&token);
        }
    }

    /// Open sessions.
    #[must_use]
    pub fn count(&self) -> usize {
        self.by_token.len()
    }

    fn live(&mut self, token: &Token, now: UnixMicros) -> Result<&mut Device, Failure> {
        let device = *self.by_token.get(token).ok_or(Failure::SessionEnded)?;
        let known = self.devices.get(&device).and_then(|device| device.session.as_ref());
        if known.is_none_or(|(_, session)| session.is_over(now)) {
            self.end(device);
            return Err(Failure::SessionEnded);
        }
        self.devices.get_mut(&device).ok_or(Failure::SessionEnded)
    }

    fn make_room(&mut self, now: UnixMicros) -> Result<(), Failure> {
        if self.devices.len() < MAX_DEVICES {
            return Ok(());
        }
        self.devices.retain(|_, device| {
            device.session.as_ref().is_some_and(|(_, session)| !session.is_over(now))
        });
        let devices = &self.devices;
        self.by_token.retain(|_, device| devices.contains_key(device));
        if self.devices.len() < MAX_DEVICES {
            return Ok(());
        }
        Err(Failure::Busy { limit: format!("{MAX_DEVICES} sensors") })
    }
}

impl Session {
    fn is_over(&self, now: UnixMicros) -> bool {
        let silent = SILENT_HEARTBEATS * u64::from(HEARTBEAT_SECONDS) * MICROS_PER_SECOND;
        now.since(self.seen_at) > silent
    }
}

impl Device {
    /// A boot of this device speaks.
    fn hear(&mut self, boot: Boot, address: SocketAddr, now: UnixMicros) -> Result<(), Failure> {
        self.boots.retain(|heard| {
            heard.boot == boot
                || now.since(heard.last_at) < CLONE_SILENCE_SECONDS * MICROS_PER_SECOND
        });
        let is_alone = self.boots.iter().all(|heard| heard.boot == boot);
        let heard = Heard { boot, address, last_at: now };
        match self.boots.iter().position(|heard| heard.boot == boot) {
            Some(place) => {
                self.boots[place] = heard;
                let is_newest = place + 1 == self.boots.len();
                self.is_cloned = !is_alone && (self.is_cloned || !is_newest);
            }
            None => {
                self.is_cloned &= !is_alone;
                self.appear(heard);
            }
        }
        let other = self.boots.iter().rev().find(|heard| heard.boot != boot);
        match other {
            Some(other) if self.is_cloned => {
                Err(Failure::ClonedDevice { other: other.address.ip().to_string() })
            }
            _ => Ok(()),
        }
    }

    fn appear(&mut self, heard: Heard) {
        if self.boots.len() == MAX_BOOTS {
            let silent = (0..MAX_BOOTS).min_by_key(|&place| self.boots[place].last_at);
            self.boots.remove(silent.unwrap_or(0));
        }
        self.boots.push(heard);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICE: Fingerprint = Fingerprint([1; 16]);
    const A: Boot = Boot([0xa; 16]);
    const B: Boot = Boot([0xb; 16]);

    fn at(seconds: u64) -> UnixMicros {
        UnixMicros((1_795_000_000 + seconds) * MICROS_PER_SECOND)
    }

    fn from(host: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, host], 40_000))
    }

    /// Proves and opens a session, named by the boot.
    fn connect(sessions: &mut Sessions, boot: Boot, seconds: u64) -> Result<Token, Failure> {
        sessions.appear(DEVICE, boot, from(boot.0[0]), at(seconds))?;
        let token = [boot.0[0]; 32];
        sessions.open(token, DEVICE, Customer(1), boot, at(seconds));
        Ok(token)
    }

    fn cloned(other: Boot) -> Failure {
        Failure::ClonedDevice { other: from(other.0[0]).ip().to_string() }
    }

    #[test]
    fn a_session_lasts_while_its_sensor_speaks() {
        let mut sessions = Sessions::default();
        let token = connect(&mut sessions, A, 0).expect("opens");
        for beat in 1..100 {
            let session = sessions.speak(&token, from(1), at(beat * 30)).expect("is open");
            assert_eq!((session.device, session.boot), (DEVICE, A));
        }
        assert!(sessions.find(&token, at(99 * 30 + 300)).is_ok());
        let ended = sessions.speak(&token, from(1), at(99 * 30 + 301));
        assert_eq!(ended, Err(Failure::SessionEnded));
        assert_eq!(sessions.count(), 0);
    }

    #[test]
    fn an_unknown_session_has_ended() {
        let mut sessions = Sessions::default();
        assert_eq!(sessions.speak(&[0; 32], from(1), at(0)), Err(Failure::SessionEnded));
    }

    #[test]
    fn waiting_in_a_poll_is_not_speaking() {
        let mut sessions = Sessions::default();
        let old = connect(&mut sessions, A, 0).expect("opens");
        sessions.appear(DEVICE, B, from(2), at(1)).expect("a restart");
        assert!(sessions.find(&old, at(2)).is_ok());
        assert!(sessions.appear(DEVICE, B, from(2), at(3)).is_ok());
    }

    #[test]
    fn a_restart_is_no_clone() {
        let mut sessions = Sessions::default();
        for restart in 0..10 {
            let boot = Boot([restart; 16]);
            let token = connect(&mut sessions, boot, u64::from(restart)).expect("opens");
            assert!(sessions.speak(&token, from(1), at(u64::from(restart))).is_ok());
        }
        assert_eq!(sessions.count(), 1);
    }

    #[test]
    fn two_boots_that_both_speak_are_both_refused() {
        let mut sessions = Sessions::default();
        connect(&mut sessions, A, 0).expect("opens");
        let b = connect(&mut sessions, B, 10).expect("looks like a restart");
        assert_eq!(connect(&mut sessions, A, 20), Err(cloned(B)));
        assert_eq!(sessions.speak(&b, from(0xb), at(21)), Err(cloned(A)));
        assert_eq!(connect(&mut sessions, B, 22), Err(cloned(A)));
    }

    #[test]
    fn a_clone_that_falls_silent_for_90_s_lets_the_other_in() {
        let mut sessions = Sessions::default();
        connect(&mut sessions, A, 0).expect("opens");
        connect(&mut sessions, B, 10).expect("looks like a restart");
        for second in (20..100).step_by(20) {
            assert_eq!(connect(&mut sessions, A, second), Err(cloned(B)), "at {second}");
        }
        assert!(connect(&mut sessions, A, 100).is_ok());
        assert_eq!(connect(&mut sessions, B, 120), Ok([0xb; 32]), "as if it had restarted");
        assert_eq!(connect(&mut sessions, A, 121), Err(cloned(B)));
    }

    #[test]
    fn a_refused_session_goes_on_when_the_clone_has_gone() {
        let mut sessions = Sessions::default();
        connect(&mut sessions, A, 0).expect("opens");
        let b = connect(&mut sessions, B, 10).expect("looks like a restart");
        assert!(connect(&mut sessions, A, 20).is_err());
        assert!(sessions.speak(&b, from(2), at(60)).is_err());
        assert!(sessions.speak(&b, from(2), at(110)).is_ok());
    }

    #[test]
    fn boots_beyond_the_bound_push_out_the_one_silent_longest() {
        let mut device = Device::default();
        for boot in 0..20 {
            device.hear(Boot([boot; 16]), from(1), at(u64::from(boot))).expect("restarts");
            assert!(device.boots.len() <= MAX_BOOTS);
        }
        assert_eq!(device.boots[0].boot, Boot([16; 16]));
    }

    #[test]
    fn a_full_table_lets_ended_sessions_go_and_then_says_busy() {
        let mut sessions = Sessions::default();
        for number in 0..MAX_DEVICES {
            let mut key = [0; 16];
            key[..8].copy_from_slice(&(number as u64).to_be_bytes());
            let mut token = [7; 32];
            token[..16].copy_from_slice(&key);
            let device = Fingerprint(key);
            sessions.appear(device, A, from(1), at(0)).expect("has room");
            sessions.open(token, device, Customer(1), A, at(0));
        }
        let late = Fingerprint([0xff; 16]);
        let busy = sessions.appear(late, A, from(1), at(1));
        assert!(matches!(busy, Err(Failure::Busy { .. })));
        assert!(sessions.appear(late, A, from(1), at(301)).is_ok());
        assert_eq!(sessions.count(), 0);
    }
}
