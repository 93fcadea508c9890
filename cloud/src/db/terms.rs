//! What calls can be found by without looking at all of them: numbers, their ends, addresses,
//! sensors, statuses and MOS.
//!
//! Each call has a few terms, in a table beside its day's. A search for a term goes through the
//! buckets of ten minutes from the newest on, which keeps three things small: what a batch of calls
//! writes, what has to be put in order, and what is looked at before a page is full.

use core::net::IpAddr;

use ringside_protocol::cdr::{Cdr, Fingerprint};
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};

use super::search::{Position, Span};
use super::{Connection, Customer, Result, params};

/// Microseconds in a bucket.
pub(super) const BUCKET: u64 = 600 * MICROS_PER_SECOND;

/// Bytes of a number that its term has; the rest is looked at in the call.
const NUMBER_BYTES: usize = 24;

/// Bytes of a number's end that its term has.
const END_BYTES: usize = 12;

/// Addresses of a call that have terms.
const MAX_ADDRESSES: usize = 16;

const NUMBER: u8 = b'n';
const END: u8 = b'e';
const ADDRESS: u8 = b'a';
const SENSOR: u8 = b'd';
const STATUS: u8 = b's';
const MOS: u8 = b'm';

/// A term, or the beginning of some.
pub(super) type Term = Vec<u8>;

/// Terms that lie together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first that belongs to it.
    from: Term,
    /// The first that does not.
    until: Term,
}

impl Range {
    /// This number, in any case of ASCII letters.
    #[must_use]
    pub fn number(number: &str) -> Self {
        match number.len() {
            0..NUMBER_BYTES => Self::exactly(begin(NUMBER, number.bytes(), NUMBER_BYTES)),
            _ => Self::number_prefix(number),
        }
    }

    /// Numbers that begin so.
    #[must_use]
    pub fn number_prefix(prefix: &str) -> Self {
        Self::beginning(begin(NUMBER, prefix.bytes(), NUMBER_BYTES))
    }

    /// Numbers that end so.
    #[must_use]
    pub fn number_suffix(suffix: &str) -> Self {
        Self::beginning(begin(END, suffix.bytes().rev(), END_BYTES))
    }

    /// Addresses from the first to the last of a network.
    #[must_use]
    pub fn addresses(first: IpAddr, last: IpAddr) -> Self {
        Self { from: address(first), until: after(address(last)) }
    }

    /// Calls that this sensor saw.
    #[must_use]
    pub fn sensor(device: Fingerprint) -> Self {
        Self::exactly(sensor(device))
    }

    /// Final responses from the first to the last.
    #[must_use]
    pub fn statuses(first: i64, last: i64) -> Self {
        Self { from: figure(STATUS, first), until: after(figure(STATUS, last)) }
    }

    /// MOS from the first to the last, 1/100.
    #[must_use]
    pub fn mos(first: i64, last: i64) -> Self {
        Self { from: figure(MOS, first), until: after(figure(MOS, last)) }
    }

    fn exactly(term: Term) -> Self {
        Self { until: after(term.clone()), from: term }
    }

    /// Terms that begin so. They are UTF-8, which has no byte 0xff.
    fn beginning(prefix: Term) -> Self {
        let mut until = prefix.clone();
        until.push(0xff);
        Self { from: prefix, until }
    }
}

/// The next term after this one.
fn after(mut term: Term) -> Term {
    term.push(0);
    term
}

fn begin(kind: u8, text: impl Iterator<Item = u8>, at_most: usize) -> Term {
    let text = text.map(|byte| byte.to_ascii_lowercase()).take(at_most);
    core::iter::once(kind).chain(text).collect()
}

fn address(address: IpAddr) -> Term {
    let mut term = vec![ADDRESS];
    match address.to_canonical() {
        IpAddr::V4(v4) => term.extend(v4.octets()),
        IpAddr::V6(v6) => term.extend(v6.octets()),
    }
    term
}

/// Half a fingerprint is enough: the call has all of it.
fn sensor(device: Fingerprint) -> Term {
    core::iter::once(SENSOR).chain(device.0.into_iter().take(8)).collect()
}

fn figure(kind: u8, figure: i64) -> Term {
    let [high, low] = u16::try_from(figure.clamp(0, 0xffff)).unwrap_or(u16::MAX).to_be_bytes();
    vec![kind, high, low]
}

/// The terms of a call, each once.
pub(super) fn of_call(cdr: &Cdr, device: Fingerprint, mos: Option<u16>) -> Vec<Term> {
    let mut terms = vec![sensor(device)];
    for user in [&cdr.caller.user, &cdr.callee.user] {
        let user = super::search::column(user);
        terms.push(begin(NUMBER, user.bytes(), NUMBER_BYTES));
        terms.push(begin(END, user.bytes().rev(), END_BYTES));
    }
    let addresses = cdr.addresses.iter().take(4 * MAX_ADDRESSES);
    let mut addresses: Vec<_> = addresses.map(|it| address(it.ip())).collect();
    addresses.sort_unstable();
    addresses.dedup();
    terms.extend(addresses);
    terms.extend(cdr.status.as_ref().map(|status| figure(STATUS, status.code.into())));
    terms.extend(mos.map(|mos| figure(MOS, mos.into())));
    terms.sort_unstable();
    terms.dedup();
    terms
}

/// The table of terms that belongs to a day's table of calls.
pub(super) fn table(calls: &str) -> String {
    calls.replacen("cdr_", "term_", 1)
}

/// The days of calls that have terms.
pub(super) fn days(connection: &Connection) -> Result<Vec<String>> {
    if connection.as_sqlite().is_none() {
        return Ok(Vec::new());
    }
    let mut statement = connection.prepare_cached("SELECT name FROM counted_day")?;
    statement.query_map([], |row| row.get(0))?.collect()
}

/// A bucket's number.
pub(super) fn bucket(ended_at: UnixMicros) -> i64 {
    i64::try_from(ended_at.0 / BUCKET).unwrap_or(i64::MAX)
}

/// The place before which all of a bucket's calls are.
pub(super) fn begin_of(bucket: i64) -> Position {
    Position {
        ended_at: UnixMicros(bucket.unsigned_abs() * BUCKET),
        device: Fingerprint([0; 16]),
        boot: ringside_protocol::cdr::Boot([0; 16]),
        number: 0,
    }
}

/// The buckets of a customer's day within `span`, the newest first.
pub(super) fn buckets(
    reader: &Connection,
    customer: Customer,
    calls: &str,
    span: Span,
) -> Result<Vec<i64>> {
    let hours = super::hours::of_day(reader, customer, calls)?;
    let per_hour = i64::try_from(super::stats::HOUR / BUCKET).unwrap_or(1);
    let last = bucket(UnixMicros(span.until.0.saturating_sub(1)));
    let first = bucket(span.from);
    let all = hours.into_iter().flat_map(|hour| {
        let begin = bucket(hour);
        (begin..begin + per_hour).rev()
    });
    Ok(all.filter(|it| (first..=last).contains(it)).collect())
}

/// The calls (by their rowid) of a bucket that have a term of one of the ranges.
pub(super) fn find(
    reader: &Connection,
    customer: Customer,
    calls: &str,
    bucket: i64,
    ranges: &[Range],
) -> Result<Vec<i64>> {
    let mut statement = reader.prepare_cached(&format!(
        "SELECT call FROM {} WHERE customer = ?1 AND bucket = ?2 AND term >= ?3 AND term < ?4",
        table(calls)
    ))?;
    let mut found = Vec::new();
    for range in ranges {
        let mut rows = statement.query(params![customer.0, bucket, &range.from, &range.until])?;
        while let Some(row) = rows.next()? {
            found.push(row.get(0)?);
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Keeps the terms of a day's calls, in their order: what lies together is written together.
pub(super) fn keep(
    tx: &Connection,
    customer: Customer,
    calls: &str,
    mut terms: Vec<(i64, Term, i64)>,
) -> Result<()> {
    terms.sort_unstable();
    let mut statement = tx.prepare_cached(&format!(
        "INSERT INTO {} (customer, bucket, term, call) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO \
         NOTHING",
        table(calls)
    ))?;
    for (bucket, term, call) in &terms {
        statement.execute(params![customer.0, bucket, term, call])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_what_it_says_and_nothing_else() {
        let number = |text: &str| begin(NUMBER, text.bytes(), NUMBER_BYTES);
        let end = |text: &str| begin(END, text.bytes().rev(), END_BYTES);
        let long = "1".repeat(40);
        for (range, term, holds) in [
            (Range::number("4930"), number("4930"), true),
            (Range::number("4930"), number("49301"), false),
            (Range::number("4930"), number("493"), false),
            (Range::number("Anna"), number("aNNa"), true),
            (Range::number(""), number(""), true),
            (Range::number(&long), number(&long), true),
            (Range::number_prefix("493"), number("4930"), true),
            (Range::number_prefix("493"), number("494"), false),
            (Range::number_prefix("é"), number("été"), true),
            (Range::number_suffix("123"), end("4930123"), true),
            (Range::number_suffix("123"), end("1234"), false),
            (Range::number_suffix(&long), end(&long), true),
            (Range::statuses(400, 499), figure(STATUS, 486), true),
            (Range::statuses(400, 499), figure(STATUS, 500), false),
            (Range::mos(0, 250), figure(MOS, 250), true),
            (Range::mos(0, 250), figure(STATUS, 200), false),
        ] {
            assert_eq!((range.from..range.until).contains(&term), holds, "{term:?}");
        }
    }

    #[test]
    fn networks_are_ranges_of_addresses() {
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        let range = Range::addresses(ip("192.0.2.0"), ip("192.0.2.255"));
        let range = range.from..range.until;
        assert!(range.contains(&address(ip("192.0.2.255"))));
        assert!(range.contains(&address(ip("::ffff:192.0.2.7"))));
        assert!(!range.contains(&address(ip("192.0.3.0"))));
    }
}
