//! Frames of several interfaces in the order of their time.
//!
//! A TX and an RX tap each see one half of a call. The earliest frame of all goes first, once every
//! interface has shown what it has. One that is silent shows nothing, so a frame is held back for
//! [`MAX_HOLD`] at most.

use std::collections::VecDeque;

use embassy_time::{Duration, Instant};

use super::Frame;
use super::block::Block;
use crate::limits::CAPTURE_BLOCKS;

/// The longest time a frame waits for those of other interfaces: twice the kernel's own delay.
pub(super) const MAX_HOLD: Duration = Duration::from_millis(100);

/// Blocks of each interface that have not been read to their end.
pub(super) struct Merge {
    queues: Vec<VecDeque<Block>>,
}

impl Merge {
    pub(super) fn new(interfaces: u8) -> Self {
        let queue = |_| VecDeque::with_capacity(CAPTURE_BLOCKS);
        Self { queues: (0..interfaces).map(queue).collect() }
    }

    /// Takes a block in.
    pub(super) fn push(&mut self, block: Block) {
        if let Some(queue) = self.queues.get_mut(usize::from(block.interface())) {
            queue.push_back(block);
        }
    }

    /// Shows every frame whose turn has come, at `now` on the frames' time line, and gives back
    /// blocks that are done. Returns how many frames that were.
    pub(super) fn drain(
        &mut self,
        now: Instant,
        visit: &mut impl FnMut(&Frame<'_>),
        give_back: &mut impl FnMut(Block),
    ) -> usize {
        let mut visited = 0;
        while let Some((index, at)) = self.earliest() {
            if self.is_held(at, now) {
                break;
            }
            let queue = &mut self.queues[index];
            let Some(block) = queue.front_mut() else { break };
            if let Some(frame) = block.next() {
                visit(&frame);
                visited += 1;
            }
            if block.next_at().is_none()
                && let Some(block) = queue.pop_front()
            {
                give_back(block);
            }
        }
        visited
    }

    /// How long until the next frame's turn, were no other to come; `None` when there is none.
    pub(super) fn hold(&self, now: Instant) -> Option<Duration> {
        let (_, at) = self.earliest()?;
        let until = at + MAX_HOLD;
        Some(until.checked_duration_since(now).unwrap_or(Duration::MIN))
    }

    /// The interface with the earliest frame, and its time.
    fn earliest(&self) -> Option<(usize, Instant)> {
        let next_at =
            |(index, queue): (usize, &VecDeque<Block>)| Some((index, queue.front()?.next_at()?));
        self.queues.iter().enumerate().filter_map(next_at).min_by_key(|&(_, at)| at)
    }

    /// Whether an interface that has shown nothing may still come with an earlier frame.
    fn is_held(&self, at: Instant, now: Instant) -> bool {
        at + MAX_HOLD > now && self.queues.iter().any(VecDeque::is_empty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::LinkType;

    fn block(interface: u8, times_ms: &[u64]) -> Block {
        let mut block = Block::new(interface);
        for &at in times_ms {
            block.push(&Frame {
                at: Instant::from_millis(at),
                interface,
                link_type: LinkType::Ethernet,
                original_len: 0,
                bytes: b"",
            });
        }
        block
    }

    fn drain(merge: &mut Merge, now_ms: u64) -> (Vec<(u8, u64)>, usize) {
        let (mut seen, mut given_back) = (Vec::new(), 0);
        let mut visit = |frame: &Frame<'_>| seen.push((frame.interface, frame.at.as_millis()));
        let count = merge.drain(Instant::from_millis(now_ms), &mut visit, &mut |_| given_back += 1);
        assert_eq!(count, seen.len());
        (seen, given_back)
    }

    #[test]
    fn one_interface_waits_for_nobody() {
        let mut merge = Merge::new(1);
        merge.push(block(0, &[1000, 1001]));
        merge.push(block(0, &[1002]));
        assert_eq!(drain(&mut merge, 1000), (vec![(0, 1000), (0, 1001), (0, 1002)], 2));
        assert_eq!(merge.hold(Instant::from_millis(0)), None);
    }

    #[test]
    fn two_interfaces_are_merged_by_time() {
        let mut merge = Merge::new(2);
        merge.push(block(0, &[1000, 1020, 1040]));
        assert_eq!(drain(&mut merge, 1050), (vec![], 0), "interface 1 may have an earlier one");
        merge.push(block(1, &[1010, 1030]));
        let (seen, given_back) = drain(&mut merge, 1050);
        assert_eq!(seen, [(0, 1000), (1, 1010), (0, 1020), (1, 1030)]);
        assert_eq!(given_back, 1);
        merge.push(block(1, &[1035]));
        assert_eq!(drain(&mut merge, 1050).0, [(1, 1035)]);
    }

    #[test]
    fn a_silent_interface_holds_the_others_back_for_a_bounded_time() {
        let mut merge = Merge::new(3);
        merge.push(block(0, &[1000, 1500]));
        merge.push(block(1, &[1400]));
        assert_eq!(merge.hold(Instant::from_millis(1040)), Some(Duration::from_millis(60)));
        assert_eq!(drain(&mut merge, 1099).0, []);
        assert_eq!(drain(&mut merge, 1100).0, [(0, 1000)]);
        assert_eq!(drain(&mut merge, 2000).0, [(1, 1400), (0, 1500)]);
    }
}
