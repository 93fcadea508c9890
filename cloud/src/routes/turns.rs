//! Whose requests are at work: no customer takes all workers from the others.
//!
//! A search, a count or a dry run may take a worker, and one of the database's connections for
//! reading, for a second. Who asks for more at once waits parked, without a worker.

use core::time::Duration;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Answer, ApiError, Context};
use crate::db::Customer;
use crate::server::{Response, Woken};

/// Requests of one customer that workers have at once, of six.
pub const MAX_AT_WORK: usize = 3;

/// Exports of one customer on their way at once.
pub const MAX_EXPORTS: usize = 4;

/// Requests of one customer that wait for a turn; one more, and the oldest is refused.
pub const MAX_WAITING_FOR_A_TURN: usize = 64;

/// How long one waits.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// How many turns each customer has taken.
#[derive(Default)]
pub(super) struct Turns(Arc<Mutex<HashMap<Customer, Taken>>>);

#[derive(Default)]
struct Taken {
    turns: usize,
    /// Somebody was turned away since the last turn ended.
    is_awaited: bool,
}

/// One turn, until it is dropped.
pub(super) struct Turn {
    all: Arc<Mutex<HashMap<Customer, Taken>>>,
    customer: Customer,
}

impl Turns {
    /// One more turn of `customer`, of `most`.
    pub(super) fn take(&self, customer: Customer, most: usize) -> Option<Turn> {
        let mut all = lock(&self.0);
        let taken = all.entry(customer).or_default();
        if taken.turns >= most {
            taken.is_awaited = true;
            return None;
        }
        taken.turns += 1;
        Some(Turn { all: Arc::clone(&self.0), customer })
    }
}

impl Turn {
    /// Ends it: whether somebody waits for one.
    fn end(self) -> bool {
        let mut all = lock(&self.all);
        let taken = all.get_mut(&self.customer);
        let is_awaited = taken.is_some_and(|taken| core::mem::take(&mut taken.is_awaited));
        // Before the turn itself, which locks too.
        drop(all);
        is_awaited
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut all = lock(&self.all);
        if let Some(taken) = all.get_mut(&self.customer) {
            taken.turns -= 1;
            if taken.turns == 0 && !taken.is_awaited {
                all.remove(&self.customer);
            }
        }
    }
}

/// Lets `answer` work if the customer has a turn left, else waits for one.
pub(super) fn in_turn(
    context: &Context<'_>,
    customer: Customer,
    answer: impl FnOnce() -> Answer,
) -> Answer {
    let key = format!("turn:{}", customer.0);
    // Before looking: a turn that ends in between must not be missed.
    let generation = context.app.waker.generation(&key);
    let Some(turn) = context.app.turns.take(customer, MAX_AT_WORK) else {
        let request = context.request;
        let left = MAX_WAIT.saturating_sub(request.waited);
        if left.is_zero() || matches!(request.woken, Some(Woken::Timeout | Woken::Superseded)) {
            return Err(busy());
        }
        let parked = Response::parked(key.clone(), generation, left);
        return Ok(parked.within_share(key, MAX_WAITING_FOR_A_TURN));
    };
    let answered = answer();
    if turn.end() {
        context.app.waker.wake(&key);
    }
    answered
}

fn busy() -> ApiError {
    let message = "Too many requests of your organisation are at work: try again in a few seconds.";
    ApiError::new(503, "busy", message).with("Retry-After", "5")
}

/// Too many exports are on their way.
pub(super) fn too_many_exports() -> ApiError {
    let message = format!(
        "{MAX_EXPORTS} exports of your organisation are on their way: try again when one is done."
    );
    ApiError::new(503, "too_many_exports", message).with("Retry-After", "30")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
