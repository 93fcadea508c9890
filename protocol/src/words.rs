//! Figures as words.

use core::fmt::Display;

/// A number with what it counts: `1 call`, `3 calls`.
#[must_use]
pub fn plural<N: Display + PartialEq + From<u8>>(count: N, one: &str) -> String {
    let end = if count == N::from(1) { "" } else { "s" };
    format!("{count} {one}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_a_thing_has_no_s() {
        assert_eq!(plural(0_u64, "call"), "0 calls");
        assert_eq!(plural(1_usize, "capture rule"), "1 capture rule");
        assert_eq!(plural(2_u32, "segment"), "2 segments");
    }
}
