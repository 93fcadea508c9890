//! What a call's SIP says of its media: who receives where, which payload type is what, who holds
//! whom, and with which keys.
//!
//! Rules are those of `call::offer`, with the time beside them: a packet is read by the description
//! that was in force when it came.

use core::net::SocketAddr;

use ringside_protocol::cdr::Method;

use super::sdes;
use super::srtp::Context;
use crate::call::codec::Codec;
use crate::call::dialog::Side;
use crate::decode::Datagram;
use crate::wire::sdp::{Direction, Kind, Media, Session};
use crate::wire::sip::{Message, StartLine};

/// Bytes of messages with descriptions that are held until they are in order; further ones are
/// passed over. A call of a day that is refreshed every minute has less.
const MAX_HELD: usize = 4 << 20;

/// Addresses, payload types and changes of hold that are held, each.
const MAX_KNOWN: usize = 512;

/// Keys that are tried.
const MAX_KEYS: usize = 32;

/// Messages as they come from the store, not yet in order.
#[derive(Default)]
pub(super) struct Messages {
    held: Vec<Held>,
    bytes: usize,
}

struct Held {
    at: u64,
    is_invite: bool,
    is_request: bool,
    from_tag: Vec<u8>,
    sdp: Vec<u8>,
}

impl Messages {
    /// Takes what a datagram holds, if it is SIP.
    pub(super) fn take(&mut self, datagram: &Datagram<'_>) {
        let Ok(message) = Message::parse(datagram.payload) else { return };
        let is_request = message.is_request();
        let is_invite =
            matches!(message.start_line, StartLine::Request { method: Method::Invite, .. });
        let from_tag = message.from().tag().unwrap_or_default();
        let sdp = message.sdp().unwrap_or_default();
        if sdp.is_empty() && !is_invite {
            return;
        }
        self.bytes += size_of::<Held>() + from_tag.len() + sdp.len();
        if self.bytes <= MAX_HELD {
            self.held.push(Held {
                at: datagram.at.as_micros(),
                is_invite,
                is_request,
                from_tag: from_tag.to_vec(),
                sdp: sdp.to_vec(),
            });
        }
    }

    /// Everything that they say, in order.
    pub(super) fn read(mut self) -> Signalling {
        self.held.sort_by_key(|message| message.at);
        let first = self.held.iter().find(|message| message.is_invite).or(self.held.first());
        let caller_tag = first.map(|message| message.from_tag.clone()).unwrap_or_default();
        let mut signalling = Signalling::default();
        for message in &self.held {
            let is_callers = message.is_request == (message.from_tag == caller_tag);
            let side = if is_callers { Side::Caller } else { Side::Callee };
            signalling.describe(message.at, side, &message.sdp);
        }
        signalling
    }
}

/// See [`Messages::read`].
#[derive(Default)]
pub(super) struct Signalling {
    receivers: Vec<Receiver>,
    types: Vec<PayloadType>,
    /// Beginnings (`true`) and ends of hold, in order.
    pub(super) holds: Vec<Hold>,
    keys: Vec<(Side, Context)>,
}

struct Receiver {
    address: SocketAddr,
    side: Side,
    is_encrypted: bool,
}

struct PayloadType {
    at: u64,
    /// Who described it, and so receives it.
    by: Side,
    number: u8,
    codec: Codec,
}

/// A side begins to hold the other, or ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hold {
    pub(super) at: u64,
    pub(super) by: Side,
    pub(super) begins: bool,
}

impl Signalling {
    fn describe(&mut self, at: u64, side: Side, sdp: &[u8]) {
        let Ok(session) = Session::parse(sdp) else { return };
        let audio = || session.media.iter().filter(|media| media.kind == Kind::Audio);
        for media in audio().filter(|media| media.port != 0) {
            if let Some(ip) = media.connection.filter(|ip| !ip.is_unspecified()) {
                self.receive(SocketAddr::new(ip, media.port), side, media.encrypted);
            }
            self.note_types(at, side, media);
        }
        // Numbers of video are known, so that nobody takes it for speech; those of audio count.
        for media in session.media.iter().filter(|media| media.kind != Kind::Audio) {
            let is_known = |number: &u8| self.types.iter().any(|it| it.number == *number);
            if !media.formats.iter().any(is_known) {
                self.note_types(at, side, media);
            }
        }
        if let Some(first) = audio().find(|media| media.port != 0) {
            let begins = first.is_unspecified()
                || matches!(first.direction, Direction::SendOnly | Direction::Inactive);
            let is_held = self.holds.iter().rfind(|hold| hold.by == side);
            if is_held.is_some_and(|hold| hold.begins) != begins && self.holds.len() < MAX_KNOWN {
                self.holds.push(Hold { at, by: side, begins });
            }
        }
        let room = MAX_KEYS.saturating_sub(self.keys.len());
        self.keys.extend(sdes::keys(sdp).take(room).map(|key| (side, key)));
    }

    fn note_types(&mut self, at: u64, side: Side, media: &Media<'_>) {
        for &number in &media.formats {
            let Some(map) = media.rtpmap(number) else { continue };
            self.note(PayloadType { at, by: side, number, codec: Codec::from_rtpmap(map) });
        }
    }

    fn receive(&mut self, address: SocketAddr, side: Side, is_encrypted: bool) {
        let is_full = self.receivers.len() >= MAX_KNOWN;
        let is_known = |it: &&mut Receiver| it.address == address && it.side == side;
        match self.receivers.iter_mut().find(is_known) {
            Some(known) => known.is_encrypted |= is_encrypted,
            None if is_full => {}
            None => self.receivers.push(Receiver { address, side, is_encrypted }),
        }
    }

    fn note(&mut self, described: PayloadType) {
        let before = self
            .types
            .iter()
            .rfind(|known| (known.by, known.number) == (described.by, described.number));
        let is_new = before.is_none_or(|known| known.codec != described.codec);
        if is_new && self.types.len() < MAX_KNOWN {
            self.types.push(described);
        }
    }

    /// Who sent a packet: by its destination, else by its source (symmetric RTP, RFC 4961), ports
    /// first.
    pub(super) fn sender(&self, src: SocketAddr, dst: SocketAddr) -> Option<Side> {
        let by = |is_it: &dyn Fn(SocketAddr) -> bool| {
            self.receivers.iter().rfind(|known| is_it(known.address)).map(|known| known.side)
        };
        by(&|known| known == dst)
            .map(Side::other)
            .or_else(|| by(&|known| known == src))
            .or_else(|| by(&|known| known.ip() == dst.ip()).map(Side::other))
            .or_else(|| by(&|known| known.ip() == src.ip()))
    }

    /// Whether either end was described with SAVP, a crypto line or a fingerprint.
    pub(super) fn is_encrypted(&self, src: SocketAddr, dst: SocketAddr) -> bool {
        let known = self.receivers.iter();
        known.filter(|it| it.address == src || it.address == dst).any(|it| it.is_encrypted)
    }

    /// What a payload type stands for in a packet to the side `to`: by its newest description before
    /// `at`, else by the sender's, else by one that came later, else by RFC 3551.
    pub(super) fn codec(&self, at: u64, to: Side, number: u8) -> Codec {
        let named =
            |by: Side| self.types.iter().filter(move |it| (it.by, it.number) == (by, number));
        let sides = [to, to.other()];
        let before = sides.iter().find_map(|&by| named(by).rfind(|known| known.at <= at));
        let known = before.or_else(|| sides.iter().find_map(|&by| named(by).next()));
        known.map_or_else(
            || match number {
                // What everybody sends telephone events as, some without saying so.
                101 => Codec::from_name("telephone-event"),
                _ => Codec::from_payload_type(number),
            },
            |known| known.codec,
        )
    }

    /// Keys by number, those of `sender` first.
    pub(super) fn keys_of(&self, sender: Side) -> impl Iterator<Item = usize> {
        let of = move |wanted: Side| {
            let keys = self.keys.iter().enumerate();
            keys.filter(move |(_, (side, _))| *side == wanted).map(|(number, _)| number)
        };
        of(sender).chain(of(sender.other()))
    }

    /// A key by its number.
    pub(super) fn key(&self, number: usize) -> Option<&Context> {
        self.keys.get(number).map(|(_, key)| key)
    }
}
