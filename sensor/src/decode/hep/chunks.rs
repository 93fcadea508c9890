//! HEP version 3: chunks (HEP/EEP protocol description, rev. 36).
//!
//! ```text
//! "HEP3"  total length (16)  chunk  chunk  …
//!
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |       Vendor (0: generic)     |           Chunk type          |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | Length, these 6 bytes included|   content …
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use core::net::{IpAddr, SocketAddr};

use embassy_time::Instant;

use super::{Content, Error, Message};
use crate::capture::LATEST;
use crate::decode::Transport;
use crate::limits::MAX_HEP_CHUNKS;

const CHUNK_HEAD: usize = 6;
const GENERIC: u16 = 0;

/// Generic chunk types.
const IP_PROTOCOL: u16 = 2;
const SRC_IPV4: u16 = 3;
const DST_IPV4: u16 = 4;
const SRC_IPV6: u16 = 5;
const DST_IPV6: u16 = 6;
const SRC_PORT: u16 = 7;
const DST_PORT: u16 = 8;
const SECONDS: u16 = 9;
const MICROSECONDS: u16 = 10;
const PROTOCOL_TYPE: u16 = 11;
const PAYLOAD: u16 = 15;
const VLAN: u16 = 18;

/// Protocol types.
const SIP: u8 = 1;
const RTP: u8 = 4;

/// What the chunks have told so far.
struct Told<'a> {
    src: Option<IpAddr>,
    dst: Option<IpAddr>,
    src_port: u16,
    dst_port: u16,
    transport: Transport,
    seconds: Option<u32>,
    micros: u32,
    vlan: Option<u16>,
    content: Content,
    payload: Option<(&'a [u8], usize)>,
}

/// Reads the chunks, which stand in any order. A capture may have cut the payload.
pub(super) fn parse(mut bytes: &[u8]) -> Result<Message<'_>, Error> {
    let mut told = Told {
        src: None,
        dst: None,
        src_port: 0,
        dst_port: 0,
        transport: Transport::Udp,
        seconds: None,
        micros: 0,
        vlan: None,
        content: Content::Other,
        payload: None,
    };
    for _ in 0..MAX_HEP_CHUNKS {
        if bytes.is_empty() {
            return told.message();
        }
        let (head, rest) = bytes.split_first_chunk::<CHUNK_HEAD>().ok_or(Error::Short)?;
        let [vendor, kind, len] = [0, 2, 4].map(|at| u16::from_be_bytes([head[at], head[at + 1]]));
        let len = usize::from(len).checked_sub(CHUNK_HEAD).ok_or(Error::BadChunk(kind))?;
        let is_payload = (vendor, kind) == (GENERIC, PAYLOAD);
        if len > rest.len() && !is_payload {
            return Err(Error::Short);
        }
        let (content, rest) = rest.split_at(len.min(rest.len()));
        if is_payload {
            told.payload = Some((content, len));
        } else if vendor == GENERIC {
            told.take(kind, content).ok_or(Error::BadChunk(kind))?;
        }
        bytes = rest;
    }
    if bytes.is_empty() { told.message() } else { Err(Error::TooManyChunks) }
}

impl<'a> Told<'a> {
    /// Takes one chunk; `None` when its length is wrong.
    fn take(&mut self, kind: u16, content: &[u8]) -> Option<()> {
        match kind {
            IP_PROTOCOL => {
                let [protocol] = content.try_into().ok()?;
                self.transport = Transport::of_ip_protocol(protocol);
            }
            SRC_IPV4 => self.src = Some(<[u8; 4]>::try_from(content).ok()?.into()),
            DST_IPV4 => self.dst = Some(<[u8; 4]>::try_from(content).ok()?.into()),
            SRC_IPV6 => self.src = Some(<[u8; 16]>::try_from(content).ok()?.into()),
            DST_IPV6 => self.dst = Some(<[u8; 16]>::try_from(content).ok()?.into()),
            SRC_PORT => self.src_port = u16::from_be_bytes(content.try_into().ok()?),
            DST_PORT => self.dst_port = u16::from_be_bytes(content.try_into().ok()?),
            SECONDS => self.seconds = Some(u32::from_be_bytes(content.try_into().ok()?)),
            MICROSECONDS => self.micros = u32::from_be_bytes(content.try_into().ok()?),
            PROTOCOL_TYPE => {
                let [protocol_type] = content.try_into().ok()?;
                self.content = match protocol_type {
                    SIP => Content::Sip,
                    RTP => Content::Rtp,
                    _ => Content::Other,
                };
            }
            VLAN => {
                let id = u16::from_be_bytes(content.try_into().ok()?) & 0x0fff;
                self.vlan = (id != 0).then_some(id);
            }
            _ => {}
        }
        Some(())
    }

    fn message(self) -> Result<Message<'a>, Error> {
        let (Some(src), Some(dst)) = (self.src, self.dst) else { return Err(Error::NoAddresses) };
        if src.is_ipv4() != dst.is_ipv4() {
            return Err(Error::NoAddresses);
        }
        // Without one it is compressed (chunk 16) or a keep-alive.
        let content = if self.payload.is_some() { self.content } else { Content::Other };
        let (payload, payload_len) = self.payload.unwrap_or_default();
        Ok(Message {
            src: SocketAddr::new(src, self.src_port),
            dst: SocketAddr::new(dst, self.dst_port),
            transport: self.transport,
            at: self.seconds.map(|seconds| instant(seconds, self.micros)),
            vlan: self.vlan,
            content,
            payload_len,
            payload,
        })
    }
}

/// The time in two fields.
pub(super) fn instant(seconds: u32, micros: u32) -> Instant {
    Instant::from_micros(u64::from(seconds) * 1_000_000 + u64::from(micros)).min(LATEST)
}
