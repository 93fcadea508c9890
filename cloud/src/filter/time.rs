//! Points in time as people and programs write them.

use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};

/// Reads RFC 3339 (`2026-11-23T08:00:57Z`, with fraction and offset), a date alone (its midnight,
/// UTC), or seconds since the epoch (with a fraction).
#[must_use]
pub fn parse_time(text: &str) -> Option<UnixMicros> {
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return epoch_seconds(text);
    }
    let (date, time) = match text.split_at_checked(10)? {
        (date, "") => (date, "T00:00:00Z"),
        parts => parts,
    };
    let seconds = days_from_civil(date)?.checked_mul(86_400)?;
    // A plus sign of an offset that was not percent-encoded comes as a space.
    let time = time.strip_prefix(['T', 't', ' '])?;
    let (clock, rest) = time.split_at_checked(8)?;
    let (fraction, offset) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count()),
        None => ("0", rest),
    };
    let seconds =
        seconds.checked_add(clock_seconds(clock)?)?.checked_sub(offset_seconds(offset)?)?;
    let micros = u64::try_from(seconds).ok()?.checked_mul(MICROS_PER_SECOND)?;
    Some(UnixMicros(micros.checked_add(fraction_micros(fraction)?)?))
}

fn epoch_seconds(text: &str) -> Option<UnixMicros> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let micros = seconds.parse::<u64>().ok()?.checked_mul(MICROS_PER_SECOND)?;
    Some(UnixMicros(micros.checked_add(fraction_micros(fraction)?)?))
}

/// Digits after the point as microseconds; those beyond the sixth are cut.
fn fraction_micros(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    format!("{:0<6.6}", digits).parse().ok()
}

/// `HH:MM:SS`; a leap second counts as the one after it.
fn clock_seconds(text: &str) -> Option<i64> {
    let [h, m, s] = numbers(text, b':')?;
    (h < 24 && m < 60 && s <= 60).then_some(h * 3600 + m * 60 + s)
}

/// `Z`, `+HH:MM` or `-HH:MM`.
fn offset_seconds(text: &str) -> Option<i64> {
    if text.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+" | " ", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let [h, m, _] = numbers(&format!("{rest}:00"), b':')?;
    (h < 24 && m < 60).then_some(sign * (h * 3600 + m * 60))
}

/// Days since the epoch of `YYYY-MM-DD`.
fn days_from_civil(text: &str) -> Option<i64> {
    let [year, month, day] = numbers(text.get(2..)?, b'-')?;
    let year = text.get(..2)?.parse::<u8>().ok().map(i64::from)? * 100 + year;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    if year < 1970 || !(1..=length).contains(&day) {
        return None;
    }
    // Years begin on 1 March here, so that the leap day is the year's last.
    let shifted = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(365 * shifted + shifted / 4 - shifted / 100 + shifted / 400 + day_of_year - 719_468)
}

/// Three numbers of two digits.
fn numbers(text: &str, separator: u8) -> Option<[i64; 3]> {
    let [a, b, s, c, d, t, e, f] = <[u8; 8]>::try_from(text.as_bytes()).ok()?;
    let number = |tens: u8, ones: u8| {
        (tens.is_ascii_digit() && ones.is_ascii_digit())
            .then(|| i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
    };
    (s == separator && t == separator).then_some(())?;
    Some([number(a, b)?, number(c, d)?, number(e, f)?])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_read_as_they_are_written() {
        for (text, written) in [
            ("2026-11-23T08:00:59.453875Z", "2026-11-23T08:00:59.453875Z"),
            ("2026-11-23T08:00:59Z", "2026-11-23T08:00:59.000000Z"),
            ("2026-11-23t09:00:59.5+01:00", "2026-11-23T08:00:59.500000Z"),
            ("2026-11-23T09:00:59.5 01:00", "2026-11-23T08:00:59.500000Z"),
            ("2026-11-22T23:30:00-05:30", "2026-11-23T05:00:00.000000Z"),
            ("2024-02-29", "2024-02-29T00:00:00.000000Z"),
            ("1795420859.453875", "2026-11-23T08:00:59.453875Z"),
            ("0", "1970-01-01T00:00:00.000000Z"),
        ] {
            assert_eq!(parse_time(text).map(UnixMicros::to_rfc3339).as_deref(), Some(written));
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "yesterday",
            "2026-13-01",
            "2026-02-29",
            "2026-11-23T",
            "1969-12-31",
            "2026-11-23T24:00:00Z",
            "2026-11-23T08:00:59",
            "2026-11-23T08:00:59.Z",
            "2026-1-1",
            "99999999999999999999",
            "2026-11-23T08:00:59+1:00",
            "1970-01-01T00:00:00+01:00",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_time_survives_its_text(micros in 0..253_402_300_800_000_000_u64) {
            let at = UnixMicros(micros);
            prop_assert_eq!(parse_time(&at.to_rfc3339()), Some(at));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = parse_time(&text);
        }
    }
}
