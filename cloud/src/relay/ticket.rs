//! The cloud's ticket key: Ed25519, made at the first start, kept in the database.

use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use ringside_protocol::retrieval::{SignedTicket, Ticket};

use crate::db::{Db, DbError};

/// Signs tickets.
pub struct TicketKey(Ed25519KeyPair);

impl TicketKey {
    /// The service's.
    ///
    /// # Errors
    /// The database's; [`DbError::Random`].
    pub fn of(db: &Db) -> Result<Self, DbError> {
        let fresh = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
        let fresh = fresh.map_err(|_| DbError::Random)?.as_ref().to_vec();
        let pkcs8 = db.secret("ticket_key", || fresh)?;
        let key = Ed25519KeyPair::from_pkcs8(&pkcs8);
        key.map(Self).map_err(|_| DbError::Damaged("the ticket key"))
    }

    /// What sensors check tickets with.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        let mut key = [0; 32];
        key.copy_from_slice(self.0.public_key().as_ref());
        key
    }

    /// Signs a ticket, with this number.
    #[must_use]
    pub fn sign(&self, ticket: &Ticket, number: [u8; 16]) -> Option<SignedTicket> {
        let ticket = Ticket { number, ..ticket.clone() };
        let ticket = postcard::to_stdvec(&ticket).ok()?;
        let mut signature = [0; 64];
        signature.copy_from_slice(self.0.sign(&SignedTicket::message(&ticket)).as_ref());
        Some(SignedTicket { ticket, signature })
    }
}
