//! The Ringside sensor: from the wire to call detail records.
//!
//! ```text
//! capture -> decode -> wire -> call -> outbox -> uplink -> cloud
//!  frames    datagrams  SIP,    calls   records   batches
//!                       RTP
//! ```
//!
//! Each stage imports only what stands before it; `main.rs` joins them. Everything up to `call`
//! takes time as an argument, so a capture file gives the same records every time.

pub mod analysis;
pub mod audio;
pub mod call;
pub mod capture;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod counters;
pub mod decode;
pub mod doctor;
pub mod host;
mod http;
pub mod identity;
pub mod keep;
pub mod limits;
pub mod logging;
pub mod peer;
pub mod provision;
pub mod registration;
pub mod report;
pub mod retrieval;
pub mod rules;
pub mod status;
pub mod store;
pub mod terminal;
pub mod transaction;
pub mod upgrade;
pub mod uplink;
pub mod version;
pub mod watchdog;
pub mod wire;
