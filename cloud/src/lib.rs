//! The Ringside cloud: receives call detail records from sensors and shows them to people.

pub mod auth;
pub mod db;
pub mod events;
pub mod filter;
pub mod password;
pub mod retention;
pub mod routes;
pub mod server;
pub mod uplink;
pub mod web;
