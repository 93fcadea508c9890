//! From a capture thread to the analysis thread: a fixed set of blocks that go round.
//!
//! ```text
//! capture thread                        analysis thread
//!   Writer  ── full blocks ──────────────> Inbox
//!      ^────── empty blocks ───────────────┘
//! ```
//!
//! Analysis that lags behind leaves no empty block. Frames are then dropped and counted: RTP at
//! once, SIP when the blocks that are reserved for it are on their way too. No thread waits for
//! the other, and none asks for memory.

use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use super::Frame;
use super::block::Block;
use crate::limits::{CAPTURE_BLOCKS, CAPTURE_BLOCKS_FOR_SIP};

const _: () = assert!(CAPTURE_BLOCKS_FOR_SIP < CAPTURE_BLOCKS);

/// Tells frames that carry SIP from others; asked only when blocks run out.
pub type Signalling = Arc<dyn Fn(&Frame<'_>) -> bool + Send + Sync>;

/// Frames dropped between capture and analysis.
#[derive(Debug, Default)]
pub(super) struct Shed {
    pub(super) rtp: AtomicU64,
    pub(super) sip: AtomicU64,
}

/// Fills blocks; one for each capture thread.
pub(super) struct Writer {
    empty: Receiver<Block>,
    full: SyncSender<Block>,
    current: Option<Current>,
    reserve: Vec<Block>,
    is_signalling: Signalling,
    shed: Arc<Shed>,
}

struct Current {
    block: Block,
    is_reserved: bool,
}

/// Takes blocks in and gives them back.
pub(super) struct Inbox {
    full: Receiver<Block>,
    empty: Vec<SyncSender<Block>>,
    /// Keeps the channel open when every capture thread has ended.
    _full: SyncSender<Block>,
}

/// Writers for so many interfaces, and the inbox that they fill.
pub(super) fn handover(
    interfaces: u8,
    is_signalling: &Signalling,
) -> (Vec<(Writer, Arc<Shed>)>, Inbox) {
    let (full, inbox) = sync_channel(usize::from(interfaces) * CAPTURE_BLOCKS);
    let mut empty = Vec::new();
    let writers = (0..interfaces)
        .map(|interface| {
            let (give_back, take) = sync_channel(CAPTURE_BLOCKS);
            let mut blocks = (0..CAPTURE_BLOCKS).map(|_| Block::new(interface));
            let reserve = blocks.by_ref().take(CAPTURE_BLOCKS_FOR_SIP).collect();
            for block in blocks {
                // There is room for all of them.
                let _ = give_back.try_send(block);
            }
            empty.push(give_back);
            let shed = Arc::new(Shed::default());
            let writer = Writer {
                empty: take,
                full: full.clone(),
                current: None,
                reserve,
                is_signalling: Arc::clone(is_signalling),
                shed: Arc::clone(&shed),
            };
            (writer, shed)
        })
        .collect();
    (writers, Inbox { full: inbox, empty, _full: full })
}

impl Writer {
    /// Puts a frame into a block, or drops and counts it.
    pub(super) fn write(&mut self, frame: &Frame<'_>) {
        if let Some(current) = &mut self.current
            && !current.is_reserved
            && current.block.has_room(frame)
        {
            current.block.push(frame);
            return;
        }
        self.write_slowly(frame);
    }

    /// A block is full, or there was none.
    fn write_slowly(&mut self, frame: &Frame<'_>) {
        if let Some(block) = self.empty_block() {
            self.flush();
            self.begin(block, false, frame);
        } else if !(self.is_signalling)(frame) {
            self.shed.rtp.fetch_add(1, Ordering::Relaxed);
        } else if let Some(Current { block, is_reserved: true }) = &mut self.current
            && block.has_room(frame)
        {
            block.push(frame);
        } else if let Some(block) = self.reserve.pop() {
            self.flush();
            self.begin(block, true, frame);
        } else {
            self.shed.sip.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn begin(&mut self, mut block: Block, is_reserved: bool, frame: &Frame<'_>) {
        block.push(frame);
        self.current = Some(Current { block, is_reserved });
    }

    /// A block that came back; the reserve is filled first.
    fn empty_block(&mut self) -> Option<Block> {
        while self.reserve.len() < CAPTURE_BLOCKS_FOR_SIP {
            self.reserve.push(self.empty.try_recv().ok()?);
        }
        self.empty.try_recv().ok()
    }

    /// Hands over what has been written.
    pub(super) fn flush(&mut self) {
        if let Some(Current { block, .. }) = self.current.take() {
            // There is room for every block; when analysis has ended, nobody misses it.
            let _ = self.full.try_send(block);
        }
    }
}

impl Inbox {
    /// A block, if one has come.
    pub(super) fn try_recv(&self) -> Option<Block> {
        self.full.try_recv().ok()
    }

    /// Waits for a block.
    pub(super) fn recv_timeout(&self, max_wait: Duration) -> Option<Block> {
        self.full.recv_timeout(max_wait).ok()
    }

    /// Gives a block back to its interface.
    pub(super) fn give_back(&self, mut block: Block) {
        block.clear();
        if let Some(empty) = self.empty.get(usize::from(block.interface())) {
            // There is room for every block; when the thread has ended, nobody misses it.
            let _ = empty.try_send(block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::LinkType;
    use crate::limits::MAX_FRAME_BYTES;
    use embassy_time::Instant;

    /// A frame whose first byte tells whether it is SIP; two of that size do not fit a block.
    fn frame(bytes: &[u8], at: u64) -> Frame<'_> {
        Frame {
            at: Instant::from_micros(at),
            interface: 0,
            link_type: LinkType::Ethernet,
            original_len: 0,
            bytes,
        }
    }

    fn one_interface() -> (Writer, Arc<Shed>, Inbox) {
        let is_signalling: Signalling = Arc::new(|frame| frame.bytes.first() == Some(&b'S'));
        let (mut writers, inbox) = handover(1, &is_signalling);
        let (writer, shed) = writers.remove(0);
        (writer, shed, inbox)
    }

    fn take_all(inbox: &Inbox) -> Vec<u64> {
        let mut times = Vec::new();
        while let Some(mut block) = inbox.try_recv() {
            while let Some(frame) = block.next() {
                times.push(frame.at.as_micros());
            }
            inbox.give_back(block);
        }
        times
    }

    #[test]
    fn frames_arrive_in_order_and_blocks_go_round() {
        let (mut writer, _, inbox) = one_interface();
        let large = vec![b'R'; MAX_FRAME_BYTES / 2];
        for round in 0..5 {
            for at in 0..20 {
                writer.write(&frame(&large, round * 100 + at));
            }
            writer.flush();
            assert_eq!(take_all(&inbox), (0..20).map(|at| round * 100 + at).collect::<Vec<_>>());
        }
        writer.flush();
        assert!(inbox.try_recv().is_none(), "nothing written, nothing handed over");
    }

    #[test]
    fn without_blocks_rtp_is_shed_before_sip() {
        let (mut writer, shed, inbox) = one_interface();
        let rtp = vec![b'R'; MAX_FRAME_BYTES];
        let sip = vec![b'S'; MAX_FRAME_BYTES];
        let ordinary = CAPTURE_BLOCKS - CAPTURE_BLOCKS_FOR_SIP;
        let mut at = 0;
        let mut write = |writer: &mut Writer, bytes: &[u8]| {
            at += 1;
            writer.write(&frame(bytes, at));
        };
        let counts = || (shed.rtp.load(Ordering::Relaxed), shed.sip.load(Ordering::Relaxed));
        for _ in 0..ordinary {
            write(&mut writer, &rtp);
        }
        assert_eq!(counts(), (0, 0));
        write(&mut writer, &rtp);
        assert_eq!(counts(), (1, 0));
        for _ in 0..CAPTURE_BLOCKS_FOR_SIP {
            write(&mut writer, &sip);
            write(&mut writer, b"R");
        }
        assert_eq!(counts(), (5, 0), "small RTP does not slip into SIP's blocks");
        write(&mut writer, &sip);
        assert_eq!(counts(), (5, 1));
        write(&mut writer, b"S");
        assert_eq!(counts(), (5, 1), "there was room in the last block");

        let times = take_all(&inbox);
        assert!(times.is_sorted());
        assert_eq!(times.len(), CAPTURE_BLOCKS - 1, "the last block is still being written");
        write(&mut writer, &rtp);
        writer.flush();
        assert_eq!(counts(), (5, 1));
        assert_eq!(take_all(&inbox).len(), 3);
        assert_eq!(writer.reserve.len(), CAPTURE_BLOCKS_FOR_SIP, "the reserve is filled again");
    }
}
