//! Packets of calls in progress on their way to somebody who listens.
//!
//! The analysis hands them over as they pass and never waits: who does not take them in time misses
//! them. While nobody listens this costs one look at a flag for each packet of media.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::call::codec::Codec;
use crate::call::dialog::Side;
use crate::call::{Belongs, CallTable};
use crate::decode::Datagram;

/// Calls that are listened to at once, at most.
pub const MAX_TAPS: usize = 2;

/// Packets that wait for a listener, at most: more than two seconds of a call.
const MAX_WAITING: usize = 256;

/// One packet of a call.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Who sends it.
    pub(super) side: Side,
    /// What its payload type stands for.
    pub(super) codec: Codec,
    /// The RTP packet.
    pub(super) bytes: Vec<u8>,
}

/// Who listens to what.
#[derive(Debug, Default)]
pub struct Taps {
    is_any: AtomicBool,
    taps: Mutex<Vec<(u64, SyncSender<Heard>)>>,
}

impl Taps {
    /// Listens to the call of this number from now on; `None` where enough others listen.
    #[must_use]
    pub fn open(&self, number: u64) -> Option<Receiver<Heard>> {
        let mut taps = self.lock();
        if taps.len() >= MAX_TAPS {
            return None;
        }
        let (sender, receiver) = sync_channel(MAX_WAITING);
        taps.push((number, sender));
        self.is_any.store(true, Ordering::Relaxed);
        Some(receiver)
    }

    /// Whether anybody listens.
    #[inline]
    pub fn is_any(&self) -> bool {
        self.is_any.load(Ordering::Relaxed)
    }

    /// A packet of media has passed.
    #[cold]
    pub fn hear(&self, belongs: Belongs, datagram: &Datagram<'_>, table: &CallTable) {
        let Belongs::Stream(stream) = belongs else { return };
        let Some(flow) = table.flows.get(stream) else { return };
        let payload_type = datagram.payload.get(1).map_or(0, |byte| byte & 0x7f);
        let Some(codec) = flow.stream.usual_codec(payload_type) else { return };
        self.keep_only(|number, sender| {
            let of = |&&(slot, _): &&(crate::call::slab::Slot, Side)| {
                table.calls.get(slot).is_some_and(|call| call.number == number)
            };
            let Some(&(_, side)) = flow.calls.iter().find(of) else { return true };
            let heard = Heard { side, codec, bytes: datagram.payload.to_vec() };
            !matches!(sender.try_send(heard), Err(TrySendError::Disconnected(_)))
        });
    }

    /// Ends the taps of calls that are over.
    pub fn end_of(&self, table: &CallTable) {
        if self.is_any() {
            self.keep_only(|number, _| table.calls.iter().any(|(_, call)| call.number == number));
        }
    }

    fn keep_only(&self, keep: impl Fn(u64, &SyncSender<Heard>) -> bool) {
        let mut taps = self.lock();
        taps.retain(|(number, sender)| keep(*number, sender));
        self.is_any.store(!taps.is_empty(), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(u64, SyncSender<Heard>)>> {
        self.taps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
