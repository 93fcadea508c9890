//! What we need to know of an X.509 certificate (RFC 5280 §4.1).
//!
//! ```text
//! Certificate ::= SEQUENCE {
//!   tbsCertificate SEQUENCE {
//!     [0] version, serialNumber, signature, issuer,
//!     validity SEQUENCE { notBefore, notAfter },
//!     subject, subjectPublicKeyInfo, ..., [3] extensions },
//!   signatureAlgorithm, signatureValue }
//! ```

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;

/// 2.5.29.17, RFC 5280 §4.2.1.6.
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// 2.5.29.19, RFC 5280 §4.2.1.9.
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];

/// Facts of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// SubjectPublicKeyInfo, DER, its outer SEQUENCE included.
    pub(super) public_key: Vec<u8>,
    /// Seconds since the epoch.
    pub(super) not_before: i64,
    /// Seconds since the epoch.
    pub(super) not_after: i64,
    /// DNS names in lower case, and addresses.
    pub(super) names: Vec<String>,
    /// It may sign others.
    pub(super) is_ca: bool,
}

/// Reads a certificate; `None` where it is none.
pub(super) fn read(der: &[u8]) -> Option<Facts> {
    let mut certificate = Der(Der(der).take(SEQUENCE)?);
    let mut tbs = Der(certificate.take(SEQUENCE)?);
    if tbs.tag() == Some(VERSION) {
        tbs.take(VERSION)?;
    }
    tbs.take(INTEGER)?;
    tbs.take(SEQUENCE)?;
    tbs.take(SEQUENCE)?;
    let mut validity = Der(tbs.take(SEQUENCE)?);
    let (not_before, not_after) = (validity.time()?, validity.time()?);
    tbs.take(SEQUENCE)?;
    let public_key = tbs.whole(SEQUENCE)?.to_vec();
    let mut facts = Facts { public_key, not_before, not_after, names: Vec::new(), is_ca: false };
    while let Some(tag) = tbs.tag() {
        let value = tbs.take(tag)?;
        if tag == EXTENSIONS {
            read_extensions(value, &mut facts)?;
        }
    }
    Some(facts)
}

fn read_extensions(value: &[u8], facts: &mut Facts) -> Option<()> {
    let mut extensions = Der(Der(value).take(SEQUENCE)?);
    while extensions.tag().is_some() {
        let mut extension = Der(extensions.take(SEQUENCE)?);
        let identifier = extension.take(OBJECT_IDENTIFIER)?;
        if extension.tag() != Some(OCTET_STRING) {
            let critical = extension.tag()?;
            extension.take(critical)?;
        }
        let mut value = Der(extension.take(OCTET_STRING)?);
        if identifier == SUBJECT_ALT_NAME {
            facts.names = names(value.take(SEQUENCE)?)?;
        } else if identifier == BASIC_CONSTRAINTS {
            facts.is_ca = value.take(SEQUENCE)?.starts_with(&[0x01, 0x01, 0xff]);
        }
    }
    Some(())
}

fn names(value: &[u8]) -> Option<Vec<String>> {
    let (mut general_names, mut names) = (Der(value), Vec::new());
    while let Some(tag) = general_names.tag() {
        let value = general_names.take(tag)?;
        match tag {
            DNS_NAME => names.push(core::str::from_utf8(value).ok()?.to_ascii_lowercase()),
            IP_ADDRESS => names.push(address(value)?.to_string()),
            _ => {}
        }
    }
    Some(names)
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(|four| Ipv4Addr::from(four).into());
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(|bytes| Ipv6Addr::from(bytes).into())).ok()
}

/// A run of DER values.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn tag(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The content of the next value, which has this tag.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.split(tag).map(|(_, content)| content)
    }

    /// The next value, its tag and length included.
    fn whole(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.split(tag).map(|(whole, _)| whole)
    }

    fn split(&mut self, tag: u8) -> Option<(&'a [u8], &'a [u8])> {
        let (&[found, first], rest) = self.0.split_first_chunk()?;
        if found != tag {
            return None;
        }
        let digits = usize::from(first).saturating_sub(0x80);
        let length = match digits {
            0 => usize::from(first),
            1..=3 => rest.get(..digits)?.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte)),
            _ => return None,
        };
        let (header, end) = (2 + digits, 2 + digits + length);
        let whole = self.0.get(..end)?;
        self.0 = &self.0[end..];
        Some((whole, &whole[header..]))
    }

    /// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ` (RFC 5280 §4.1.2.5), as seconds since the epoch.
    fn time(&mut self) -> Option<i64> {
        let tag = self.tag()?;
        let text = core::str::from_utf8(self.take(tag)?).ok()?.strip_suffix('Z')?;
        let (year, rest) = match tag {
            UTC_TIME => {
                let (year, rest) = text.split_at_checked(2)?;
                let year: i64 = year.parse().ok()?;
                (year + if year < 50 { 2000 } else { 1900 }, rest)
            }
            GENERALIZED_TIME => {
                let (year, rest) = text.split_at_checked(4)?;
                (year.parse().ok()?, rest)
            }
            _ => return None,
        };
        let field = |at: usize| rest.get(at..at + 2)?.parse::<i64>().ok();
        let days = days_from_civil(year, field(0)?, field(2)?);
        Some(days * 86_400 + field(4)? * 3600 + field(6)? * 60 + field(8)?)
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar.
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // Years begin on 1 March here, so that the leap day is the year's last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = (month + 9) % 12;
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!(days_from_civil(1970, 1, 1), 0);
        assert_eq!(days_from_civil(2000, 2, 29), 11_016);
        assert_eq!(days_from_civil(2000, 3, 1), 11_017);
        assert_eq!(days_from_civil(1969, 12, 31), -1);
    }

    #[test]
    fn both_kinds_of_time_are_read() {
        let utc = [&[UTC_TIME, 13][..], b"491231235959Z"].concat();
        assert_eq!(Der(&utc).time(), Some(2_524_607_999));
        let generalized = [&[GENERALIZED_TIME, 15][..], b"20500101000000Z"].concat();
        assert_eq!(Der(&generalized).time(), Some(2_524_608_000));
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_bytes_are_survived(bytes: Vec<u8>) {
            let _ = read(&bytes);
        }
    }
}
