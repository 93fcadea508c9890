//! Board config, root filesystem, kernel and sensor to a flashable image with two slots, and to the
//! signed bundles that update it.

pub mod board;
pub mod layout;
#[cfg(test)]
mod scratch;
pub mod table;
