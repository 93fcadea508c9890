//! The Ringside cloud: receives call detail records from sensors and shows them to people.

pub mod db;
pub mod events;
pub mod password;
pub mod retention;
pub mod uplink;
