//! From datagrams to packets of known streams with their payload in the clear. Both looks at a call
//! use it: the survey, which meets the streams, and the pages, which play them.

use core::net::SocketAddr;

use super::signalling::Signalling;
use super::tracker::{Placed, Tracker};
use crate::call::codec::Codec;
use crate::call::dialog::Side;
use crate::decode::{Datagram, Transport};
use crate::wire::rtcp;
use crate::wire::rtp::{self, Packet};

/// Streams of one call; further ones are not heard.
pub(super) const MAX_STREAMS: usize = 64;

/// Packets of a stream that no key opens, before no other key is tried than the one that opened the
/// newest. Each packet that is opened takes one back: forged packets cost little, and do not keep
/// the stream from being heard or from changing its key.
const MAX_TRIES: u32 = 64;

/// Roll-overs that a stream may have behind it when its first packet comes.
const MAX_ROLL_OVERS: i64 = 4;

/// A stream is known by these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) src: SocketAddr,
    pub(super) dst: SocketAddr,
    pub(super) ssrc: u32,
}

/// See the module.
#[derive(Default)]
pub(super) struct Feed {
    pub(super) signalling: Signalling,
    pub(super) keys: Vec<(Key, Side)>,
}

/// One packet.
pub(super) struct Step<'a> {
    /// The place of its stream.
    pub(super) stream: usize,
    pub(super) at: u64,
    pub(super) timestamp: u32,
    pub(super) codec: Codec,
    pub(super) placed: Placed,
    pub(super) content: Content<'a>,
}

/// What is known of a packet's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content<'a> {
    /// It, in the clear.
    Clear(&'a [u8]),
    /// It is encrypted, and no key opens it.
    Encrypted,
    /// It was not kept.
    Missing,
}

/// What the stream was before its newest packet: for those who begin there.
pub(super) type Before = Option<Tracker>;

impl Feed {
    /// Reads a datagram; `None` where it is no packet of a stream. `trackers` has one a stream;
    /// new streams get theirs. `before` is asked for by stream.
    pub(super) fn step<'a>(
        &mut self,
        datagram: &Datagram<'a>,
        trackers: &mut Vec<Tracker>,
        wants_before: impl Fn(usize) -> bool,
        scratch: &'a mut Vec<u8>,
    ) -> Option<(Step<'a>, Before)> {
        let payload = datagram.payload;
        let is_media = datagram.transport == Transport::Udp
            && rtp::is_version_2(payload)
            && !rtcp::is_rtcp(payload);
        if !is_media {
            return None;
        }
        let packet = Packet::parse(payload, datagram.payload_len).ok()?;
        let stream = self.stream(datagram, packet.ssrc)?;
        trackers.resize_with(self.keys.len().max(trackers.len()), Tracker::default);
        let tracker = trackers.get_mut(stream)?;
        let before = wants_before(stream).then(|| tracker.clone());
        let at = datagram.at.as_micros();
        let sender = self.keys[stream].1;
        let codec = self.signalling.codec(at, sender.other(), packet.payload_type);
        let content = self.open(stream, tracker, &packet, datagram, scratch);
        let clear = match content {
            Content::Clear(clear) => clear,
            Content::Encrypted | Content::Missing => &[],
        };
        let placed = tracker.take(at, &packet, clear, codec);
        let step = Step { stream, at, timestamp: packet.timestamp, codec, placed, content };
        Some((step, before))
    }

    fn stream(&mut self, datagram: &Datagram<'_>, ssrc: u32) -> Option<usize> {
        let key = Key { src: datagram.src, dst: datagram.dst, ssrc };
        if let Some(known) = self.keys.iter().position(|(known, _)| *known == key) {
            return Some(known);
        }
        if self.keys.len() == MAX_STREAMS {
            return None;
        }
        // Where nothing names either end, the way back of a known stream does.
        let reverse = || {
            let back = |(known, _): &&(Key, Side)| (known.src, known.dst) == (key.dst, key.src);
            self.keys.iter().find(back).map(|(_, side)| side.other())
        };
        let sender = self.signalling.sender(key.src, key.dst).or_else(reverse);
        self.keys.push((key, sender.unwrap_or(Side::Caller)));
        Some(self.keys.len() - 1)
    }

    fn open<'a>(
        &self,
        stream: usize,
        tracker: &mut Tracker,
        packet: &Packet<'a>,
        datagram: &Datagram<'a>,
        scratch: &'a mut Vec<u8>,
    ) -> Content<'a> {
        if packet.payload.is_empty() && packet.payload_len > 0 {
            return Content::Missing;
        }
        let (key, sender) = self.keys[stream];
        let is_encrypted = self.signalling.is_encrypted(key.src, key.dst);
        if datagram.payload.len() as u64 == u64::from(datagram.payload_len) {
            let searches = tracker.tries < MAX_TRIES;
            let others = searches.then(|| self.signalling.keys_of(sender)).into_iter().flatten();
            let payload_at = packet.payload.as_ptr() as usize - datagram.payload.as_ptr() as usize;
            let sequence = tracker.sequence(packet.sequence_number);
            // The first packet may be one behind some roll-overs; a new key begins at none.
            let roll_overs = if tracker.newest.is_none() { MAX_ROLL_OVERS } else { 1 };
            let indices = (0..roll_overs).map(|over| sequence + (over << 16));
            for number in tracker.key.into_iter().chain(others) {
                let Some(context) = self.signalling.key(number) else { continue };
                for index in indices.clone().chain([sequence & 0xffff]) {
                    let Ok(index) = u64::try_from(index) else { continue };
                    scratch.clear();
                    scratch.extend_from_slice(datagram.payload);
                    let Some(clear) = context.open(scratch, payload_at, key.ssrc, index) else {
                        continue;
                    };
                    tracker.key = Some(number);
                    tracker.tries = tracker.tries.saturating_sub(1);
                    if tracker.newest.is_none() {
                        tracker.newest = i64::try_from(index).ok();
                    }
                    return Content::Clear(&scratch[clear]);
                }
            }
            tracker.tries += u32::from(searches);
        }
        if is_encrypted || tracker.key.is_some() {
            Content::Encrypted
        } else {
            Content::Clear(packet.payload)
        }
    }
}
