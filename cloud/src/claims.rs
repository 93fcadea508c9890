//! Devices that wait to be accepted by their claim code.
//!
//! In memory only: a device asks again within a minute, with the same code, so a restart forgets
//! nothing for long. Pure, with `now` passed in.
//!
//! Strangers may ask. What they can take is [`MAX_WAITING`] places, of which a full table takes one
//! back from the address that has the most; nothing is written to the disk.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use ringside_protocol::cdr::Fingerprint;
use ringside_protocol::claim::{CODE_SECONDS, Code, MAX_CLAIM_SECONDS};
use ringside_protocol::message::Hello;
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};

use crate::auth::RateLimit;
use crate::network::party;

/// Devices that wait at once.
pub const MAX_WAITING: usize = 512;

/// Of these, from one address ([`party`]).
pub const MAX_WAITING_PER_ADDRESS: usize = 64;

/// A device that has not asked again for so long no longer waits, seconds: between two waits it may
/// try another server, and has to connect.
const FORGOTTEN_SECONDS: u64 = 2 * MAX_CLAIM_SECONDS as u64 + 60;

/// A code that was followed by the next hour's may still be entered for so long, seconds: somebody
/// has read it off and is on the way to a browser.
const GRACE_SECONDS: u64 = 600;

/// Claims that an address may make in [`CLAIM_WINDOW_SECONDS`]: each costs two signatures to check.
pub const MAX_CLAIMS_PER_ADDRESS: u32 = 240;

/// See [`MAX_CLAIMS_PER_ADDRESS`], seconds.
pub const CLAIM_WINDOW_SECONDS: u64 = 60;

/// Wrong codes that one person, and that one address, may enter in [`GUESS_WINDOW_SECONDS`]. One of
/// 2⁴⁰ is hit by 512 waiting devices once in 200 million attempts.
pub const MAX_WRONG_CODES: u32 = 10;

/// See [`MAX_WRONG_CODES`], seconds.
pub const GUESS_WINDOW_SECONDS: u64 = 900;

/// Who waits, and who has tried.
pub struct Claims {
    waiting: Mutex<HashMap<Fingerprint, Waiting>>,
    claims: Mutex<RateLimit<IpAddr>>,
    guesses: Mutex<(RateLimit<String>, RateLimit<IpAddr>)>,
}

/// A device that waits.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// As it introduced itself, with a key that it has proved.
    pub hello: Hello,
    /// Where it comes from.
    pub address: IpAddr,
    /// When it began to wait.
    pub since: UnixMicros,
    /// When it last asked.
    seen_at: UnixMicros,
    code: Code,
    /// The code before, and until when it counts.
    old_code: Option<(Code, UnixMicros)>,
}

/// Why nobody waits with a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    /// No device shows it.
    Unknown,
    /// Several do.
    Several,
    /// Too many wrong ones were entered: seconds until the next may be.
    TooMany(u64),
}

/// Why a device may not wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// Its address has asked too often: seconds until it may again.
    TooOften(u64),
    /// Its address has [`MAX_WAITING_PER_ADDRESS`].
    Address,
}

impl Default for Claims {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            claims: Mutex::new(RateLimit::new(MAX_CLAIMS_PER_ADDRESS, CLAIM_WINDOW_SECONDS)),
            guesses: Mutex::new((
                RateLimit::new(MAX_WRONG_CODES, GUESS_WINDOW_SECONDS),
                RateLimit::new(MAX_WRONG_CODES, GUESS_WINDOW_SECONDS),
            )),
        }
    }
}

impl Claims {
    /// Whether an address may make one more claim, before anything of it is checked.
    ///
    /// # Errors
    /// [`Full::TooOften`].
    pub fn admit(&self, address: IpAddr, now: UnixMicros) -> Result<(), Full> {
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        claims.admit(&party(address), now).map_err(Full::TooOften)
    }

    /// A device waits, or goes on waiting.
    ///
    /// # Errors
    /// [`Full::Address`].
    pub fn wait(
        &self,
        device: Fingerprint,
        hello: &Hello,
        code: Code,
        address: IpAddr,
        now: UnixMicros,
    ) -> Result<(), Full> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = waiting.get_mut(&device) {
            if known.code != code {
                let until = now.plus(GRACE_SECONDS * MICROS_PER_SECOND);
                known.old_code = Some((known.code, until));
            }
            (known.code, known.address, known.seen_at) = (code, address, now);
            known.hello = hello.clone();
            return Ok(());
        }
        waiting.retain(|_, device| device.is_there(now));
        let of_address = |waiting: &HashMap<_, Waiting>, address: IpAddr| {
            let address = party(address);
            waiting.values().filter(|device| party(device.address) == address).count()
        };
        if of_address(&waiting, address) >= MAX_WAITING_PER_ADDRESS {
            return Err(Full::Address);
        }
        if waiting.len() >= MAX_WAITING {
            make_room(&mut waiting);
        }
        let (hello, since) = (hello.clone(), now);
        let newcomer = Waiting { hello, address, since, seen_at: now, code, old_code: None };
        waiting.insert(device, newcomer);
        Ok(())
    }

    /// The device that shows `code`, asked for by a person who sits at `address`. A code that nobody
    /// shows counts as an attempt of both.
    ///
    /// # Errors
    /// Every [`Missed`].
    pub fn find(
        &self,
        code: Code,
        who: &str,
        address: IpAddr,
        now: UnixMicros,
    ) -> Result<(Fingerprint, Waiting), Missed> {
        let mut guesses = self.guesses.lock().unwrap_or_else(PoisonError::into_inner);
        let (people, addresses) = &mut *guesses;
        let (who, address) = (who.to_owned(), party(address));
        people.admit(&who, now).map_err(Missed::TooMany)?;
        if let Err(seconds) = addresses.admit(&address, now) {
            people.forgive(&who);
            return Err(Missed::TooMany(seconds));
        }
        let found = self.showing(code, now)?;
        people.forgive(&who);
        addresses.forgive(&address);
        Ok(found)
    }

    /// A device no longer waits.
    pub fn forget(&self, device: Fingerprint) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&device);
    }

    /// Devices that wait.
    #[must_use]
    pub fn count(&self) -> usize {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn showing(&self, code: Code, now: UnixMicros) -> Result<(Fingerprint, Waiting), Missed> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = waiting.iter().filter(|(_, it)| it.is_there(now) && it.shows(code, now));
        let (device, first) = found.next().ok_or(Missed::Unknown)?;
        if found.next().is_some() {
            return Err(Missed::Several);
        }
        Ok((*device, first.clone()))
    }
}

impl Waiting {
    /// Until when its code may be entered, if it goes on waiting.
    #[must_use]
    pub fn code_ends_at(&self) -> UnixMicros {
        let hour = CODE_SECONDS * MICROS_PER_SECOND;
        UnixMicros((self.seen_at.0 / hour + 1) * hour)
    }

    fn is_there(&self, now: UnixMicros) -> bool {
        now.since(self.seen_at) <= FORGOTTEN_SECONDS * MICROS_PER_SECOND
    }

    fn shows(&self, code: Code, now: UnixMicros) -> bool {
        self.code == code || self.old_code.is_some_and(|(old, until)| old == code && now < until)
    }
}

/// The address that has the most gives back the place that it has had longest: whoever fills the table
/// loses it, and a customer with one box does not.
fn make_room(waiting: &mut HashMap<Fingerprint, Waiting>) {
    let mut counts = HashMap::<IpAddr, usize>::new();
    for device in waiting.values() {
        *counts.entry(party(device.address)).or_default() += 1;
    }
    let leaves = waiting
        .iter()
        .max_by_key(|(_, device)| {
            (counts.get(&party(device.address)).copied(), u64::MAX - device.since.0)
        })
        .map(|(device, _)| *device);
    if let Some(device) = leaves {
        waiting.remove(&device);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::tests::hello;

    const NOW: UnixMicros = UnixMicros(1_795_521_600 * MICROS_PER_SECOND);

    fn device(number: u32) -> Fingerprint {
        let mut device = [0; 16];
        device[..4].copy_from_slice(&number.to_be_bytes());
        Fingerprint(device)
    }

    fn code(number: u8) -> Code {
        Code::of(&[number; 32])
    }

    fn address(number: u32) -> IpAddr {
        IpAddr::from((0x0a00_0000 + number).to_be_bytes())
    }

    fn wait(
        claims: &Claims,
        number: u32,
        shown: u8,
        from: u32,
        now: UnixMicros,
    ) -> Result<(), Full> {
        claims.wait(device(number), &hello([1; 32], "box", now), code(shown), address(from), now)
    }

    fn seconds(seconds: u64) -> UnixMicros {
        NOW.plus(seconds * MICROS_PER_SECOND)
    }

    #[test]
    fn a_code_finds_its_device_as_long_as_that_waits() {
        let claims = Claims::default();
        wait(&claims, 1, 1, 1, NOW).expect("waits");
        wait(&claims, 2, 2, 1, NOW).expect("waits");
        let find = |shown, now| claims.find(code(shown), "eva", address(9), now).map(|it| it.0);
        assert_eq!(find(2, NOW), Ok(device(2)));
        assert_eq!(find(3, NOW), Err(Missed::Unknown));
        assert_eq!(find(2, seconds(FORGOTTEN_SECONDS)), Ok(device(2)));
        assert_eq!(find(2, seconds(FORGOTTEN_SECONDS + 1)), Err(Missed::Unknown));
        claims.forget(device(1));
        assert_eq!(find(1, NOW), Err(Missed::Unknown));
    }

    #[test]
    fn the_hour_s_last_code_counts_for_ten_minutes_more() {
        let claims = Claims::default();
        wait(&claims, 1, 1, 1, NOW).expect("waits");
        let later = seconds(30);
        wait(&claims, 1, 2, 1, later).expect("waits");
        let mut now = later;
        let find = |shown, now| claims.find(code(shown), "eva", address(9), now).map(|it| it.0);
        assert_eq!(find(1, now), Ok(device(1)));
        for _ in 0..GRACE_SECONDS / 60 {
            now = now.plus(60 * MICROS_PER_SECOND);
            wait(&claims, 1, 2, 1, now).expect("waits");
        }
        assert_eq!(find(1, now), Err(Missed::Unknown));
        assert_eq!(find(2, now), Ok(device(1)));
    }

    #[test]
    fn a_code_that_two_show_is_nobody_s() {
        let claims = Claims::default();
        wait(&claims, 1, 1, 1, NOW).expect("waits");
        wait(&claims, 2, 1, 2, NOW).expect("waits");
        let found = claims.find(code(1), "eva", address(9), NOW);
        assert_eq!(found.err(), Some(Missed::Several));
    }

    #[test]
    fn wrong_codes_are_limited_for_a_person_and_for_an_address() {
        let claims = Claims::default();
        wait(&claims, 1, 1, 1, NOW).expect("waits");
        let find = |who, shown, from| claims.find(code(shown), who, address(from), NOW).err();
        for _ in 0..MAX_WRONG_CODES {
            assert_eq!(find("eva", 1, 9), None, "right ones are not counted");
            assert_eq!(find("eva", 7, 9), Some(Missed::Unknown));
        }
        let limited = Some(Missed::TooMany(GUESS_WINDOW_SECONDS));
        assert_eq!(find("eva", 1, 8), limited, "wherever she sits");
        assert_eq!(find("otto", 1, 9), limited, "whoever sits there");
        assert_eq!(find("otto", 1, 8), None);
    }

    #[test]
    fn evict_from_the_address_that_has_the_most() {
        let claims = Claims::default();
        wait(&claims, 0, 1, 0, NOW).expect("one box of a customer");
        for number in 1..10_000_u32 {
            // More than the table holds, from a few hundred addresses.
            let from = 1 + number % 300;
            let _ = wait(&claims, number, 2, from, seconds(u64::from(number % 60)));
            assert!(claims.count() <= MAX_WAITING);
        }
        let found = claims.find(code(1), "eva", address(9), seconds(60)).map(|it| it.0);
        assert_eq!(found, Ok(device(0)), "it still waits");
    }

    #[test]
    fn one_address_has_a_share() {
        let claims = Claims::default();
        let many = u32::try_from(MAX_WAITING_PER_ADDRESS).expect("few");
        for number in 0..many {
            wait(&claims, number, 1, 1, NOW).expect("waits");
        }
        assert_eq!(wait(&claims, many, 1, 1, NOW), Err(Full::Address));
        wait(&claims, 0, 1, 1, NOW).expect("one that waits goes on");
        for _ in 0..MAX_CLAIMS_PER_ADDRESS {
            claims.admit(address(1), NOW).expect("admitted");
        }
        assert_eq!(claims.admit(address(1), NOW), Err(Full::TooOften(CLAIM_WINDOW_SECONDS)));
        claims.admit(address(2), NOW).expect("another address");
    }
}
