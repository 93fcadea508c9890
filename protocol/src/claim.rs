//! The claim code: how a device that was given no token joins a customer.
//!
//! The device shows eight characters to whoever stands before it, and waits at the cloud:
//!
//! ```text
//! sensor                                    cloud
//!   Hello     ------------------------------>  not known
//!             <------------------------------  Challenge
//!   Claim     ------------------------------>  nonce, key, code; parked
//!                                              an administrator enters the code and accepts
//!             <------------------------------  ClaimAnswer (the customer), or nobody has yet
//! ```
//!
//! The code comes from the device's key and the hour, so nobody keeps it and neither side invents it:
//!
//! ```text
//! signature = Ed25519 over "ringside claim code v1\0" and the hour (64 bits, big-endian)
//! code      = the first 40 bits of SHA-256 over the signature
//! ```
//!
//! Only the holder of the key can make that signature, and Ed25519 makes the same one each time (RFC
//! 8032 §5.1.6). A code is worth nothing two hours later.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::message::{Prove, signature};
use crate::time::{MICROS_PER_SECOND, UnixMicros};

/// How long a code is the device's, seconds.
pub const CODE_SECONDS: u64 = 3600;

/// The longest that a claim waits for its answer, seconds.
pub const MAX_CLAIM_SECONDS: u16 = 45;

/// Characters of a code.
pub const CODE_CHARS: usize = 8;

/// Crockford's alphabet: without I, L, O and U, so that no two characters look alike.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// "I belong to nobody. Somebody may accept me by this code."
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The proof comes with it.
    pub prove: Prove,
    /// The hour that the code is of: see [`hour`].
    pub hour: u64,
    /// Ed25519 over [`code_message`].
    #[serde(with = "signature")]
    pub code_signature: [u8; 64],
    /// How long to wait, at most [`MAX_CLAIM_SECONDS`].
    pub wait_seconds: u16,
}

/// What has come of a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimAnswer {
    /// Whom the device belongs to now; `None` as long as nobody has accepted it.
    pub customer: Option<String>,
}

/// The hour of a time: codes are of the cloud's hour, which the challenge tells.
#[must_use]
pub const fn hour(at: UnixMicros) -> u64 {
    at.0 / (CODE_SECONDS * MICROS_PER_SECOND)
}

/// What a device signs for its code of an hour.
#[must_use]
pub fn code_message(hour: u64) -> Vec<u8> {
    let mut message = b"ringside claim code v1\0".to_vec();
    message.extend_from_slice(&hour.to_be_bytes());
    message
}

/// A claim code: 40 bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code(u64);

impl Code {
    /// The code of a signature over [`code_message`], given SHA-256 of that signature.
    #[must_use]
    pub const fn of(signature_sha256: &[u8; 32]) -> Self {
        let [a, b, c, d, e, ..] = *signature_sha256;
        Self(u64::from_be_bytes([0, 0, 0, a, b, c, d, e]))
    }
}

impl fmt::Display for Code {
    /// As in `7KQX-M2AB`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for place in 0..CODE_CHARS {
            if place == CODE_CHARS / 2 {
                f.write_str("-")?;
            }
            let digit = self.0 >> (5 * (CODE_CHARS - 1 - place)) & 31;
            let digit = usize::try_from(digit).unwrap_or(0);
            write!(f, "{}", char::from(ALPHABET[digit]))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Code {
    /// Logs are read by more people than a code is for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(hidden)")
    }
}

/// Why a text is no claim code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeError {
    /// It has not [`CODE_CHARS`] characters.
    Length,
    /// It holds a character that no code holds.
    Character(char),
}

impl fmt::Display for CodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length => write!(f, "a claim code has {CODE_CHARS} letters and digits"),
            Self::Character(other) => write!(f, "no claim code holds {other:?}"),
        }
    }
}

impl core::error::Error for CodeError {}

impl FromStr for Code {
    type Err = CodeError;

    /// Reads a code as people type it: in any case, with or without the dash, O for 0, I and L for 1.
    fn from_str(text: &str) -> Result<Self, CodeError> {
        let (mut bits, mut count) = (0, 0);
        for letter in text.chars().filter(|letter| !letter.is_whitespace() && *letter != '-') {
            let plain = match letter.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                other => other,
            };
            let digit = (0_u64..).zip(ALPHABET).find(|(_, it)| char::from(**it) == plain);
            let (digit, _) = digit.ok_or(CodeError::Character(letter))?;
            count += 1;
            if count > CODE_CHARS {
                return Err(CodeError::Length);
            }
            bits = bits << 5 | digit;
        }
        if count == CODE_CHARS { Ok(Self(bits)) } else { Err(CodeError::Length) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_code_is_the_first_forty_bits() {
        let mut hash = [0; 32];
        assert_eq!(Code::of(&hash).to_string(), "0000-0000");
        hash[..5].fill(0xff);
        assert_eq!(Code::of(&hash).to_string(), "ZZZZ-ZZZZ");
        hash[..6].copy_from_slice(&[0x08, 0x42, 0x10, 0x84, 0x21, 0xff]);
        assert_eq!(Code::of(&hash).to_string(), "1111-1111");
    }

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let code: Result<Code, _> = "7KQX-M01B".parse();
        assert!(code.is_ok());
        for typed in ["7kqxm01b", " 7KQX MOLB ", "7-K-Q-X-M-o-i-b"] {
            assert_eq!(typed.parse(), code, "{typed}");
        }
        assert_eq!("7KQX-M01".parse::<Code>(), Err(CodeError::Length));
        assert_eq!("7KQX-M01BB".parse::<Code>(), Err(CodeError::Length));
        assert_eq!("".parse::<Code>(), Err(CodeError::Length));
        assert_eq!("7KQU-M01B".parse::<Code>(), Err(CodeError::Character('U')));
        assert_eq!("7KQ€-M01B".parse::<Code>(), Err(CodeError::Character('€')));
    }

    #[test]
    fn an_hour_ends_with_its_last_microsecond() {
        let second = |seconds: u64| UnixMicros(seconds * MICROS_PER_SECOND);
        assert_eq!(hour(second(CODE_SECONDS * 7)), 7);
        assert_eq!(hour(UnixMicros(second(CODE_SECONDS * 8).0 - 1)), 7);
    }

    proptest! {
        #[test]
        fn every_code_survives_its_text(hash: [u8; 32]) {
            let code = Code::of(&hash);
            prop_assert_eq!(code.to_string().parse(), Ok(code));
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = text.parse::<Code>();
        }
    }
}
