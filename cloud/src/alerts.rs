//! Alerts: rules that are looked at twice a minute, and channels that hear what they find.
//!
//! ```text
//!   rule.rs ── filter, measure, threshold, window
//!      │
//!   evaluate.rs ── tally.rs (calls of the window), sensors.rs (how a sensor is)
//!      │               └► state.rs: open, close
//!   db/alerts/log.rs (what is open) and db/alerts/queue.rs (who is to hear): one transaction
//!      │
//!   deliver.rs ── message.rs (what is said) ── send.rs (SMTP, webhook, syslog) ── reach.rs
//! ```
//!
//! One thread evaluates and one delivers; neither is in the way of records that arrive.

pub mod channel;
pub mod deliver;
pub mod evaluate;
pub mod measure;
pub mod message;
pub mod reach;
pub mod ready;
pub mod rule;
pub mod send;
pub mod sensors;
pub mod state;
pub mod tally;
#[cfg(test)]
mod tests;
mod thread;
pub mod trial;
pub mod words;

pub use self::thread::{Alerting, Facts};
