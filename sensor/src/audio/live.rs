//! A call in progress becomes sound as it goes: two channels of 16 bits at 16 kHz, a WAV without an
//! end, 0.3 s behind the wire.
//!
//! Packets are placed by their RTP timestamps, counted from the first one of their source; where
//! that leads away from the time of their arrival, it is counted anew. What comes too late is
//! dropped, what does not come is silence. Encrypted media and encodings without a decoder are
//! silent.

use core::time::Duration;
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Instant;

use super::decoder::Decoder;
use super::tap::Heard;
use super::wav;
use crate::call::codec::Codec;
use crate::call::dialog::Side;
use crate::wire::rtp::Packet;

/// Samples a second.
pub const RATE: u32 = 16_000;

/// Samples that are handed out at once: a tenth of a second.
const BLOCK: u64 = RATE as u64 / 10;

/// How far behind the wire they are: jitter up to this is not heard.
const DELAY: u64 = RATE as u64 * 3 / 10;

/// A packet that is placed so far from its arrival begins a new count.
const ASTRAY: i64 = RATE as i64;

/// The same ticks for every rate that there is, times this.
const MICROS: u64 = 1_000_000;

/// The sound of one call.
pub struct LiveSound {
    packets: Receiver<Heard>,
    began: Instant,
    /// Samples that were handed out.
    emitted: u64,
    has_head: bool,
    is_over: bool,
    sides: [Channel; 2],
}

/// One side.
#[derive(Default)]
struct Channel {
    source: Option<Source>,
    /// From `emitted` on.
    samples: VecDeque<i16>,
}

/// Where its packets come from.
struct Source {
    ssrc: u32,
    codec: Codec,
    decoder: Decoder,
    /// Ticks a second of its timestamps.
    clock: u32,
    /// A timestamp, and its place.
    anchor: (u32, u64),
}

impl LiveSound {
    /// The sound of what comes.
    #[must_use]
    pub fn new(packets: Receiver<Heard>) -> Self {
        Self {
            packets,
            began: Instant::now(),
            emitted: 0,
            has_head: false,
            is_over: false,
            sides: Default::default(),
        }
    }

    /// Appends the next bytes of the WAV to `out` when their time has come; false when the call is
    /// over.
    pub fn next(&mut self, out: &mut Vec<u8>) -> bool {
        if !core::mem::replace(&mut self.has_head, true) {
            out.extend_from_slice(&wav::head(wav::MAX_FRAMES, RATE));
            return true;
        }
        while !self.is_over {
            let due = self.emitted + BLOCK + DELAY;
            let now = self.now();
            if now >= due {
                break;
            }
            let wait = Duration::from_micros((due - now) * MICROS / u64::from(RATE));
            match self.packets.recv_timeout(wait) {
                Ok(heard) => self.place(&heard, self.now()),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => self.is_over = true,
            }
        }
        self.emit(out);
        !self.is_over || self.sides.iter().any(|side| !side.samples.is_empty())
    }

    fn now(&self) -> u64 {
        let micros = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        micros.saturating_mul(u64::from(RATE)) / MICROS
    }

    fn emit(&mut self, out: &mut Vec<u8>) {
        for _ in 0..BLOCK {
            for side in &mut self.sides {
                out.extend_from_slice(&side.samples.pop_front().unwrap_or(0).to_le_bytes());
            }
        }
        self.emitted += BLOCK;
    }

    /// Puts a packet where it belongs; it arrives at `now`.
    fn place(&mut self, heard: &Heard, now: u64) {
        let len = u32::try_from(heard.bytes.len()).unwrap_or(u32::MAX);
        let Ok(packet) = Packet::parse(&heard.bytes, len) else { return };
        let emitted = self.emitted;
        let side = &mut self.sides[usize::from(heard.side == Side::Callee)];
        let is_same =
            |source: &&mut Source| source.ssrc == packet.ssrc && source.codec == heard.codec;
        if side.source.as_mut().filter(is_same).is_none() {
            side.source = source(heard.codec, &packet, now);
        }
        let Some(source) = &mut side.source else { return };
        let (first, place) = source.anchor;
        let ticks = i64::from(packet.timestamp.wrapping_sub(first).cast_signed());
        let moved = ticks * i64::from(RATE) / i64::from(source.clock.max(1));
        let mut at = place.cast_signed() + moved;
        if (at - now.cast_signed()).abs() > ASTRAY {
            source.anchor = (packet.timestamp, now);
            at = now.cast_signed();
        }
        let mut decoded = Vec::new();
        source.decoder.decode(packet.payload, &mut decoded);
        let decoded = stretched(&decoded, source.decoder.rate());
        let behind = at - emitted.cast_signed();
        let late = usize::try_from(-behind).unwrap_or(0).min(decoded.len());
        let from = usize::try_from(behind).unwrap_or(0);
        let needed = from + decoded.len() - late;
        if side.samples.len() < needed {
            side.samples.resize(needed, 0);
        }
        for (to, sample) in side.samples.range_mut(from..).zip(&decoded[late..]) {
            *to = *sample;
        }
    }
}

fn source(codec: Codec, packet: &Packet<'_>, now: u64) -> Option<Source> {
    let clock = codec.clock_rate()?.get();
    let decoder = Decoder::new(&codec, RATE)?;
    Some(Source { ssrc: packet.ssrc, codec, decoder, clock, anchor: (packet.timestamp, now) })
}

/// Samples of another rate at ours, on straight lines between them.
fn stretched(samples: &[i16], rate: u32) -> Vec<i16> {
    if rate == RATE || samples.is_empty() {
        return samples.to_vec();
    }
    let (from, to) = (u64::from(rate), u64::from(RATE));
    let length = samples.len() as u64 * to / from.max(1);
    let at = |place: u64| {
        let (whole, part) = (place * from / to, place * from % to);
        let whole = usize::try_from(whole).unwrap_or(usize::MAX).min(samples.len() - 1);
        let (one, next) = (samples[whole], samples[(whole + 1).min(samples.len() - 1)]);
        let between = i64::from(next) - i64::from(one);
        let step = between * part.cast_signed() / to.cast_signed();
        // Between two samples.
        i16::try_from(i64::from(one) + step).unwrap_or(one)
    };
    (0..length).map(at).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    fn packet(number: u16, timestamp: u32, byte: u8) -> Vec<u8> {
        let mut bytes = vec![0x80, 0];
        bytes.extend(number.to_be_bytes());
        bytes.extend(timestamp.to_be_bytes());
        bytes.extend([0, 0, 0, 9]);
        bytes.extend([byte; 160]);
        bytes
    }

    fn heard(side: Side, number: u16, timestamp: u32) -> Heard {
        // Mu-law 0x80 is the loudest sample.
        let codec = Codec::from_payload_type(0);
        Heard { side, codec, bytes: packet(number, timestamp, 0x80) }
    }

    fn sound() -> (std::sync::mpsc::SyncSender<Heard>, LiveSound) {
        let (sender, packets) = sync_channel(64);
        (sender, LiveSound::new(packets))
    }

    /// Whether each 20 ms of a side are loud, of what is there.
    fn loud(sound: &LiveSound, side: usize) -> Vec<bool> {
        let samples: Vec<i16> = sound.sides[side].samples.iter().copied().collect();
        samples.chunks(320).map(|chunk| chunk.iter().all(|&it| it > 20_000)).collect()
    }

    #[test]
    fn packets_stand_where_their_timestamps_say_and_a_loss_is_silent() {
        let (_sender, mut sound) = sound();
        for (number, timestamp) in [(0, 1000), (1, 1160), (4, 1640), (3, 1480)] {
            sound.place(&heard(Side::Caller, number, timestamp), 0);
        }
        assert_eq!(loud(&sound, 0), [true, true, false, true, true]);
        assert_eq!(loud(&sound, 1), [false; 0]);
        // Far from where it comes: counted anew.
        sound.place(&heard(Side::Callee, 0, 0), 1600);
        sound.place(&heard(Side::Callee, 1, 5_000_000), 1920);
        assert_eq!(loud(&sound, 1)[5..], [true, true]);
    }

    #[test]
    fn what_is_too_late_is_dropped_and_memory_is_bounded() {
        let (_sender, mut sound) = sound();
        sound.place(&heard(Side::Caller, 0, 0), 0);
        let mut out = Vec::new();
        sound.emit(&mut out);
        assert_eq!(out.len() as u64, BLOCK * 4);
        sound.place(&heard(Side::Caller, 1, 160), 1600);
        assert_eq!(sound.sides[0].samples.len(), 0);
        for number in 0..1000_u16 {
            let timestamp = u32::from(number).wrapping_mul(400_000_000);
            sound.place(&heard(Side::Caller, number, timestamp), 1600);
        }
        assert!(sound.sides[0].samples.len() < 3 * RATE as usize);
    }

    #[test]
    fn it_goes_on_until_the_call_is_over_and_begins_with_a_head() {
        let (sender, mut sound) = sound();
        let mut out = Vec::new();
        assert!(sound.next(&mut out));
        assert_eq!((out.len(), &out[..4]), (44, &b"RIFF"[..]));
        for number in 0..4 {
            sender.send(heard(Side::Caller, number, u32::from(number) * 160)).expect("taken");
        }
        drop(sender);
        out.clear();
        let mut blocks = 1;
        while sound.next(&mut out) {
            blocks += 1;
        }
        assert!(blocks < 10, "{blocks}");
        assert_eq!(out.len() as u64, blocks * BLOCK * 4);
        let loud =
            out.as_chunks::<4>().0.iter().filter(|it| i16::from_le_bytes([it[0], it[1]]) > 20_000);
        assert_eq!(loud.count(), 4 * 320);
    }

    #[test]
    fn rates_are_brought_to_ours() {
        assert_eq!(stretched(&[0, 100, 200], 8000), [0, 50, 100, 150, 200, 200]);
        assert_eq!(stretched(&[7, 8], RATE), [7, 8]);
        assert_eq!(stretched(&[0; 480], 48_000).len(), 160);
        assert_eq!(stretched(&[], 8000), [0; 0]);
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_packets_never_panic(
            packets in proptest::collection::vec(
                (proptest::collection::vec(proptest::num::u8::ANY, 0..200), 0..128_u8, 0..100_000_u64),
                0..40,
            ),
        ) {
            let (_sender, mut sound) = sound();
            let mut out = Vec::new();
            for (bytes, payload_type, now) in packets {
                let codec = Codec::from_payload_type(payload_type);
                sound.place(&Heard { side: Side::Callee, codec, bytes }, now);
                sound.emit(&mut out);
            }
        }
    }
}
