//! Board config, root filesystem, kernel and sensor to a flashable image with two slots, and to the
//! signed bundles that update it.

pub mod bmap;
pub mod board;
pub mod fat;
pub mod layout;
pub mod progress;
#[cfg(test)]
mod scratch;
pub mod sign;
pub mod table;
