//! What the sensor keeps on disk.

pub mod atomic;
pub mod export;
pub mod outbox;
pub mod ring;

#[cfg(test)]
pub(crate) mod test_dir;
