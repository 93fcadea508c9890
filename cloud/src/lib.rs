//! The Ringside cloud: receives call detail records from sensors and shows them to people.

pub mod ca;
pub mod db;
pub mod events;
pub mod front;
pub mod password;
pub mod retention;
pub mod server;
pub mod uplink;
