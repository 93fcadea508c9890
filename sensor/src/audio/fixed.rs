//! The 16-bit arithmetic of ITU-T and ETSI codecs: everything saturates.

/// To 16 bits, saturating.
pub(super) const fn saturate(value: i32) -> i16 {
    if value > 32_767 {
        32_767
    } else if value < -32_768 {
        -32_768
    } else {
        #[expect(clippy::cast_possible_truncation, reason = "within 16 bits")]
        let value = value as i16;
        value
    }
}

/// The same, kept in 32 bits.
pub(super) const fn saturated(value: i32) -> i32 {
    saturate(value) as i32
}

/// The rounded product of two numbers below 1 in Q15 (`mult_r`).
pub(super) const fn multiply_rounded(a: i32, b: i32) -> i32 {
    saturated((a * b + 0x4000) >> 15)
}
