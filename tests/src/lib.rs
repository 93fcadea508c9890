//! What the end-to-end tests share: generated captures, the two programs as processes that end with
//! their test, and what stands between them when something goes wrong on the way.
//!
//! Everything here is for tests: what cannot be done panics, with a sentence.

pub mod api;
pub mod authority;
pub mod browser;
pub mod captures;
pub mod cloud;
pub mod folder;
pub mod generate;
pub mod journal;
pub mod kit;
pub mod live_call;
pub mod machine;
pub mod middle;
pub mod processes;
pub mod proxy;
pub mod records;
pub mod sensor;
pub mod signer;
pub mod write_cache;
