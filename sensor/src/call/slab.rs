//! Fixed tables: slots that are reused, and an index that finds them by hash.
//!
//! All memory is reserved when a table is made; pages that no slot has needed yet stay untouched.

/// "No slot."
const NONE: u16 = u16::MAX;

/// The number of a slot.
pub type Slot = u16;

/// At most `capacity` values in numbered slots.
#[derive(Debug)]
pub struct Slab<T> {
    slots: Vec<Option<T>>,
    free: Vec<Slot>,
    capacity: usize,
}

impl<T> Slab<T> {
    /// Room for `capacity` values, at most 65,535.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        assert!(capacity <= usize::from(NONE), "slots are numbered in 16 bits");
        Self { slots: Vec::with_capacity(capacity), free: Vec::with_capacity(capacity), capacity }
    }

    /// Values held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether no value is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether [`Slab::insert`] would refuse.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len() == self.capacity
    }

    /// Puts a value into a free slot; hands it back when there is none.
    ///
    /// # Errors
    /// The value, when the table is full.
    pub fn insert(&mut self, value: T) -> Result<Slot, T> {
        if let Some(slot) = self.free.pop() {
            self.slots[usize::from(slot)] = Some(value);
            return Ok(slot);
        }
        match u16::try_from(self.slots.len()) {
            Ok(slot) if self.slots.len() < self.capacity => {
                self.slots.push(Some(value));
                Ok(slot)
            }
            _ => Err(value),
        }
    }

    /// Takes a value out and frees its slot.
    pub fn remove(&mut self, slot: Slot) -> Option<T> {
        let value = self.slots.get_mut(usize::from(slot))?.take()?;
        self.free.push(slot);
        Some(value)
    }

    /// The value in a slot.
    #[must_use]
    #[inline]
    pub fn get(&self, slot: Slot) -> Option<&T> {
        self.slots.get(usize::from(slot))?.as_ref()
    }

    /// The value in a slot.
    #[must_use]
    #[inline]
    pub fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        self.slots.get_mut(usize::from(slot))?.as_mut()
    }

    /// Every value, by slot.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.slots.iter_mut().flatten()
    }

    /// Every value with its slot, by slot.
    pub fn iter(&self) -> impl Iterator<Item = (Slot, &T)> {
        (0..).zip(&self.slots).filter_map(|(slot, value)| Some((slot, value.as_ref()?)))
    }
}

/// Finds slots by hash: open addressing with linear probing over 16-bit slot numbers and the upper
/// half of the hash, so that a probe rarely touches the slot itself.
#[derive(Debug)]
pub struct Index {
    cells: Vec<Cell>,
    mask: usize,
}

#[derive(Clone, Copy, Debug)]
struct Cell {
    /// Slot + 1, so that an untouched cell is an empty one.
    slot: u16,
    /// Bits 48 to 63 of the hash.
    check: u16,
    /// Bits 0 to 31 of the hash: where the cell wants to be.
    home: u32,
}

const EMPTY: Cell = Cell { slot: 0, check: 0, home: 0 };

impl Index {
    /// An index for at most `capacity` slots, at most half full.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let len = (capacity * 2).next_power_of_two();
        Self { cells: vec![EMPTY; len], mask: len - 1 }
    }

    /// The first slot with this hash for which `is_it` holds.
    #[inline]
    pub fn find(&self, hash: u64, mut is_it: impl FnMut(Slot) -> bool) -> Option<Slot> {
        let wanted = cell(0, hash);
        let mut at = self.position(wanted.home);
        loop {
            let found = self.cells[at];
            if found.slot == 0 {
                return None;
            }
            if found.check == wanted.check && found.home == wanted.home && is_it(found.slot - 1) {
                return Some(found.slot - 1);
            }
            at = (at + 1) & self.mask;
        }
    }

    /// The slot in the very cell where a hash wants to be, whosever it is: most often the right one.
    #[must_use]
    #[inline]
    pub fn guess(&self, hash: u64) -> Option<Slot> {
        self.cells[self.position(cell(0, hash).home)].slot.checked_sub(1)
    }

    /// Adds a slot; the caller has made sure that it is not there.
    pub fn insert(&mut self, hash: u64, slot: Slot) {
        let new = cell(slot + 1, hash);
        let mut at = self.position(new.home);
        while self.cells[at].slot != 0 {
            at = (at + 1) & self.mask;
        }
        self.cells[at] = new;
    }

    /// Removes a slot that was inserted with this hash; nothing happens when it is not there.
    pub fn remove(&mut self, hash: u64, slot: Slot) {
        let wanted = cell(slot + 1, hash);
        let mut at = self.position(wanted.home);
        while self.cells[at].slot != wanted.slot || self.cells[at].home != wanted.home {
            if self.cells[at].slot == 0 {
                return;
            }
            at = (at + 1) & self.mask;
        }
        self.close_gap(at);
    }

    /// Moves later cells of the same run forward, so that no probe stops too early.
    fn close_gap(&mut self, mut gap: usize) {
        let mut at = gap;
        loop {
            at = (at + 1) & self.mask;
            let candidate = self.cells[at];
            if candidate.slot == 0 {
                break;
            }
            let home = self.position(candidate.home);
            let may_move =
                (at.wrapping_sub(home) & self.mask) >= (at.wrapping_sub(gap) & self.mask);
            if may_move {
                self.cells[gap] = candidate;
                gap = at;
            }
        }
        self.cells[gap] = EMPTY;
    }

    #[inline]
    const fn position(&self, home: u32) -> usize {
        home as usize & self.mask
    }
}

#[inline]
const fn cell(slot: u16, hash: u64) -> Cell {
    let [a, b, c, d, _, _, e, f] = hash.to_le_bytes();
    Cell { slot, check: u16::from_le_bytes([e, f]), home: u32::from_le_bytes([a, b, c, d]) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn a_full_slab_hands_the_value_back_and_reuses_freed_slots() {
        let mut slab = Slab::new(2);
        let a = slab.insert("a").unwrap();
        slab.insert("b").unwrap();
        assert!(slab.is_full());
        assert_eq!(slab.insert("c"), Err("c"));
        assert_eq!(slab.remove(a), Some("a"));
        assert_eq!(slab.remove(a), None);
        assert_eq!(slab.insert("c"), Ok(a));
        assert_eq!(slab.iter().map(|(_, value)| *value).collect::<Vec<_>>(), ["c", "b"]);
    }

    proptest::proptest! {
        /// Hashes are taken from a few values, so that runs collide and wrap around.
        #[test]
        fn the_index_is_a_map(steps: Vec<(bool, u8, u16)>) {
            let mut index = Index::new(16);
            let mut model: HashMap<u16, u64> = HashMap::new();
            for (adds, hash, slot) in steps {
                let (hash, slot) = (u64::from(hash % 7) + 28, slot % 16);
                if adds && !model.contains_key(&slot) {
                    index.insert(hash, slot);
                    model.insert(slot, hash);
                } else if let Some(old) = model.remove(&slot) {
                    index.remove(old, slot);
                }
                for slot in 0..16 {
                    for hash in 28..35 {
                        let found = index.find(hash, |candidate| candidate == slot);
                        let expected = model.get(&slot) == Some(&hash);
                        proptest::prop_assert_eq!(found.is_some(), expected);
                    }
                }
            }
        }
    }
}
