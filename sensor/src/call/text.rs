//! The texts of a call or registration, one behind the other in a bounded buffer.

use crate::limits::{MAX_CALL_TEXT, MAX_TEXT};

/// Where one text stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Text {
    start: u16,
    len: u16,
}

/// The texts of one call, or of something else with room for `N` bytes. A text longer than
/// [`MAX_TEXT`] is cut; when all room is used, further texts are empty.
#[derive(Debug, Default)]
pub struct Texts<const N: usize = MAX_CALL_TEXT> {
    bytes: heapless::Vec<u8, N, u16>,
}

impl<const N: usize> Texts<N> {
    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Keeps a copy of `bytes`, as much of it as fits.
    pub fn keep(&mut self, bytes: &[u8]) -> Text {
        let room = (N - self.bytes.len()).min(MAX_TEXT);
        let kept = &bytes[..bytes.len().min(room)];
        let start = self.bytes.len();
        if self.bytes.extend_from_slice(kept).is_err() {
            return Text::default();
        }
        // Both fit: heapless holds no more than its 16-bit length can tell.
        let narrow = |value: usize| u16::try_from(value).unwrap_or_default();
        Text { start: narrow(start), len: narrow(kept.len()) }
    }

    /// The kept bytes.
    #[must_use]
    pub fn bytes(&self, text: Text) -> &[u8] {
        let start = usize::from(text.start);
        self.bytes.get(start..start + usize::from(text.len)).unwrap_or_default()
    }

    /// The kept bytes as text; what is no UTF-8 is replaced, and so are control characters.
    #[must_use]
    pub fn string(&self, text: Text) -> String {
        printable(&String::from_utf8_lossy(self.bytes(text)))
    }
}

/// Control characters would reach terminals and spread sheets; a space is shown in their place.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_at_their_limit_and_empty_when_nothing_is_left() {
        let mut texts = Texts::<MAX_CALL_TEXT>::default();
        let long = texts.keep(&[b'a'; MAX_TEXT + 9]);
        assert_eq!(texts.bytes(long).len(), MAX_TEXT);
        let mut total = MAX_TEXT;
        while total < MAX_CALL_TEXT {
            let text = texts.keep(&[b'b'; 200]);
            total += texts.bytes(text).len();
        }
        assert_eq!(texts.keep(b"c"), Text { start: u16::try_from(MAX_CALL_TEXT).unwrap(), len: 0 });
        assert_eq!(texts.string(long).len(), MAX_TEXT);
    }

    #[test]
    fn control_characters_and_bad_utf_8_are_replaced() {
        let mut texts = Texts::<MAX_CALL_TEXT>::default();
        let text = texts.keep(b"a\x1b[2J\xff\n");
        assert_eq!(texts.string(text), "a [2J\u{fffd} ");
    }
}
