//! RIFF WAVE with two channels of 16 bits: the caller left, the callee right. Every byte's place is
//! known before any sound is decoded.

/// Bytes before the first sample.
pub(super) const HEAD: u64 = 44;

/// Bytes of one sample of both sides.
pub(super) const FRAME: u64 = 4;

/// What the 32 bits of a chunk's length hold.
pub(super) const MAX_FRAMES: u64 = (u32::MAX as u64 - HEAD) / FRAME;

/// Bytes of the whole file.
pub(super) const fn len(frames: u64) -> u64 {
    HEAD + frames * FRAME
}

/// The file's beginning. `frames` is at most [`MAX_FRAMES`].
pub(super) fn head(frames: u64, rate: u32) -> [u8; 44] {
    let bytes = u32::try_from(frames * FRAME).unwrap_or(u32::MAX);
    let mut head = [0; 44];
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        head[at..at + bytes.len()].copy_from_slice(bytes);
        at += bytes.len();
    };
    put(b"RIFF");
    put(&bytes.saturating_add(36).to_le_bytes());
    put(b"WAVEfmt ");
    put(&16_u32.to_le_bytes());
    put(&1_u16.to_le_bytes());
    put(&2_u16.to_le_bytes());
    put(&rate.to_le_bytes());
    put(&(rate * 4).to_le_bytes());
    put(&4_u16.to_le_bytes());
    put(&16_u16.to_le_bytes());
    put(b"data");
    put(&bytes.to_le_bytes());
    head
}
