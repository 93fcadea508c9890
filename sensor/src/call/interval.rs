//! Ten-second figures of every stream, in one pool of small blocks.
//!
//! The pool is allocated once, zeroed, so that the kernel gives memory only to blocks that are
//! used. A stream holds a chain of blocks of [`BLOCK_INTERVALS`] intervals. A stream that
//! reaches [`MAX_INTERVALS`], or finds the pool empty, merges its intervals pairwise: all of
//! them are then twice as long, and half its blocks are free again. How long they are follows
//! from the stream's length and their count (`protocol::cdr::Stream::interval_seconds`).

use ringside_protocol::cdr::Interval;

use crate::limits::{INTERVAL_BLOCKS, MAX_INTERVALS};

/// Intervals of one block: 5 min 20 s.
pub const BLOCK_INTERVALS: usize = 32;

/// Packets, lost, jitter, MOS as in [`Interval`].
type Packed = [u16; 4];

/// Blocks are numbered from 1, so that zeroed memory means "none".
type BlockNumber = u16;

const _: () = assert!(INTERVAL_BLOCKS < BlockNumber::MAX as usize);
const _: () = assert!(MAX_INTERVALS.is_multiple_of(2));
const _: () = assert!(BLOCK_INTERVALS.is_multiple_of(2));

/// The blocks of all streams.
#[derive(Debug)]
pub struct IntervalPool {
    blocks: Vec<[Packed; BLOCK_INTERVALS]>,
    /// The block after each in its chain, or in the list of free ones.
    next: Vec<BlockNumber>,
    free: BlockNumber,
    /// Blocks that were never used begin after this many.
    touched: BlockNumber,
    used: usize,
}

/// One stream's chain.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chain {
    head: BlockNumber,
    tail: BlockNumber,
    count: u16,
}

impl Default for IntervalPool {
    fn default() -> Self {
        Self::with_blocks(INTERVAL_BLOCKS)
    }
}

impl IntervalPool {
    /// A pool of [`INTERVAL_BLOCKS`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn with_blocks(blocks: usize) -> Self {
        Self {
            blocks: vec![[[0; 4]; BLOCK_INTERVALS]; blocks],
            next: vec![0; blocks],
            free: 0,
            touched: 0,
            used: 0,
        }
    }

    /// Blocks in use.
    #[must_use]
    pub const fn used(&self) -> usize {
        self.used
    }

    /// Appends an interval; `false` when the chain or the pool is full.
    #[must_use]
    pub fn push(&mut self, chain: &mut Chain, interval: Interval) -> bool {
        let (count, slot) = chain.end();
        if count == MAX_INTERVALS {
            return false;
        }
        if slot == 0 {
            let Some(block) = self.take() else { return false };
            if chain.tail == 0 {
                chain.head = block;
            } else {
                self.next[index(chain.tail)] = block;
            }
            chain.tail = block;
        }
        self.blocks[index(chain.tail)][slot] = pack(interval);
        chain.count += 1;
        true
    }

    /// Merges a chain's intervals pairwise and frees the blocks that this leaves empty. Called
    /// when `push` refused, so the count is even.
    pub fn merge_pairs(&mut self, chain: &mut Chain) {
        let (mut from, mut to) = (chain.head, chain.head);
        let halves = usize::from(chain.count / 2);
        for merged in 0..halves {
            let (read, write) = (2 * merged % BLOCK_INTERVALS, merged % BLOCK_INTERVALS);
            let block = self.blocks[index(from)];
            let pair = merge(unpack(block[read]), unpack(block[read + 1]));
            self.blocks[index(to)][write] = pack(pair);
            if read + 2 == BLOCK_INTERVALS {
                from = self.next[index(from)];
            }
            if write + 1 == BLOCK_INTERVALS && merged + 1 < halves {
                to = self.next[index(to)];
            }
        }
        if halves > 0 {
            let rest = core::mem::take(&mut self.next[index(to)]);
            self.give_back(rest);
            chain.tail = to;
        }
        chain.count /= 2;
    }

    /// Takes one lost packet off the last interval, because it has come after all; `false` when
    /// that interval lost none.
    pub fn find_lost(&mut self, chain: &Chain) -> bool {
        let (count, slot) = chain.end();
        if count == 0 {
            return false;
        }
        let last = (slot + BLOCK_INTERVALS - 1) % BLOCK_INTERVALS;
        let [_, lost, ..] = &mut self.blocks[index(chain.tail)][last];
        let found = *lost > 0;
        if found {
            *lost -= 1;
        }
        found
    }

    /// A chain's intervals, oldest first.
    pub fn iter(&self, chain: &Chain) -> impl Iterator<Item = Interval> {
        let mut block = chain.head;
        (0..usize::from(chain.count)).map(move |at| {
            let slot = at % BLOCK_INTERVALS;
            let interval = unpack(self.blocks[index(block)][slot]);
            if slot + 1 == BLOCK_INTERVALS {
                block = self.next[index(block)];
            }
            interval
        })
    }

    /// Frees a chain.
    pub fn release(&mut self, chain: &mut Chain) {
        self.give_back(chain.head);
        *chain = Chain::default();
    }

    fn take(&mut self) -> Option<BlockNumber> {
        let block = if self.free != 0 {
            let block = self.free;
            self.free = core::mem::take(&mut self.next[index(block)]);
            block
        } else if usize::from(self.touched) < self.blocks.len() {
            self.touched += 1;
            self.touched
        } else {
            return None;
        };
        self.used += 1;
        Some(block)
    }

    fn give_back(&mut self, mut block: BlockNumber) {
        while block != 0 {
            let after = core::mem::replace(&mut self.next[index(block)], self.free);
            self.free = block;
            self.used -= 1;
            block = after;
        }
    }
}

impl Chain {
    /// How many intervals it holds.
    #[must_use]
    pub fn count(&self) -> usize {
        usize::from(self.count)
    }

    /// The count, and the slot in the last block where the next interval goes.
    fn end(self) -> (usize, usize) {
        (self.count(), self.count() % BLOCK_INTERVALS)
    }
}

fn index(block: BlockNumber) -> usize {
    usize::from(block) - 1
}

const fn pack(interval: Interval) -> Packed {
    [interval.packets, interval.lost, interval.jitter, interval.mos]
}

const fn unpack([packets, lost, jitter, mos]: Packed) -> Interval {
    Interval { packets, lost, jitter, mos }
}

/// Two intervals as one: sums, and means over the packets that came.
fn merge(a: Interval, b: Interval) -> Interval {
    Interval {
        packets: a.packets.saturating_add(b.packets),
        lost: a.lost.saturating_add(b.lost),
        jitter: mean((a.jitter, a.packets), (b.jitter, b.packets)),
        mos: match (a.mos, b.mos) {
            (0, mos) | (mos, 0) => mos,
            _ => mean((a.mos, a.packets), (b.mos, b.packets)),
        },
    }
}

/// Weighted mean, rounded.
fn mean((a, weight_a): (u16, u16), (b, weight_b): (u16, u16)) -> u16 {
    let weight = u32::from(weight_a) + u32::from(weight_b);
    if weight == 0 {
        return 0;
    }
    let sum = u64::from(a) * u64::from(weight_a) + u64::from(b) * u64::from(weight_b);
    let rounded = (sum + u64::from(weight) / 2) / u64::from(weight);
    u16::try_from(rounded).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn interval(packets: u16) -> Interval {
        Interval { packets, lost: 1, jitter: 10, mos: 400 }
    }

    fn packets(pool: &IntervalPool, chain: &Chain) -> Vec<u16> {
        pool.iter(chain).map(|interval| interval.packets).collect()
    }

    #[test]
    fn intervals_come_back_in_order_across_blocks() {
        let (mut pool, mut chain) = (IntervalPool::with_blocks(4), Chain::default());
        for number in 0..100 {
            assert!(pool.push(&mut chain, interval(number)));
        }
        assert_eq!(packets(&pool, &chain), (0..100).collect::<Vec<_>>());
        assert_eq!(pool.used(), 4);
        pool.release(&mut chain);
        assert_eq!((pool.used(), chain.count()), (0, 0));
    }

    #[test]
    fn a_full_chain_merges_pairwise_and_keeps_every_packet() {
        let (mut pool, mut chain) = (IntervalPool::new(), Chain::default());
        for _ in 0..MAX_INTERVALS {
            assert!(pool.push(&mut chain, interval(500)));
        }
        assert!(!pool.push(&mut chain, interval(500)), "MAX_INTERVALS is reached");
        pool.merge_pairs(&mut chain);
        assert_eq!(packets(&pool, &chain), vec![1000; MAX_INTERVALS / 2]);
        assert_eq!(pool.used(), (MAX_INTERVALS / 2).div_ceil(BLOCK_INTERVALS));
        assert!(pool.push(&mut chain, interval(7)));
        assert_eq!(packets(&pool, &chain).last(), Some(&7));
    }

    #[test]
    fn an_empty_pool_refuses_until_a_chain_merges() {
        let mut pool = IntervalPool::with_blocks(4);
        let (mut long, mut short) = (Chain::default(), Chain::default());
        for _ in 0..BLOCK_INTERVALS * 4 {
            assert!(pool.push(&mut long, interval(1)));
        }
        assert!(!pool.push(&mut short, interval(9)), "no block for a second stream");
        pool.merge_pairs(&mut short);
        assert_eq!(short.count(), 0, "nothing to merge yet");
        assert!(!pool.push(&mut long, interval(1)));
        pool.merge_pairs(&mut long);
        assert_eq!(packets(&pool, &long), vec![2; BLOCK_INTERVALS * 2]);
        assert_eq!(pool.used(), 2);
        assert!(pool.push(&mut short, interval(9)));
        assert!(pool.push(&mut long, interval(3)));
        assert_eq!(pool.used(), 4);
        assert_eq!(packets(&pool, &short), [9]);
    }

    #[test]
    fn merging_weighs_by_packets() {
        let merged = merge(
            Interval { packets: 100, lost: 1, jitter: 10, mos: 400 },
            Interval { packets: 300, lost: 2, jitter: 30, mos: 300 },
        );
        assert_eq!(merged, Interval { packets: 400, lost: 3, jitter: 25, mos: 325 });
        let silent = Interval::default();
        assert_eq!(merge(silent, interval(5)), interval(5), "a silent half has no opinion");
        assert_eq!(merge(interval(u16::MAX), interval(1)).packets, u16::MAX);
    }

    #[test]
    fn a_loss_is_given_back_once() {
        let (mut pool, mut chain) = (IntervalPool::with_blocks(2), Chain::default());
        assert!(!pool.find_lost(&chain));
        for _ in 0..BLOCK_INTERVALS {
            assert!(pool.push(&mut chain, interval(1)));
        }
        assert!(pool.find_lost(&chain));
        assert!(!pool.find_lost(&chain), "never negative");
    }

    proptest! {
        /// Against vectors: three streams share a pool that is too small for them.
        #[test]
        fn chains_behave_like_vectors(
            steps in proptest::collection::vec((0_usize..3, 0_u8..40, 1_u16..500), 1..300),
        ) {
            let mut pool = IntervalPool::with_blocks(3);
            let mut chains = [Chain::default(); 3];
            let mut model: [Vec<Interval>; 3] = Default::default();
            for (at, action, packets) in steps {
                let (chain, vector) = (&mut chains[at], &mut model[at]);
                if action == 0 {
                    pool.release(chain);
                    vector.clear();
                } else if pool.push(chain, interval(packets)) {
                    vector.push(interval(packets));
                } else {
                    pool.merge_pairs(chain);
                    *vector = vector.chunks(2).map(|pair| merge(pair[0], pair[1])).collect();
                }
                prop_assert_eq!(&pool.iter(chain).collect::<Vec<_>>(), vector);
                let blocks = model.iter().map(|vector| vector.len().div_ceil(BLOCK_INTERVALS));
                prop_assert_eq!(pool.used(), blocks.sum::<usize>());
            }
        }
    }
}
