//! The box's PIN: who holds it may change something.

use core::time::Duration;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use ring::digest::{SHA256, digest};

/// Wrong ones in a row that are answered at once.
pub(super) const FREE_TRIES: u32 = 5;

/// After that, one try in so long: 4 digits take a week, 8 take years.
pub(super) const PAUSE: Duration = Duration::from_secs(60);

/// What came of a PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Right,
    Wrong,
    /// It was not looked at; try again in so many seconds.
    TooOften(u64),
    /// There is none: nothing can be changed.
    NoPin,
}

/// The door.
#[derive(Debug)]
pub(super) struct Pin {
    file: Option<PathBuf>,
    wrong: Mutex<(u32, Option<Instant>)>,
}

impl Pin {
    pub(super) fn new(file: Option<PathBuf>) -> Self {
        Self { file, wrong: Mutex::default() }
    }

    pub(super) fn is_set(&self) -> bool {
        self.read().is_some()
    }

    /// Looks at `given`. One is looked at after the other, whoever asks.
    pub(super) fn check(&self, given: &str, now: Instant) -> Verdict {
        let Some(pin) = self.read() else { return Verdict::NoPin };
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, last) = *wrong;
        if let Some(last) = last.filter(|_| count >= FREE_TRIES) {
            let left = (last + PAUSE).saturating_duration_since(now);
            if !left.is_zero() {
                return Verdict::TooOften(left.as_secs() + 1);
            }
        }
        if is_same(&pin, given.trim()) {
            *wrong = (0, None);
            return Verdict::Right;
        }
        *wrong = (count.saturating_add(1), Some(now));
        log::warn!("a wrong PIN was entered on the status page");
        Verdict::Wrong
    }

    fn read(&self) -> Option<String> {
        let pin = fs::read_to_string(self.file.as_ref()?).ok()?;
        let pin = pin.trim();
        // Nobody's idea of a secret.
        (pin.len() >= 4).then(|| pin.to_owned())
    }
}

/// In a time that tells nothing about where the two differ: of their hashes every byte is compared.
fn is_same(a: &str, b: &str) -> bool {
    let hashes = [a, b].map(|text| digest(&SHA256, text.as_bytes()));
    let [a, b] = hashes.each_ref().map(AsRef::as_ref);
    a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::test_dir::TestDir;

    #[test]
    fn wrong_pins_slow_everybody_down_and_the_right_one_ends_that() {
        let dir = TestDir::new();
        let file = dir.path().join("pin");
        let pin = Pin::new(Some(file.clone()));
        let begun = Instant::now();
        assert_eq!((pin.check("", begun), pin.is_set()), (Verdict::NoPin, false));
        fs::write(&file, "12\n").expect("write");
        assert_eq!(pin.check("12", begun), Verdict::NoPin, "too short to be one");
        fs::write(&file, "80915\n").expect("write");
        assert_eq!(pin.check(" 80915 ", begun), Verdict::Right);
        for _ in 0..FREE_TRIES {
            assert_eq!(pin.check("80916", begun), Verdict::Wrong);
        }
        assert_eq!(pin.check("80915", begun), Verdict::TooOften(61), "not even looked at");
        assert_eq!(pin.check("80914", begun + PAUSE), Verdict::Wrong);
        assert_eq!(pin.check("80915", begun + PAUSE), Verdict::TooOften(61));
        assert_eq!(pin.check("80915", begun + 2 * PAUSE), Verdict::Right);
        assert_eq!(pin.check("80916", begun + 2 * PAUSE), Verdict::Wrong);
    }

    #[test]
    fn without_a_file_there_is_no_pin() {
        assert_eq!(Pin::new(None).check("1234", Instant::now()), Verdict::NoPin);
    }
}
