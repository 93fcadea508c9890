//! Cuts messages out of the bytes of a stream.

use ringside_protocol::counters::Counter;

use super::table::Key;
use crate::counters::Counters;
use crate::decode::websocket::{self, Next, Reason};
use crate::decode::{Context, Datagram, FindMessage, Framing, Looked, Transport, hep};

/// What a stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::decode) enum Carries {
    /// SIP messages, one after another.
    Sip,
    /// HEP messages, one after another.
    Hep,
    /// SIP messages in WebSocket frames.
    WebSocket {
        /// Whether the client sends it.
        is_client: bool,
        /// Bytes of a frame that are still to be passed over.
        to_skip: u64,
    },
    /// Nothing that is read; an upgrade to WebSocket may change that.
    Nothing,
}

/// What messages of one stream have in common.
pub(super) struct Emitter {
    pub(super) framing: FindMessage,
    pub(super) carries: Carries,
    /// Whether a message was handed on.
    pub(super) has_given: bool,
    pub(super) key: Key,
    pub(super) context: Context,
}

impl Emitter {
    /// Hands on every whole message; gives how many bytes are done with. `looked` is about the
    /// first of the bytes, and then about the first that are left; `room` is for messages that
    /// have to be unmasked or joined.
    pub(super) fn emit(
        &mut self,
        bytes: &[u8],
        looked: &mut Looked,
        room: &mut [u8],
        counters: &mut Counters,
        sink: &mut impl FnMut(&Datagram<'_>, &mut Counters),
    ) -> usize {
        match self.carries {
            Carries::Sip => self.emit_framed(self.framing, bytes, looked, counters, sink),
            Carries::Hep => {
                let find: FindMessage = |bytes, _| hep::framing(bytes);
                self.emit_framed(find, bytes, looked, counters, sink)
            }
            Carries::WebSocket { is_client, to_skip } => {
                let (done, to_skip) =
                    self.emit_frames(bytes, is_client, to_skip, room, counters, sink);
                self.carries = Carries::WebSocket { is_client, to_skip };
                done
            }
            Carries::Nothing => bytes.len(),
        }
    }

    fn emit_framed(
        &mut self,
        find: FindMessage,
        bytes: &[u8],
        looked: &mut Looked,
        counters: &mut Counters,
        sink: &mut impl FnMut(&Datagram<'_>, &mut Counters),
    ) -> usize {
        let mut done = 0;
        while done < bytes.len() {
            let left = &bytes[done..];
            match find(left, looked) {
                Framing::NeedMore => break,
                Framing::Skip(count) => {
                    *looked = Looked::default();
                    let skipped = &left[..count.clamp(1, left.len())];
                    // Empty lines between messages keep connections open (RFC 5626 §3.5.1).
                    if skipped.iter().any(|byte| !matches!(byte, b'\r' | b'\n')) {
                        counters.add_many(Counter::TcpSkippedBytes, skipped.len() as u64);
                    }
                    done += skipped.len();
                }
                Framing::Complete(count) => {
                    *looked = Looked::default();
                    let message = &left[..count.clamp(1, left.len())];
                    done += message.len();
                    self.has_given = true;
                    if self.carries != Carries::Hep {
                        sink(&self.datagram(message), counters);
                    } else if let Some(datagram) = hep::read(message, self.context, counters) {
                        sink(&datagram, counters);
                    }
                }
            }
        }
        done
    }

    /// Gives how many bytes are done with, and how many of those to come.
    fn emit_frames(
        &mut self,
        bytes: &[u8],
        is_client: bool,
        mut to_skip: u64,
        room: &mut [u8],
        counters: &mut Counters,
        sink: &mut impl FnMut(&Datagram<'_>, &mut Counters),
    ) -> (usize, u64) {
        let mut done = 0;
        loop {
            let left = &bytes[done..];
            let skipped = usize::try_from(to_skip).unwrap_or(usize::MAX).min(left.len());
            done += skipped;
            to_skip -= skipped as u64;
            if done == bytes.len() {
                return (done, to_skip);
            }
            match websocket::next(&bytes[done..], is_client, room) {
                Next::NeedMore => return (done, 0),
                Next::Skip(count, reason) => {
                    to_skip = count;
                    match reason {
                        Reason::Control | Reason::Remainder => {}
                        Reason::Compressed => counters.add(Counter::WebSocketCompressed),
                        Reason::TooLarge => counters.add(Counter::SipTooLarge),
                        Reason::Bad => counters.add(Counter::WebSocketBad),
                    }
                }
                Next::Message { len, payload } => {
                    done += len;
                    self.has_given = true;
                    sink(&self.datagram(payload), counters);
                }
            }
        }
    }

    fn datagram<'a>(&self, payload: &'a [u8]) -> Datagram<'a> {
        Datagram {
            at: self.context.at,
            interface: self.context.interface,
            src: self.key.src,
            dst: self.key.dst,
            transport: Transport::Tcp,
            vlan: self.context.vlan,
            dscp: self.context.dscp,
            is_sip: true,
            payload_len: u32::try_from(payload.len()).unwrap_or(u32::MAX),
            payload,
        }
    }
}
