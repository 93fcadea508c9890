//! What one address asks of another outside calls: OPTIONS, SUBSCRIBE, NOTIFY, MESSAGE, PUBLISH.
//!
//! [`relation`] says who asks whom for what; [`entry`] keeps what becomes of it; [`open`] holds the
//! requests whose answers are awaited; [`table`] joins the three. A record is made when the state
//! has changed, and once an hour: [`entry::Entry::due`] has the rules.

pub mod entry;
pub mod open;
pub mod relation;
pub mod table;

#[cfg(test)]
mod proptests;
#[cfg(test)]
mod tests;

use ringside_protocol::cdr::Method;

pub use table::PeerTable;

/// Which methods become records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Methods {
    /// Whether somebody is there.
    pub options: bool,
    /// Subscriptions.
    pub subscribe: bool,
    /// What they bring.
    pub notify: bool,
    /// Text messages.
    pub message: bool,
    /// Published state.
    pub publish: bool,
}

impl Methods {
    /// All of them.
    pub const ALL: Self =
        Self { options: true, subscribe: true, notify: true, message: true, publish: true };

    /// None.
    pub const NONE: Self =
        Self { options: false, subscribe: false, notify: false, message: false, publish: false };

    /// Whether requests of this method are followed.
    #[must_use]
    pub const fn contains(self, method: Method) -> bool {
        match method {
            Method::Options => self.options,
            Method::Subscribe => self.subscribe,
            Method::Notify => self.notify,
            Method::Message => self.message,
            Method::Publish => self.publish,
            _ => false,
        }
    }
}
