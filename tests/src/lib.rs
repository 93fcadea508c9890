//! What the end-to-end tests share: generated captures, and processes that end with their test.

pub mod generate;
