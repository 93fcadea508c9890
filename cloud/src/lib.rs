//! The Ringside cloud: receives call detail records from sensors and shows them to people.

pub mod admin;
pub mod auth;
pub mod ca;
pub mod claims;
pub mod cli;
pub mod config;
pub mod db;
pub mod events;
pub mod filter;
pub mod front;
pub mod identity;
pub mod logger;
pub mod network;
pub mod password;
pub mod relay;
pub mod release;
pub mod retention;
pub mod routes;
pub mod server;
pub mod service;
pub mod uplink;
pub mod version;
pub mod web;
