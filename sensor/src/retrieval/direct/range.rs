//! Which part of a file is asked for (RFC 9110 §14).

/// What to answer to a `Range` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it: nothing else was asked for, or nothing that is understood.
    Whole,
    /// From the first byte up to the second, which is not part of it.
    Of(u64, u64),
    /// None of what was asked for is there: 416.
    None,
}

/// The part of a file of `length` bytes that `header` asks for. Of several parts none is given:
/// whoever asks for several must take the whole.
pub(super) fn part(header: Option<&str>, length: u64) -> Part {
    let Some(range) = header.and_then(|header| header.trim().strip_prefix("bytes=")) else {
        return Part::Whole;
    };
    let Some((first, last)) = range.split_once('-') else { return Part::Whole };
    let (first, last) = (first.trim(), last.trim());
    match (number(first), number(last)) {
        (Some(first), _) if first >= length && is_number_or_nothing(last) => Part::None,
        (Some(first), Some(last)) if first <= last => {
            Part::Of(first, length.min(last.saturating_add(1)))
        }
        (Some(first), None) if last.is_empty() => Part::Of(first, length),
        (None, Some(0)) if first.is_empty() => Part::None,
        (None, Some(count)) if first.is_empty() && length > 0 => {
            Part::Of(length.saturating_sub(count), length)
        }
        (None, Some(_)) if first.is_empty() => Part::None,
        _ => Part::Whole,
    }
}

/// Digits only: `parse` would take a sign.
fn number(text: &str) -> Option<u64> {
    let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_digits.then(|| text.parse().unwrap_or(u64::MAX))
}

fn is_number_or_nothing(text: &str) -> bool {
    text.is_empty() || number(text).is_some()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parts_are_those_of_rfc_9110() {
        let of = |header| part(Some(header), 10_000);
        assert_eq!(of("bytes=0-499"), Part::Of(0, 500));
        assert_eq!(of("bytes=500-999"), Part::Of(500, 1000));
        assert_eq!(of("bytes=-500"), Part::Of(9500, 10_000));
        assert_eq!(of("bytes=9500-"), Part::Of(9500, 10_000));
        assert_eq!(of("bytes=0-0"), Part::Of(0, 1));
        assert_eq!(of("bytes=9999-20000"), Part::Of(9999, 10_000));
        assert_eq!(of("bytes=-20000"), Part::Of(0, 10_000));
        for none in ["bytes=10000-", "bytes=10000-10005", "bytes=-0"] {
            assert_eq!(of(none), Part::None, "{none}");
        }
        for whole in
            ["bytes=5-4", "bytes=a-", "bytes=-", "bytes=0-1,5-6", "lines=1-2", "", "bytes=+1-2"]
        {
            assert_eq!(of(whole), Part::Whole, "{whole}");
        }
        assert_eq!(part(None, 0), Part::Whole);
        assert_eq!(part(Some("bytes=-5"), 0), Part::None);
    }

    proptest! {
        #[test]
        fn a_part_is_never_outside(
            text in "bytes=[0-9]{0,22}-[0-9]{0,22}|\\PC{0,20}",
            length in 0_u64..100_000,
        ) {
            if let Part::Of(from, to) = part(Some(&text), length) {
                prop_assert!(from < to && to <= length);
            }
        }
    }
}
