//! Calls: who belongs to which, their states, streams, figures and records.

pub mod codec;
pub mod interval;
pub mod jitter;
pub mod level;
mod meter;
pub mod playout;
pub mod quality;
mod restart;
pub mod sequence;
pub mod stream;
mod vote;
