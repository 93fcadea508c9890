//! What the two sides of a call describe in SDP (RFC 3264): where each receives, which payload
//! types stand for what, hold, fax, encryption.

use core::net::SocketAddr;

use ringside_protocol::cdr::flags;

use super::codec::{self, Codec};
use super::dialog::Side;
use crate::limits::{MAX_MEDIA_PER_CALL, MAX_PAYLOAD_TYPES};
use crate::wire::sdp::{Direction, Kind, Session};

/// Both sides' newest descriptions.
#[derive(Debug, Default)]
pub struct Media {
    sides: [Described; 2],
    offered_by: Option<Side>,
    /// Whose answer put which payload type of speech first: each that was in force.
    firsts: heapless::Vec<(Side, u8), MAX_FIRSTS, u8>,
}

/// Answers with another first payload type that are remembered; further ones replace the last.
const MAX_FIRSTS: usize = 4;

/// What a message makes of its description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A request that may offer.
    Offer,
    /// ACK or PRACK: the answer to an offer in a response.
    Answer,
    /// A response: the answer to the request's offer, or an offer where that had none.
    Response,
}

#[derive(Debug, Default)]
struct Described {
    /// Bit `n`: payload type `n` was listed for a media line with RTP.
    listed: u128,
    payload_types: heapless::Vec<(u8, Codec), MAX_PAYLOAD_TYPES, u8>,
    /// Its first audio line, if it has described one.
    audio: Option<Audio>,
}

#[derive(Clone, Copy, Debug)]
struct Audio {
    is_open: bool,
    direction: Direction,
}

/// Where a side wants to receive, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// Of RTP, or of RTCP where that has an explicit address.
    pub address: SocketAddr,
    /// Inside SRTP.
    pub is_encrypted: bool,
}

/// Those of one description.
pub type Receivers = heapless::Vec<Receiver, MAX_MEDIA_PER_CALL, u8>;

/// What a description says beside payload types.
#[derive(Debug, Default)]
pub struct Description {
    /// Addresses of RTP and RTCP.
    pub receivers: Receivers,
    /// Bits of [`flags`].
    pub flags: u32,
}

impl Media {
    /// Takes a description that `side` sent. Hold counts only once the call `is_answered`.
    pub fn describe(
        &mut self,
        session: &Session<'_>,
        side: Side,
        role: Role,
        is_answered: bool,
    ) -> Description {
        let is_answer = match role {
            Role::Offer => false,
            Role::Answer => true,
            Role::Response => self.offered_by == Some(side.other()),
        };
        if !is_answer {
            self.offered_by = Some(side);
        }
        let described = &mut self.sides[side as usize];
        let mut result = Description::default();
        let (mut has_audio, mut first) = (false, None);
        for media in &session.media {
            if media.is_t38() && media.port != 0 {
                result.flags |= flags::FAX;
            }
            let reachable = media.connection.filter(|ip| !ip.is_unspecified() && media.port != 0);
            if let Some(ip) = reachable {
                let is_encrypted = media.encrypted;
                let rtcp_port = media.rtcp_port.filter(|&port| port != media.port);
                for port in [Some(media.port), rtcp_port].into_iter().flatten() {
                    let address = SocketAddr::new(ip, port);
                    // One that does not fit is counted by the media table's limit.
                    let _ = result.receivers.push(Receiver { address, is_encrypted });
                }
            }
            for &payload_type in &media.formats {
                described.listed |= 1_u128.checked_shl(payload_type.into()).unwrap_or(0);
                let Some(map) = media.rtpmap(payload_type) else { continue };
                described.note(payload_type, Codec::from_rtpmap(map));
            }
            if media.kind == Kind::Audio && !has_audio {
                has_audio = true;
                let audio = Audio {
                    is_open: media.port != 0,
                    direction: if media.is_unspecified() {
                        Direction::Inactive
                    } else {
                        media.direction
                    },
                };
                let is_held = matches!(audio.direction, Direction::SendOnly | Direction::Inactive);
                if is_answered && is_held {
                    result.flags |= flags::ON_HOLD;
                }
                described.audio = Some(audio);
                if is_answer && media.port != 0 {
                    // Of any leg: a relay may speak SRTP on one of them only.
                    result.flags |= if media.encrypted { flags::ENCRYPTED } else { 0 };
                    first = described.first_speech(&media.formats);
                }
            }
        }
        if let Some(first) = first {
            self.note_first(side, first);
        }
        result
    }

    /// What a payload type stands for in packets to the side `to`: by its own description, else by
    /// the sender's, else by RFC 3551. Whether it is encrypted depends on the address.
    #[must_use]
    pub fn codec(&self, payload_type: u8, to: Side) -> Codec {
        let described = [to, to.other()].into_iter().find_map(|side| {
            let known = &self.sides[side as usize].payload_types;
            known.iter().find(|(known, _)| *known == payload_type).map(|&(_, codec)| codec)
        });
        described.unwrap_or_else(|| match payload_type {
            // What everybody sends telephone events as, some without saying so.
            101 => Codec::from_name("telephone-event"),
            _ => Codec::from_payload_type(payload_type),
        })
    }

    fn note_first(&mut self, side: Side, first: u8) {
        if !self.firsts.contains(&(side, first)) {
            if self.firsts.is_full() {
                self.firsts.pop();
            }
            // There is room now.
            let _ = self.firsts.push((side, first));
        }
    }

    /// Whether the side `to` listed a payload type; `None` where it described no audio.
    #[must_use]
    pub fn lists(&self, payload_type: u8, to: Side) -> Option<bool> {
        let side = &self.sides[to as usize];
        side.audio.map(|_| side.listed.checked_shr(payload_type.into()).unwrap_or(0) & 1 != 0)
    }

    /// The encoding that the newest answer put first, if that is not `sent` and no earlier answer
    /// put `sent` first.
    #[must_use]
    pub fn preferred_over(&self, sent: &Codec) -> Option<Codec> {
        let codecs = || self.firsts.iter().map(|&(side, first)| self.codec(first, side));
        let is_sent = |codec: &Codec| codec.encoding_name() == sent.encoding_name();
        if codecs().any(|codec| is_sent(&codec)) { None } else { codecs().next_back() }
    }

    /// Whether audio was agreed: both sides described it, and neither refused.
    #[must_use]
    pub fn is_audio_agreed(&self) -> bool {
        self.both(|audio| audio.is_open)
    }

    /// Whether both sides agreed to send and to receive.
    #[must_use]
    pub fn is_two_way(&self) -> bool {
        self.both(|audio| audio.is_open && audio.direction == Direction::SendRecv)
    }

    /// Whether one side holds the other at present.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.sides
            .iter()
            .filter_map(|side| side.audio)
            .any(|audio| matches!(audio.direction, Direction::SendOnly | Direction::Inactive))
    }

    fn both(&self, is_so: impl Fn(Audio) -> bool) -> bool {
        self.sides.iter().all(|side| side.audio.is_some_and(&is_so))
    }
}

impl Described {
    /// The first payload type that carries speech.
    fn first_speech(&self, formats: &[u8]) -> Option<u8> {
        formats.iter().copied().find(|&format| {
            let known = self.payload_types.iter().find(|(known, _)| *known == format);
            known.is_some_and(|(_, codec)| codec.kind() == codec::Kind::Speech)
        })
    }

    fn note(&mut self, payload_type: u8, codec: Codec) {
        match self.payload_types.iter_mut().find(|(known, _)| *known == payload_type) {
            Some(known) => known.1 = codec,
            // One that does not fit keeps its static meaning: see MAX_PAYLOAD_TYPES.
            None => drop(self.payload_types.push((payload_type, codec))),
        }
    }
}
