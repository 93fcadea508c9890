//! SIP of calls in progress that no rule keeps yet, in a fixed pool of blocks: a rule that comes to
//! hold late still gets the call's first message.

use crate::limits::HELD_SIP_BYTES;

/// Bytes of one block.
const BLOCK: usize = 512;
const BLOCKS: usize = HELD_SIP_BYTES / BLOCK;

/// Blocks that only first messages may use.
const FOR_FIRST: usize = BLOCKS / 4;

/// "No block."
const NONE: u16 = u16::MAX;

// Blocks are numbered in 16 bits.
const _: () = assert!(BLOCKS < NONE as usize);

/// What one call holds: bytes in the order in which they were added.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chain {
    first: u16,
    last: u16,
    len: u32,
}

impl Default for Chain {
    fn default() -> Self {
        Self { first: NONE, last: NONE, len: 0 }
    }
}

/// The pool. Its memory is touched as it is used.
#[derive(Debug)]
pub(super) struct Hold {
    bytes: Vec<u8>,
    /// The block that follows in its chain, or in the list of free ones.
    next: Vec<u16>,
    free: u16,
    free_count: usize,
}

impl Hold {
    pub(super) fn new() -> Self {
        Self {
            bytes: Vec::with_capacity(HELD_SIP_BYTES),
            next: Vec::with_capacity(BLOCKS),
            free: NONE,
            free_count: BLOCKS,
        }
    }

    /// Adds bytes to what a call holds; false when there is no room for them.
    pub(super) fn add(&mut self, chain: &mut Chain, bytes: &[u8]) -> bool {
        let used = chain.len as usize;
        let in_last = used.next_multiple_of(BLOCK) - used;
        let needed = bytes.len().saturating_sub(in_last).div_ceil(BLOCK);
        let reserved = if used == 0 { 0 } else { FOR_FIRST };
        if needed + reserved > self.free_count {
            return false;
        }
        let mut left = bytes;
        let mut room = in_last;
        while !left.is_empty() {
            if room == 0 {
                let Some(block) = self.take() else { return false };
                match chain.last {
                    NONE => chain.first = block,
                    last => self.next[usize::from(last)] = block,
                }
                chain.last = block;
                room = BLOCK;
            }
            let (now, later) = left.split_at(left.len().min(room));
            let at = usize::from(chain.last) * BLOCK + BLOCK - room;
            self.bytes[at..at + now.len()].copy_from_slice(now);
            room -= now.len();
            left = later;
        }
        #[expect(clippy::cast_possible_truncation, reason = "no more than the pool's 8 MiB")]
        let added = bytes.len() as u32;
        chain.len += added;
        true
    }

    /// Hands out all that a call holds, and frees it.
    pub(super) fn take_all(&mut self, chain: &mut Chain, to: &mut Vec<u8>) {
        to.clear();
        let mut left = chain.len as usize;
        let mut block = chain.first;
        while block != NONE {
            let at = usize::from(block) * BLOCK;
            let here = left.min(BLOCK);
            to.extend_from_slice(&self.bytes[at..at + here]);
            left -= here;
            block = self.next[usize::from(block)];
        }
        self.free(chain);
    }

    /// Frees what a call holds.
    pub(super) fn free(&mut self, chain: &mut Chain) {
        if chain.first == NONE {
            return;
        }
        self.next[usize::from(chain.last)] = self.free;
        self.free = chain.first;
        self.free_count += (chain.len as usize).div_ceil(BLOCK);
        *chain = Chain::default();
    }

    fn take(&mut self) -> Option<u16> {
        let block = match self.free {
            NONE => {
                let block =
                    u16::try_from(self.next.len()).ok().filter(|&b| usize::from(b) < BLOCKS)?;
                self.bytes.resize(self.bytes.len() + BLOCK, 0);
                self.next.push(NONE);
                block
            }
            free => {
                self.free = self.next[usize::from(free)];
                self.next[usize::from(free)] = NONE;
                free
            }
        };
        self.free_count -= 1;
        Some(block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_pool_still_takes_first_messages() {
        let mut hold = Hold::new();
        let mut long = Chain::default();
        let mut messages = 0;
        while hold.add(&mut long, &[1; 900]) {
            messages += 1;
        }
        assert!(messages * 900 >= HELD_SIP_BYTES / 4 * 3 - BLOCK);
        let mut first = Chain::default();
        assert!(hold.add(&mut first, &[2; 900]), "a first message");
        assert!(!hold.add(&mut first, &[2; 900]), "and no second one");
        hold.free(&mut long);
        assert!(hold.add(&mut first, &[2; 900]));
    }

    proptest::proptest! {
        #[test]
        fn every_call_gets_back_what_it_added(
            steps in proptest::collection::vec((0..4_usize, 0..1500_usize, 0..8_u8), 0..200),
        ) {
            let mut hold = Hold::new();
            let mut chains = [Chain::default(); 4];
            let mut model: [Vec<u8>; 4] = Default::default();
            let mut taken = Vec::new();
            for (call, len, step) in steps {
                if step == 0 {
                    hold.take_all(&mut chains[call], &mut taken);
                    proptest::prop_assert_eq!(&taken, &model[call]);
                    model[call].clear();
                } else {
                    proptest::prop_assert!(hold.add(&mut chains[call], &vec![step; len]));
                    model[call].extend(vec![step; len]);
                }
            }
            chains.iter_mut().for_each(|chain| hold.free(chain));
            proptest::prop_assert_eq!(hold.free_count, BLOCKS);
        }
    }
}
