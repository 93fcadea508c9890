//! Calls: who belongs to which, their states, streams, figures and records.
//!
//! [`table`] owns everything. SIP goes to [`entry`] by Call-ID, which asks [`dialog`] what it means
//! and [`offer`] what its session description says; RTP and RTCP go through [`media`] to [`flows`]
//! by address. At its end [`cdr`] makes a call's record.

pub mod cdr;
pub mod codec;
pub mod dialog;
pub mod drift;
pub mod dtmf;
pub mod entry;
pub mod flows;
pub mod hash;
pub mod impairment;
pub mod interval;
pub mod jitter;
pub mod ladder;
pub mod legs;
pub mod level;
mod live;
mod marking;
mod media;
#[cfg(test)]
mod media_tests;
mod meter;
pub mod offer;
pub mod own_loss;
pub mod places;
pub mod playout;
#[cfg(test)]
mod proptests;
pub mod quality;
mod reports;
mod restart;
pub mod room;
pub mod sequence;
pub mod slab;
mod strays;
pub mod stream;
pub mod table;
#[cfg(test)]
mod tests;
pub mod text;
pub mod tombstone;
mod vote;
pub mod wheel;

pub use media::Belongs;
pub use table::{CallSettings, CallTable};
