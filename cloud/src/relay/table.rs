//! Which transfers there are, and what is to happen next: no I/O, and time is passed in.
//!
//! ```text
//!  Queued --the sensor has room, it polls--> Told --it posts--> Begun --the pipe ends--> Over
//!     |                                       |
//!     |                                       +--it refuses--> Refused
//!     |                                       +--SILENCE-----> Over
//!     +--nobody waits for it any more--> Over
//! ```

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use ringside_protocol::cdr::{CallId, Fingerprint};
use ringside_protocol::retrieval::{
    Action, LONGEST_SESSION_SECONDS, PUBLIC_KEY_BYTES, REDEEM_WITHIN_SECONDS, Refusal, Resume,
    Retrieve, SESSION_SECONDS, SignedTicket, Ticket, Way,
};
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};

use crate::db::Customer;
use crate::front::PipeState;

/// Names a transfer: random.
pub type Number = [u8; 16];

/// Transfers that one sensor is asked for at once; the others wait.
pub const MAX_PER_SENSOR: usize = 2;

/// Transfers of a customer that wait or run, at most.
pub const MAX_PER_CUSTOMER: usize = 16;

/// Transfers under way in the whole service, at most; the others wait.
pub const MAX_UNDER_WAY: usize = 64;

/// Transfers that are remembered, so that they can be resumed; the oldest that are over leave.
pub const MAX_REMEMBERED: usize = 4096;

/// Of one customer, those that are over: its own oldest leave, so that it takes nobody else's.
pub(super) const MAX_OVER_OF_CUSTOMER: usize = 64;

/// A sensor that was told begins, or refuses, within this time.
const SILENCE: u64 = 15 * MICROS_PER_SECOND;

/// It is told again after this time, since an answer to its poll may have been lost.
const TELL_AGAIN: u64 = 3 * MICROS_PER_SECOND;

/// Whoever has more places than somebody who waits has this long for a transfer, before its place
/// goes to the other: its browser resumes it, and waits in its turn.
pub(super) const TURN: u64 = 30 * MICROS_PER_SECOND;

/// And this long, where that one would then have as many.
pub(super) const LONG_TURN: u64 = 300 * MICROS_PER_SECOND;

/// No transfer takes longer; who reads as slowly as the front allows would hold a place for days.
const LONGEST: u64 = 3600 * MICROS_PER_SECOND;

/// A transfer that nobody has waited for in this time is over before it begins.
const FORSAKEN: u64 = 30 * MICROS_PER_SECOND;

/// What somebody wants.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Whose.
    pub customer: Customer,
    /// By name, for the ticket.
    pub customer_name: String,
    /// Who asks.
    pub who: String,
    /// Of which call.
    pub call: CallId,
    /// What.
    pub action: Action,
    /// The browser's key; on the direct way it has none.
    pub browser_key: [u8; PUBLIC_KEY_BYTES],
}

/// What a browser that waits is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// No such transfer, or not theirs.
    Unknown,
    /// It waits behind so many others.
    Queued(usize),
    /// The sensor was told.
    Told,
    /// It comes: under this ticket.
    Begun(SignedTicket),
    /// The sensor does not send it.
    Refused(Refusal),
    /// The sensor says nothing.
    Silent,
    /// It has come already, or was broken off.
    Over,
}

/// A transfer as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its number.
    pub number: Number,
    /// Who asked.
    pub who: String,
    /// For what.
    pub action: Action,
    /// Of which call.
    pub call: CallId,
    /// When.
    pub made_at: UnixMicros,
    /// `queued`, `told`, `begun`, `refused`, `done`, `broken`.
    pub state: &'static str,
    /// Others that come first.
    pub ahead: usize,
    /// Bytes that the browser took, as sealed.
    pub bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Queued,
    Told { first_at: UnixMicros, at: UnixMicros },
    Begun { at: UnixMicros },
    Refused(Refusal),
    Silent,
    Over { whole: bool },
}

#[derive(Debug)]
struct Transfer {
    wanted: Wanted,
    ticket: Option<SignedTicket>,
    resume: Option<Resume>,
    state: State,
    made_at: UnixMicros,
    /// The last time that its browser asked for it.
    seen_at: UnixMicros,
    /// The last time that its browser took something of it.
    active_at: UnixMicros,
    /// The one that it resumes, which may be resumed as long as this is active.
    first: Option<Number>,
    /// In the order in which they were made.
    turn: u64,
    bytes: u64,
}

impl Transfer {
    const fn waits(&self) -> bool {
        matches!(self.state, State::Queued)
    }

    const fn is_under_way(&self) -> bool {
        matches!(self.state, State::Told { .. } | State::Begun { .. })
    }

    fn is_of(&self, customer: Customer, who: &str) -> bool {
        self.wanted.customer == customer && self.wanted.who == who
    }
}

/// Every transfer that is remembered.
#[derive(Debug, Default)]
pub(super) struct Table {
    transfers: HashMap<Number, Transfer>,
    turns: u64,
}

impl Table {
    /// Notes what pipes have come to, and whom nobody waits for any more.
    ///
    /// Answers those whose pipes are of no more use.
    pub(super) fn tidy(
        &mut self,
        now: UnixMicros,
        pipe: &dyn Fn(Number) -> Option<PipeState>,
    ) -> Vec<Number> {
        let (mut ended, mut active) = (Vec::new(), Vec::new());
        for (number, transfer) in &mut self.transfers {
            match transfer.state {
                State::Queued if now.since(transfer.seen_at) > FORSAKEN => {
                    transfer.state = State::Over { whole: false };
                }
                State::Told { first_at, .. } if now.since(first_at) > SILENCE => {
                    transfer.state = State::Silent;
                }
                State::Begun { at } => {
                    let pipe = pipe(*number).unwrap_or_default();
                    if pipe.drawn > transfer.bytes {
                        transfer.active_at = now;
                        active.extend(transfer.first);
                    }
                    transfer.bytes = pipe.drawn;
                    // Its connection may have gone before the front learned what it is for.
                    let is_lost = !pipe.is_poured && now.since(at) > SILENCE;
                    let is_late = now.since(at) > LONGEST;
                    if pipe.ended.is_some() || is_lost || is_late {
                        transfer.state = State::Over { whole: pipe.ended == Some(true) };
                        ended.push(*number);
                    }
                }
                _ => {}
            }
        }
        for first in active {
            if let Some(first) = self.transfers.get_mut(&first) {
                first.active_at = now;
            }
        }
        let session = SESSION_SECONDS * MICROS_PER_SECOND;
        self.transfers.retain(|_, transfer| {
            transfer.waits() || transfer.is_under_way() || now.since(transfer.active_at) <= session
        });
        ended
    }

    /// False where the customer has as many as may be.
    pub(super) fn add(
        &mut self,
        number: Number,
        wanted: Wanted,
        resumed: Option<(Number, SignedTicket, Resume)>,
        now: UnixMicros,
    ) -> bool {
        let is_theirs = |transfer: &&Transfer| {
            transfer.wanted.customer == wanted.customer
                && (transfer.waits() || transfer.is_under_way())
        };
        if self.transfers.values().filter(is_theirs).count() >= MAX_PER_CUSTOMER {
            return false;
        }
        let over = |of: Option<Customer>| {
            self.transfers.iter().filter(move |(_, it)| {
                let is_over = !it.waits() && !it.is_under_way();
                is_over && of.is_none_or(|customer| it.wanted.customer == customer)
            })
        };
        let leaves = if over(Some(wanted.customer)).count() >= MAX_OVER_OF_CUSTOMER {
            over(Some(wanted.customer)).min_by_key(|(_, it)| it.turn)
        } else if self.transfers.len() >= MAX_REMEMBERED {
            let Some(oldest) = over(None).min_by_key(|(_, it)| it.turn) else { return false };
            Some(oldest)
        } else {
            None
        };
        if let Some(oldest) = leaves.map(|(number, _)| *number) {
            self.transfers.remove(&oldest);
        }
        self.turns += 1;
        let (first, ticket, resume) = match resumed {
            Some((first, ticket, resume)) => (Some(first), Some(ticket), Some(resume)),
            None => (None, None, None),
        };
        let transfer = Transfer {
            wanted,
            ticket,
            resume,
            state: State::Queued,
            made_at: now,
            seen_at: now,
            active_at: now,
            first,
            turn: self.turns,
            bytes: 0,
        };
        self.transfers.insert(number, transfer);
        true
    }

    /// The ticket of an earlier transfer of the same person, call and action, while it is of use.
    pub(super) fn ticket_of(
        &self,
        wanted: &Wanted,
        earlier: Number,
        now: UnixMicros,
    ) -> Option<SignedTicket> {
        let transfer = self.transfers.get(&earlier)?;
        let is_same = transfer.is_of(wanted.customer, &wanted.who)
            && transfer.wanted.call == wanted.call
            && transfer.wanted.action == wanted.action;
        let is_live = now.since(transfer.active_at) <= SESSION_SECONDS * MICROS_PER_SECOND
            && now.since(transfer.made_at) <= LONGEST_SESSION_SECONDS * MICROS_PER_SECOND;
        transfer.ticket.clone().filter(|_| is_same && is_live)
    }

    /// What a sensor is told now; and whose turn is over for that.
    pub(super) fn due(
        &mut self,
        device: Fingerprint,
        sign: &dyn Fn(&Ticket) -> Option<SignedTicket>,
        now: UnixMicros,
    ) -> (Vec<Retrieve>, Vec<Number>) {
        let (mut told, mut ended) = (Vec::new(), Vec::new());
        for number in self.to_be_told(device) {
            if let Some(other) = self.gives_way(number, now)
                && let Some(transfer) = self.transfers.get_mut(&other)
            {
                transfer.state = State::Over { whole: false };
                ended.push(other);
            }
            let (of_sensor, of_all) = self.under_way(device);
            let Some(transfer) = self.transfers.get_mut(&number) else { continue };
            let first_at = match transfer.state {
                State::Queued if of_sensor < MAX_PER_SENSOR && of_all < MAX_UNDER_WAY => now,
                State::Told { first_at, at } if now.since(at) >= TELL_AGAIN => first_at,
                _ => continue,
            };
            if transfer.ticket.is_none() {
                transfer.ticket = sign(&ticket(&transfer.wanted, Way::Relay, now));
            }
            let Some(ticket) = transfer.ticket.clone() else { continue };
            transfer.state = State::Told { first_at, at: now };
            told.push(Retrieve {
                transfer: number,
                ticket,
                browser_key: transfer.wanted.browser_key,
                resume: transfer.resume.clone(),
            });
        }
        (told, ended)
    }

    /// Whose place goes to one that waits: the transfer that has run longest of whoever has most of
    /// them, where that is more than the one who waits has, and it had its turn. Of a sensor's
    /// places each person has a share, of the service's each customer.
    fn gives_way(&self, number: Number, now: UnixMicros) -> Option<Number> {
        let waiting = self.transfers.get(&number).filter(|transfer| transfer.waits())?;
        let device = waiting.wanted.call.device;
        let (of_sensor, of_all) = self.under_way(device);
        let (is_sensor_full, is_full) = (of_sensor >= MAX_PER_SENSOR, of_all >= MAX_UNDER_WAY);
        if !is_sensor_full && !is_full {
            return None;
        }
        let running: Vec<_> = self
            .transfers
            .iter()
            .filter(|(_, it)| it.is_under_way())
            .filter(|(_, it)| !is_sensor_full || it.wanted.call.device == device)
            .collect();
        let is_one = |one: &Transfer, other: &Transfer| {
            one.wanted.customer == other.wanted.customer
                && (!is_sensor_full || one.wanted.who == other.wanted.who)
        };
        let share = |of: &Transfer| running.iter().filter(|(_, it)| is_one(it, of)).count();
        let own = share(waiting);
        let had_its_turn = |(number, it): &(&Number, &Transfer)| {
            let State::Begun { at } = it.state else { return None };
            let more = share(it).saturating_sub(own);
            let turn = match more {
                0 => return None,
                1 => LONG_TURN,
                _ => TURN,
            };
            (now.since(at) >= turn).then_some((more, core::cmp::Reverse(at), **number))
        };
        running.iter().filter_map(had_its_turn).max().map(|(_, _, number)| number)
    }

    pub(super) fn begin(
        &mut self,
        customer: Customer,
        device: Fingerprint,
        number: Number,
        now: UnixMicros,
    ) -> bool {
        let Some(transfer) = self.told(customer, device, number) else { return false };
        transfer.state = State::Begun { at: now };
        transfer.seen_at = now;
        true
    }

    pub(super) fn refuse(
        &mut self,
        customer: Customer,
        device: Fingerprint,
        number: Number,
        refusal: Refusal,
    ) -> bool {
        let Some(transfer) = self.told(customer, device, number) else { return false };
        transfer.state = State::Refused(refusal);
        true
    }

    /// What to say, and the sensor that has room for it meanwhile.
    pub(super) fn look(
        &mut self,
        customer: Customer,
        who: &str,
        number: Number,
        now: UnixMicros,
    ) -> (Look, Option<Fingerprint>) {
        let ahead = self.ahead(number);
        let gives_way = self.gives_way(number, now).is_some();
        let Some(transfer) = self.transfers.get_mut(&number).filter(|it| it.is_of(customer, who))
        else {
            return (Look::Unknown, None);
        };
        transfer.seen_at = now;
        let device = transfer.wanted.call.device;
        match transfer.state {
            State::Queued => {
                let (of_sensor, of_all) = self.under_way(device);
                let has_room = of_sensor < MAX_PER_SENSOR && of_all < MAX_UNDER_WAY;
                let has_room = ahead == 0 && (has_room || gives_way);
                (Look::Queued(ahead), has_room.then_some(device))
            }
            State::Told { .. } => (Look::Told, None),
            State::Begun { .. } => (transfer.ticket.clone().map_or(Look::Over, Look::Begun), None),
            State::Refused(refusal) => (Look::Refused(refusal), None),
            State::Silent => (Look::Silent, None),
            State::Over { .. } => (Look::Over, None),
        }
    }

    pub(super) fn cancel(&mut self, customer: Customer, who: &str, number: Number) -> bool {
        let Some(transfer) = self.transfers.get_mut(&number).filter(|it| it.is_of(customer, who))
        else {
            return false;
        };
        if transfer.waits() || transfer.is_under_way() {
            transfer.state = State::Over { whole: false };
        }
        true
    }

    pub(super) fn rows(&self, customer: Customer) -> Vec<Row> {
        let theirs = self.transfers.iter().filter(|(_, it)| it.wanted.customer == customer);
        let mut rows: Vec<_> = theirs
            .map(|(number, transfer)| {
                let row = Row {
                    number: *number,
                    who: transfer.wanted.who.clone(),
                    action: transfer.wanted.action,
                    call: transfer.wanted.call,
                    made_at: transfer.made_at,
                    state: match transfer.state {
                        State::Queued => "queued",
                        State::Told { .. } => "told",
                        State::Begun { .. } => "begun",
                        State::Refused(_) | State::Silent => "refused",
                        State::Over { whole: true } => "done",
                        State::Over { whole: false } => "broken",
                    },
                    ahead: if transfer.waits() { self.ahead(*number) } else { 0 },
                    bytes: transfer.bytes,
                };
                (transfer.turn, row)
            })
            .collect();
        rows.sort_by_key(|(turn, _)| *turn);
        rows.into_iter().map(|(_, row)| row).collect()
    }

    pub(super) fn counts(&self) -> (usize, usize) {
        let waiting = self.transfers.values().filter(|transfer| transfer.waits()).count();
        let under_way = self.transfers.values().filter(|it| it.is_under_way()).count();
        (waiting, under_way)
    }

    /// A device's transfers that it may have to hear of, oldest first.
    fn to_be_told(&self, device: Fingerprint) -> Vec<Number> {
        let theirs = self.transfers.iter().filter(|(_, it)| {
            it.wanted.call.device == device
                && (it.waits() || matches!(it.state, State::Told { .. }))
        });
        let mut theirs: Vec<_> = theirs.map(|(number, it)| (it.turn, *number)).collect();
        theirs.sort_unstable();
        theirs.into_iter().map(|(_, number)| number).collect()
    }

    fn under_way(&self, device: Fingerprint) -> (usize, usize) {
        let all = self.transfers.values().filter(|transfer| transfer.is_under_way());
        all.fold((0, 0), |(of_sensor, of_all), transfer| {
            (of_sensor + usize::from(transfer.wanted.call.device == device), of_all + 1)
        })
    }

    /// Others of the same sensor that come first.
    fn ahead(&self, number: Number) -> usize {
        let Some(transfer) = self.transfers.get(&number) else { return 0 };
        let device = transfer.wanted.call.device;
        let is_first = |other: &&Transfer| {
            other.wanted.call.device == device && other.waits() && other.turn < transfer.turn
        };
        self.transfers.values().filter(is_first).count()
    }

    fn told(
        &mut self,
        customer: Customer,
        device: Fingerprint,
        number: Number,
    ) -> Option<&mut Transfer> {
        self.transfers.get_mut(&number).filter(|transfer| {
            let wanted = &transfer.wanted;
            wanted.customer == customer
                && wanted.call.device == device
                && matches!(transfer.state, State::Told { .. })
        })
    }
}

/// What is signed; its number comes from whoever signs.
pub(super) fn ticket(wanted: &Wanted, way: Way, now: UnixMicros) -> Ticket {
    Ticket {
        number: [0; 16],
        user: wanted.who.clone(),
        customer: wanted.customer_name.clone(),
        call: wanted.call,
        action: wanted.action,
        way,
        issued_at: now,
        expires_at: now.plus(REDEEM_WITHIN_SECONDS * MICROS_PER_SECOND),
    }
}
