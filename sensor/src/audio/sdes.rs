//! Keys in session descriptions (RFC 4568): `a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:...`.

use data_encoding::{BASE64, BASE64_NOPAD};
use zeroize::Zeroizing;

use super::srtp::{Context, KEY_LEN, SALT_LEN};

/// The keys of every crypto line of a description that can be used.
pub(super) fn keys(description: &[u8]) -> impl Iterator<Item = Context> {
    let lines = description.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    let values = lines.filter_map(|line| line.strip_prefix(b"a=crypto:"));
    values.filter_map(|value| core::str::from_utf8(value).ok()).flat_map(keys_of)
}

/// `TAG SUITE inline:KEY[|LIFETIME][|MKI:LENGTH][;inline:...] [PARAMETERS]`.
fn keys_of(value: &str) -> impl Iterator<Item = Context> {
    let mut words = value.split_ascii_whitespace().skip(1);
    let tag_len = match words.next() {
        Some(suite) if suite.eq_ignore_ascii_case("AES_CM_128_HMAC_SHA1_80") => Some(10),
        Some(suite) if suite.eq_ignore_ascii_case("AES_CM_128_HMAC_SHA1_32") => Some(4),
        _ => None,
    };
    let params = words.next().unwrap_or_default();
    params.split(';').filter_map(move |param| key(param, tag_len?))
}

fn key(param: &str, tag_len: usize) -> Option<Context> {
    let mut parts = param.strip_prefix("inline:")?.split('|');
    let text = parts.next()?;
    let bytes = BASE64.decode(text.as_bytes()).or_else(|_| BASE64_NOPAD.decode(text.as_bytes()));
    let bytes = Zeroizing::new(bytes.ok()?);
    let (key, salt) = bytes.split_first_chunk::<KEY_LEN>()?;
    let salt: &[u8; SALT_LEN] = salt.try_into().ok()?;
    let mki = parts.find_map(|part| part.split_once(':'));
    let mki_len = match mki {
        Some((_, len)) => len.parse().ok().filter(|&len| len <= 128)?,
        None => 0,
    };
    Some(Context::new(key, salt, tag_len, mki_len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_suites_lifetimes_and_identifiers_are_read() {
        let sdp = b"v=0\r\nm=audio 4000 RTP/SAVP 0\r\n\
            a=crypto:1 AES_CM_128_HMAC_SHA1_80 \
            inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4 FEC_ORDER=FEC_SRTP\r\n\
            a=crypto:2 AES_CM_128_HMAC_SHA1_32 \
            inline:NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj;\
            inline:MTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5QUJjZGVm|1:2\r\n\
            a=crypto:3 F8_128_HMAC_SHA1_80 inline:MTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5QUJjZGVm\r\n\
            a=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:short\r\na=crypto:5\r\n";
        assert_eq!(keys(sdp).count(), 3);
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_lines_never_panic(text in ".*") {
            let _ = keys(format!("a=crypto:{text}").as_bytes()).count();
        }
    }
}
