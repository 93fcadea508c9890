//! G.711: a sample a byte.

use crate::call::level::{Law, a_magnitude, mu_magnitude};

static MU: [i16; 256] = table(Law::Mu);
static A: [i16; 256] = table(Law::A);

/// Appends the samples of a payload, 16 bits each.
pub(super) fn decode(law: Law, payload: &[u8], samples: &mut Vec<i16>) {
    let table = match law {
        Law::Mu => &MU,
        Law::A => &A,
    };
    samples.extend(payload.iter().map(|&code| table[usize::from(code)]));
}

const fn table(law: Law) -> [i16; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "code < 256")]
        let byte = code as u8;
        let magnitude = match law {
            Law::Mu => mu_magnitude(byte),
            Law::A => a_magnitude(byte),
        };
        #[expect(clippy::cast_possible_truncation, reason = "magnitudes are below 32,768")]
        let magnitude = magnitude as i16;
        // The first bit is set for positive samples in both laws.
        table[code] = if byte & 0x80 == 0 { -magnitude } else { magnitude };
        code += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_the_samples_of_the_recommendation() {
        let mut samples = Vec::new();
        decode(Law::Mu, &[0xff, 0x7f, 0x80, 0x00], &mut samples);
        decode(Law::A, &[0xd5, 0x55, 0xaa, 0x2a], &mut samples);
        assert_eq!(samples, [0, 0, 32_124, -32_124, 8, -8, 32_256, -32_256]);
    }
}
