//! Cuts messages out of the bytes of a stream.

use ringside_protocol::counters::Counter;

use super::table::Key;
use crate::counters::Counters;
use crate::decode::{Context, Datagram, FindMessage, Framing, Looked, Transport};

/// What messages of one stream have in common.
pub(super) struct Emitter {
    pub(super) framing: FindMessage,
    pub(super) key: Key,
    pub(super) context: Context,
}

impl Emitter {
    /// Hands on every whole message; gives how many bytes are done with. `looked` is about the
    /// first of the bytes, and then about the first that are left.
    pub(super) fn emit(
        &self,
        bytes: &[u8],
        looked: &mut Looked,
        counters: &mut Counters,
        sink: &mut impl FnMut(&Datagram<'_>, &mut Counters),
    ) -> usize {
        let mut done = 0;
        while done < bytes.len() {
            let left = &bytes[done..];
            match (self.framing)(left, looked) {
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
                    sink(&self.datagram(message), counters);
                }
            }
        }
        done
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
            payload_len: u32::try_from(payload.len()).unwrap_or(u32::MAX),
            payload,
        }
    }
}
