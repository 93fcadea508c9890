//! SRTP (RFC 3711) with AES in counter mode and HMAC-SHA1: what a key from a session description
//! opens.
//!
//! Key derivation rate 0: session keys are made once (§4.3).

use core::ops::Range;

use aes::Aes128;
use aes::cipher::generic_array::GenericArray;
use aes::cipher::{BlockEncrypt, KeyInit};
use ring::hmac;
use zeroize::Zeroizing;

/// Bytes of a master key, and of its salt.
pub(super) const KEY_LEN: usize = 16;
/// See [`KEY_LEN`].
pub(super) const SALT_LEN: usize = 14;

/// What one side's key makes of packets.
pub(super) struct Context {
    cipher: Aes128,
    salt: [u8; SALT_LEN],
    authentication: hmac::Key,
    tag_len: usize,
    /// Bytes of the master key identifier before the tag.
    mki_len: usize,
}

impl Context {
    /// From a master key and salt (§4.3.1); `tag_len` is 10 or 4.
    pub(super) fn new(
        key: &[u8; KEY_LEN],
        salt: &[u8; SALT_LEN],
        tag_len: usize,
        mki_len: usize,
    ) -> Self {
        let master = Aes128::new(GenericArray::from_slice(key));
        let mut session_key = Zeroizing::new([0; KEY_LEN]);
        derive(&master, salt, 0, &mut *session_key);
        let mut authentication = Zeroizing::new([0; 20]);
        derive(&master, salt, 1, &mut *authentication);
        let mut session_salt = [0; SALT_LEN];
        derive(&master, salt, 2, &mut session_salt);
        Self {
            cipher: Aes128::new(GenericArray::from_slice(&*session_key)),
            salt: session_salt,
            authentication: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &*authentication),
            tag_len,
            mki_len,
        }
    }

    /// Opens a packet in place whose payload begins at `payload_at`; `index` is 2^16 times the
    /// roll-over counter, plus the sequence number (§3.3.1). Gives the place of the payload, or
    /// `None` where the packet is not of this key, or was altered.
    pub(super) fn open(
        &self,
        packet: &mut [u8],
        payload_at: usize,
        ssrc: u32,
        index: u64,
    ) -> Option<Range<usize>> {
        let tag_at = packet.len().checked_sub(self.tag_len)?;
        let end = tag_at.checked_sub(self.mki_len).filter(|&end| end >= payload_at)?;
        let roll_over = u32::try_from(index >> 16).ok()?;
        let mut signer = hmac::Context::with_key(&self.authentication);
        signer.update(&packet[..end]);
        signer.update(&roll_over.to_be_bytes());
        // What is compared is no secret of ours: time tells nobody anything.
        if signer.sign().as_ref()[..self.tag_len] != packet[tag_at..] {
            return None;
        }
        self.apply(&mut packet[payload_at..end], ssrc, index);
        Some(payload_at..end)
    }

    /// §4.1.1: the same both ways.
    fn apply(&self, payload: &mut [u8], ssrc: u32, index: u64) {
        let mut counter = [0; 16];
        counter[..SALT_LEN].copy_from_slice(&self.salt);
        for (byte, of) in counter[4..8].iter_mut().zip(ssrc.to_be_bytes()) {
            *byte ^= of;
        }
        for (byte, of) in counter[8..14].iter_mut().zip(&index.to_be_bytes()[2..]) {
            *byte ^= of;
        }
        key_stream(&self.cipher, counter, payload);
    }
}

/// §4.3.3: the label goes into the eighth byte of the salt.
fn derive(master: &Aes128, salt: &[u8; SALT_LEN], label: u8, key: &mut [u8]) {
    let mut counter = [0; 16];
    counter[..SALT_LEN].copy_from_slice(salt);
    counter[7] ^= label;
    key_stream(master, counter, key);
}

/// Adds the key stream; the last two bytes of the counter begin at 0.
fn key_stream(cipher: &Aes128, mut counter: [u8; 16], bytes: &mut [u8]) {
    for (number, part) in (0..=u16::MAX).zip(bytes.chunks_mut(16)) {
        counter[14..].copy_from_slice(&number.to_be_bytes());
        let mut block = GenericArray::from(counter);
        cipher.encrypt_block(&mut block);
        for (byte, of) in part.iter_mut().zip(block) {
            *byte ^= of;
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Seals as [`Context::open`] opens.
    pub(in crate::audio) fn seal(context: &Context, packet: &mut Vec<u8>, ssrc: u32, index: u64) {
        context.apply(&mut packet[12..], ssrc, index);
        let mut signer = hmac::Context::with_key(&context.authentication);
        signer.update(packet);
        signer.update(&u32::try_from(index >> 16).unwrap().to_be_bytes());
        packet.extend_from_slice(&signer.sign().as_ref()[..context.tag_len]);
    }

    fn hex<const N: usize>(text: &str) -> [u8; N] {
        data_encoding::HEXUPPER.decode(text.as_bytes()).unwrap().try_into().unwrap()
    }

    #[test]
    fn the_key_stream_is_that_of_rfc_3711_b_2() {
        let context = Context {
            cipher: Aes128::new(&hex::<16>("2B7E151628AED2A6ABF7158809CF4F3C").into()),
            salt: hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD"),
            authentication: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &[]),
            tag_len: 10,
            mki_len: 0,
        };
        let mut stream = vec![0; 16 * 0xff02];
        context.apply(&mut stream, 0, 0);
        assert_eq!(stream[..16], hex::<16>("E03EAD0935C95E80E166B16DD92B4EB4"));
        assert_eq!(stream[16..32], hex::<16>("D23513162B02D0F72A43A2FE4A5F97AB"));
        assert_eq!(stream[32..48], hex::<16>("41E95B3BB0A2E8DD477901E4FCA894C0"));
        let last = stream.len() - 48;
        assert_eq!(stream[last..last + 16], hex::<16>("EC8CDF7398607CB0F2D21675EA9EA1E4"));
        assert_eq!(stream[last + 16..last + 32], hex::<16>("362B7C3C6773516318A077D7FC5073AE"));
        assert_eq!(stream[last + 32..], hex::<16>("6A2CC3787889374FBEB4C81B17BA6C44"));
    }

    #[test]
    fn session_keys_are_those_of_rfc_3711_b_3() {
        let master = Aes128::new(&hex::<16>("E1F97A0D3E018BE0D64FA32C06DE4139").into());
        let salt = hex("0EC675AD498AFEEBB6960B3AABE6");
        let mut key = [0; 16];
        derive(&master, &salt, 0, &mut key);
        assert_eq!(key, hex("C61E7A93744F39EE10734AFE3FF7A087"));
        let mut session_salt = [0; 14];
        derive(&master, &salt, 2, &mut session_salt);
        assert_eq!(session_salt, hex("30CBBC08863D8C85D49DB34A9AE1"));
        let mut authentication = [0; 94];
        derive(&master, &salt, 1, &mut authentication);
        assert_eq!(authentication[..16], hex::<16>("CEBE321F6FF7716B6FD4AB49AF256A15"));
        assert_eq!(authentication[80..], hex::<14>("6B68642C59BBFC2F34DB60DBDFB2"));
    }

    #[test]
    fn a_packet_opens_with_its_key_only_and_only_unaltered() {
        for tag_len in [10, 4] {
            let context = Context::new(&[7; 16], &[9; 14], tag_len, 0);
            let other = Context::new(&[8; 16], &[9; 14], tag_len, 0);
            let mut packet = vec![0x80; 12];
            packet.extend(b"speech");
            let index = (3 << 16) + 65_535;
            seal(&context, &mut packet, 5, index);
            assert!(!packet.windows(6).any(|part| part == b"speech"));
            assert_eq!(other.open(&mut packet.clone(), 12, 5, index), None);
            assert_eq!(context.open(&mut packet.clone(), 12, 5, index - 65_536), None);
            for byte in 0..packet.len() {
                let mut altered = packet.clone();
                altered[byte] ^= 1;
                assert_eq!(context.open(&mut altered, 12, 5, index), None, "byte {byte}");
            }
            assert_eq!(context.open(&mut packet, 12, 5, index), Some(12..18));
            assert_eq!(&packet[12..18], b"speech");
            assert_eq!(context.open(&mut [0; 5], 12, 5, index), None);
        }
    }
}
