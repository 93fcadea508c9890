//! Registrations: what phones ask of registrars, and what becomes of it (RFC 3261 §10).
//!
//! [`table`] finds the registration that a REGISTER, or its response, belongs to; [`entry`] keeps
//! what is known of it, and an [`Attempt`](crate::transaction::Attempt) says how one try ends. A record is made when something has
//! changed, and once an hour: [`entry::Entry::due`] has the rules.

pub mod entry;
pub mod table;

#[cfg(test)]
mod proptests;
#[cfg(test)]
mod tests;

pub use table::RegistrationTable;
