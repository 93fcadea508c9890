//! The box's PIN: made when its disk is flashed, printed for a label, kept on the boot volume.

use ring::rand::{SecureRandom, SystemRandom};

/// File on the boot volume: the digits and a line's end.
pub const FILE: &str = "pin";

/// Digits of a PIN.
pub const DIGITS: usize = 8;

/// A new one; `None` where the system gives no random bytes.
#[must_use]
pub fn make() -> Option<String> {
    let random = SystemRandom::new();
    let mut digits = String::new();
    while digits.len() < DIGITS {
        let mut byte = [0];
        random.fill(&mut byte).ok()?;
        // 250 is the largest multiple of ten in a byte: every digit is as likely as the others.
        if byte[0] < 250 {
            digits.push(char::from(b'0' + byte[0] % 10));
        }
    }
    Some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_has_eight_digits_and_no_two_are_alike() {
        let pins = [make().expect("random"), make().expect("random")];
        for pin in &pins {
            assert_eq!(pin.len(), DIGITS);
            assert!(pin.bytes().all(|byte| byte.is_ascii_digit()));
        }
        assert_ne!(pins[0], pins[1]);
    }
}
