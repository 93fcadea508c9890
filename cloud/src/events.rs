//! Tells those who wait in a long poll that there is something new.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::db::Customer;

/// Who holds requests that wait: the front.
///
/// A handler that finds nothing reads [`Waker::generation`] of its key *before* it looks, and parks
/// with it; a wake between the two is then not lost.
pub trait Waker: Send + Sync {
    /// Calls every request that waits under `key` back.
    fn wake(&self, key: &str);
    /// Counts the wakes of `key`.
    fn generation(&self, key: &str) -> u64;
}

/// What has changed for a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// There are new calls.
    Calls,
    /// A sensor joined, connected, failed, spoke or left.
    Sensors,
}

/// Counts of changes; the newest are the greatest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Serials {
    /// Of [`Kind::Calls`].
    pub calls: u64,
    /// Of [`Kind::Sensors`].
    pub sensors: u64,
}

/// The changes of all customers, since the service started.
pub struct Events {
    first: u64,
    serials: Mutex<HashMap<Customer, Serials>>,
    waker: Arc<dyn Waker>,
}

impl Events {
    /// Nothing has changed yet. `first` begins the count and should differ from start to start, so
    /// that a page that was opened before a restart notices it: milliseconds since the epoch do.
    #[must_use]
    pub fn new(first: u64, waker: Arc<dyn Waker>) -> Self {
        Self { first, serials: Mutex::default(), waker }
    }

    /// The key under which the pages of a customer wait.
    #[must_use]
    pub fn key(customer: Customer) -> String {
        format!("changes:{}", customer.0)
    }

    /// Notes a change and wakes those who wait for it.
    pub fn bump(&self, customer: Customer, kind: Kind) {
        {
            let mut serials = self.serials.lock().unwrap_or_else(PoisonError::into_inner);
            let serials = serials.entry(customer).or_insert_with(|| self.fresh());
            match kind {
                Kind::Calls => serials.calls += 1,
                Kind::Sensors => serials.sensors += 1,
            }
        }
        self.waker.wake(&Self::key(customer));
    }

    /// Notes that something has changed for a customer, as another process says, and wakes those
    /// who wait for it here.
    pub fn heard(&self, customer: Customer, here: &dyn Waker) {
        {
            let mut serials = self.serials.lock().unwrap_or_else(PoisonError::into_inner);
            let serials = serials.entry(customer).or_insert_with(|| self.fresh());
            serials.calls += 1;
            serials.sensors += 1;
        }
        here.wake(&Self::key(customer));
    }

    /// The customer whose pages wait under `key`.
    #[must_use]
    pub fn customer_of(key: &str) -> Option<Customer> {
        key.strip_prefix("changes:")?.parse().ok().map(Customer)
    }

    /// How often each kind has changed.
    #[must_use]
    pub fn serials(&self, customer: Customer) -> Serials {
        let serials = self.serials.lock().unwrap_or_else(PoisonError::into_inner);
        serials.get(&customer).copied().unwrap_or_else(|| self.fresh())
    }

    /// One number that changes with every change.
    #[must_use]
    pub fn serial(&self, customer: Customer) -> u64 {
        let serials = self.serials(customer);
        serials.calls + (serials.sensors - self.first)
    }

    const fn fresh(&self) -> Serials {
        Serials { calls: self.first, sensors: self.first }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A front in which nobody waits; it notes who would be woken.
    #[derive(Default)]
    pub(crate) struct Notebook(Mutex<Vec<String>>);

    impl Notebook {
        /// The keys woken since the last call.
        pub(crate) fn take(&self) -> Vec<String> {
            core::mem::take(&mut *self.0.lock().expect("not poisoned"))
        }
    }

    impl Waker for Notebook {
        fn wake(&self, key: &str) {
            self.0.lock().expect("not poisoned").push(key.to_owned());
        }

        fn generation(&self, key: &str) -> u64 {
            let woken = self.0.lock().expect("not poisoned");
            woken.iter().filter(|woken| *woken == key).count() as u64
        }
    }

    #[test]
    fn what_another_process_says_counts_here_and_is_told_no_further() {
        let (everywhere, here) = (Arc::new(Notebook::default()), Notebook::default());
        let events = Events::new(100, Arc::clone(&everywhere) as Arc<dyn Waker>);
        let customer = Events::customer_of(&Events::key(Customer(7))).expect("a key of pages");
        events.heard(customer, &here);
        assert_eq!(events.serials(Customer(7)), Serials { calls: 101, sensors: 101 });
        assert_eq!((here.take(), everywhere.take()), (vec!["changes:7".to_owned()], Vec::new()));
        assert_eq!(Events::customer_of("poll:7"), None);
    }

    #[test]
    fn a_change_counts_for_its_customer_and_wakes_its_pages() {
        let notebook = Arc::new(Notebook::default());
        let events = Events::new(100, Arc::clone(&notebook) as Arc<dyn Waker>);
        events.bump(Customer(1), Kind::Calls);
        events.bump(Customer(1), Kind::Sensors);
        assert_eq!(events.serials(Customer(1)), Serials { calls: 101, sensors: 101 });
        assert_eq!((events.serial(Customer(1)), events.serial(Customer(2))), (102, 100));
        assert_eq!(notebook.take(), ["changes:1", "changes:1"]);
    }
}
