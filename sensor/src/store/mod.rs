//! What the sensor keeps on disk.

pub mod atomic;
pub mod outbox;

#[cfg(test)]
pub(crate) mod test_dir;
