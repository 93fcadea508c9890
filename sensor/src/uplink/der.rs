//! The three things that the uplink reads out of an X.509 certificate (RFC 5280 §4.1): when it is
//! valid, its public key, and nothing else.
//!
//! ```text
//! Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signature }
//! TBSCertificate ::= SEQUENCE {
//!     [0] version OPTIONAL, serialNumber INTEGER, signature SEQUENCE, issuer SEQUENCE,
//!     validity SEQUENCE { notBefore Time, notAfter Time }, subject SEQUENCE,
//!     subjectPublicKeyInfo SEQUENCE, ... }
//! ```
//!
//! Nothing is decided here: rustls verifies. This is for sentences, and for the pin.

use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// Bytes that are no certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotACertificate;

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Certificate<'a> {
    /// The first moment of its validity.
    pub(super) not_before: UnixMicros,
    /// The last.
    pub(super) not_after: UnixMicros,
    /// SubjectPublicKeyInfo, its outer SEQUENCE included.
    pub(super) public_key_info: &'a [u8],
}

impl<'a> Certificate<'a> {
    /// Reads a DER certificate.
    pub(super) fn parse(der: &'a [u8]) -> Result<Self, NotACertificate> {
        let mut certificate = Der(Der(der).content(SEQUENCE)?);
        let mut tbs = Der(certificate.content(SEQUENCE)?);
        if tbs.tag() == Some(VERSION) {
            tbs.content(VERSION)?;
        }
        tbs.content(INTEGER)?;
        tbs.content(SEQUENCE)?;
        tbs.content(SEQUENCE)?;
        let mut validity = Der(tbs.content(SEQUENCE)?);
        let (not_before, not_after) = (validity.time()?, validity.time()?);
        tbs.content(SEQUENCE)?;
        let (public_key_info, _) = tbs.value(SEQUENCE)?;
        Ok(Self { not_before, not_after, public_key_info })
    }
}

/// A cursor over DER values (X.690 §8).
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn tag(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The next value's content; it must have this tag.
    fn content(&mut self, tag: u8) -> Result<&'a [u8], NotACertificate> {
        self.value(tag).map(|(_, content)| content)
    }

    /// The next value, whole and its content alone.
    fn value(&mut self, tag: u8) -> Result<(&'a [u8], &'a [u8]), NotACertificate> {
        if self.tag() != Some(tag) {
            return Err(NotACertificate);
        }
        let (head, length) = self.length().ok_or(NotACertificate)?;
        let end = head.checked_add(length).ok_or(NotACertificate)?;
        let (whole, rest) = self.0.split_at_checked(end).ok_or(NotACertificate)?;
        self.0 = rest;
        Ok((whole, &whole[head..]))
    }

    /// Bytes of tag and length, and the length: short form, or long form of up to four bytes.
    fn length(&self) -> Option<(usize, usize)> {
        let first = *self.0.get(1)?;
        if first < 0x80 {
            return Some((2, usize::from(first)));
        }
        let count = usize::from(first & 0x7f);
        if !(1..=4).contains(&count) {
            return None;
        }
        let bytes = self.0.get(2..2 + count)?;
        let length = bytes.iter().fold(0, |length, &byte| length << 8 | usize::from(byte));
        Some((2 + count, length))
    }

    /// UTCTime `YYMMDDHHMMSSZ` or GeneralizedTime `YYYYMMDDHHMMSSZ` (RFC 5280 §4.1.2.5).
    fn time(&mut self) -> Result<UnixMicros, NotACertificate> {
        let (text, year_digits) = match self.tag() {
            Some(UTC_TIME) => (self.content(UTC_TIME)?, 2),
            Some(GENERALIZED_TIME) => (self.content(GENERALIZED_TIME)?, 4),
            _ => return Err(NotACertificate),
        };
        parse_time(text, year_digits).ok_or(NotACertificate)
    }
}

fn parse_time(text: &[u8], year_digits: usize) -> Option<UnixMicros> {
    if text.len() != year_digits + 11 || text.last() != Some(&b'Z') {
        return None;
    }
    let digits = |from: usize, count: usize| -> Option<u64> {
        let digits = text.get(from..from + count)?;
        digits.iter().try_fold(0, |value, digit| {
            digit.is_ascii_digit().then(|| value * 10 + u64::from(digit - b'0'))
        })
    };
    let year = match (year_digits, digits(0, year_digits)?) {
        (2, year) if year >= 50 => 1900 + year,
        (2, year) => 2000 + year,
        (_, year) => year,
    };
    let field = |index: usize| digits(year_digits + 2 * index, 2);
    let (month, day) = (field(0)?, field(1)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let days = days_since_epoch(year, month, day);
    let seconds = days * 86_400 + field(2)? * 3600 + field(3)? * 60 + field(4)?;
    Some(UnixMicros(seconds * MICROS_PER_SECOND))
}

/// Days from 1970-01-01 to a date; 0 for earlier ones.
const fn days_since_epoch(year: u64, month: u64, day: u64) -> u64 {
    // Years begin on 1 March here, so that the leap day is the year's last.
    let (year, month) =
        if month <= 2 { (year.saturating_sub(1), month + 9) } else { (year, month - 3) };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    (365 * year + year / 4 - year / 100 + year / 400 + day_of_year).saturating_sub(719_468)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::PublicKeyData;

    use super::*;

    #[test]
    fn a_certificate_s_validity_and_key_are_read() {
        let key = rcgen::KeyPair::generate().expect("key");
        let mut params =
            rcgen::CertificateParams::new(vec!["a.example".to_owned()]).expect("params");
        params.not_before = rcgen::date_time_ymd(2026, 2, 28);
        params.not_after = rcgen::date_time_ymd(2061, 12, 31);
        let certificate = params.self_signed(&key).expect("certificate");
        let read = Certificate::parse(certificate.der()).expect("readable");
        assert_eq!(read.not_before.to_rfc3339(), "2026-02-28T00:00:00.000000Z");
        assert_eq!(read.not_after.to_rfc3339(), "2061-12-31T00:00:00.000000Z");
        assert_eq!(read.public_key_info, key.subject_public_key_info());
    }

    #[test]
    fn both_forms_of_time_are_read() {
        let time =
            |text: &str, digits| parse_time(text.as_bytes(), digits).map(UnixMicros::to_rfc3339);
        assert_eq!(time("000229120001Z", 2).expect("time"), "2000-02-29T12:00:01.000000Z");
        assert_eq!(time("20501231235959Z", 4).expect("time"), "2050-12-31T23:59:59.000000Z");
        assert_eq!(time("700101000000Z", 2).expect("time"), "1970-01-01T00:00:00.000000Z");
        for wrong in ["", "000229120001", "001329120001Z", "00022912000xZ"] {
            assert_eq!(parse_time(wrong.as_bytes(), 2), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_certificate_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            _ = Certificate::parse(&bytes);
        }

        #[test]
        fn a_damaged_certificate_never_panics(at in 0usize..300, byte: u8) {
            let key = rcgen::KeyPair::generate().expect("key");
            let params = rcgen::CertificateParams::new(Vec::new()).expect("params");
            let mut der = params.self_signed(&key).expect("certificate").der().to_vec();
            let at = at % der.len();
            der[at] = byte;
            _ = Certificate::parse(&der);
        }
    }
}
