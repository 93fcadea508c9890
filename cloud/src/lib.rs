//! The Ringside cloud: receives call detail records from sensors and shows them to people.

pub mod db;
pub mod password;
