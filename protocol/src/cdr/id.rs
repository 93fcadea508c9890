//! What names a call: device, start, number.

use core::fmt;

use serde::{Deserialize, Serialize};

/// SHA-256 of a device's Ed25519 public key, its first 16 bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fingerprint(pub [u8; 16]);

/// 128 random bits drawn at every start of a sensor, so that a re-made data partition can never
/// repeat a call's id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Boot(pub [u8; 16]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Boot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Boot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A call's id: given at its first packet and used everywhere (record, store, ticket, API).
///
/// Its text is `FINGERPRINT-BOOT-NUMBER`: 32 hex digits, 32 hex digits, a decimal number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CallId {
    /// The device that saw the call.
    pub device: Fingerprint,
    /// The sensor's start during which it saw it.
    pub boot: Boot,
    /// Counts from 1 within the boot, in order of first packets.
    pub number: u64,
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.device, self.boot, self.number)
    }
}

impl core::str::FromStr for CallId {
    type Err = InvalidCallId;

    fn from_str(text: &str) -> Result<Self, InvalidCallId> {
        let mut parts = text.split('-');
        let mut key = || -> Option<[u8; 16]> {
            data_encoding::HEXLOWER.decode(parts.next()?.as_bytes()).ok()?.try_into().ok()
        };
        let device = Fingerprint(key().ok_or(InvalidCallId)?);
        let boot = Boot(key().ok_or(InvalidCallId)?);
        let number = parts.next().and_then(|n| n.parse().ok()).ok_or(InvalidCallId)?;
        if parts.next().is_some() {
            return Err(InvalidCallId);
        }
        Ok(Self { device, boot, number })
    }
}

/// A text that is no call id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidCallId;

impl fmt::Display for InvalidCallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a call id is FINGERPRINT-BOOT-NUMBER: 32 hex digits, 32 hex digits, a number")
    }
}

impl core::error::Error for InvalidCallId {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn call_id_survives_its_text() {
        let id = CallId { device: Fingerprint([7; 16]), boot: Boot([0xab; 16]), number: 42 };
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("1-2-3".parse::<CallId>(), Err(InvalidCallId));
        assert_eq!(format!("{id}-1").parse::<CallId>(), Err(InvalidCallId));
    }
}
