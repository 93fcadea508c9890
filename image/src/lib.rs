//! Board config, root filesystem, kernel and sensor to a flashable image with two slots, and to the
//! signed bundles that update it; on the box, the same program installs them.

pub mod bmap;
pub mod board;
pub mod build;
pub mod bundle;
pub mod cli;
pub mod commands;
pub mod device;
pub mod fat;
pub mod flash;
pub mod inspect;
pub mod layout;
pub mod pin;
pub mod progress;
pub mod root;
#[cfg(test)]
mod scratch;
pub mod sign;
pub mod slots;
pub mod table;
pub mod tryboot;
