//! A call's packets on their way from a sensor to a browser, through this process and no further.
//!
//! ```text
//!  POST captures/CALL ---> table.rs: Queued --due()--> Told (signed ticket, down the poll)
//!  GET captures/CALL/N --- parked ---------------+        |
//!                                                |     begin(): POST /uplink/transfer/N
//!                          front: pipe of N <----+--------+--> Begun
//! ```
//!
//! The bytes are sealed between sensor and browser ([`ringside_protocol::retrieval`]); this side
//! signs the ticket, pairs the two requests, and counts. Of a transfer the front holds at most
//! [`TRANSFER_BYTES`](crate::front::TRANSFER_BYTES) in memory, and nobody writes any of it.

mod table;
mod ticket;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use data_encoding::HEXLOWER;
use ring::rand::{SecureRandom, SystemRandom};
use ringside_protocol::cdr::{CallId, Fingerprint};
use ringside_protocol::retrieval::{Refusal, Resume, Retrieve, SignedTicket, Ticket, Way};
use ringside_protocol::time::UnixMicros;

use self::table::Table;
pub use self::table::{
    Look, MAX_PER_CUSTOMER, MAX_PER_SENSOR, MAX_REMEMBERED, MAX_UNDER_WAY, Number, Row, Wanted,
};
pub use self::ticket::TicketKey;
use crate::db::{Customer, Db, DbError};
use crate::events::Waker;
use crate::front::Pipes;
use crate::uplink::poll;

/// All transfers of the service.
pub struct Relay {
    key: TicketKey,
    pipes: Pipes,
    pages: Arc<dyn Waker>,
    sensors: Arc<dyn Waker>,
    random: SystemRandom,
    table: Mutex<Table>,
}

/// Why nothing can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The customer has [`MAX_PER_CUSTOMER`] transfers that wait or run.
    Customer,
    /// The system has no random bytes.
    Random,
}

impl Relay {
    /// A relay over the service's pipes. `pages` and `sensors`: who holds parked requests.
    ///
    /// # Errors
    /// The database's; [`DbError::Random`].
    pub fn new(
        db: &Db,
        pipes: Pipes,
        pages: Arc<dyn Waker>,
        sensors: Arc<dyn Waker>,
    ) -> Result<Self, DbError> {
        let key = TicketKey::of(db)?;
        let (random, table) = (SystemRandom::new(), Mutex::default());
        Ok(Self { key, pipes, pages, sensors, random, table })
    }

    /// The keys that sensors may trust, the present one first.
    #[must_use]
    pub fn ticket_keys(&self) -> Vec<[u8; 32]> {
        vec![self.key.public()]
    }

    /// Asks the call's sensor.
    ///
    /// # Errors
    /// [`Full`].
    pub fn ask(&self, wanted: Wanted, now: UnixMicros) -> Result<Number, Full> {
        self.queue(wanted, None, now)
    }

    /// A ticket for the sensor's own page; `None` where the system gives no random bytes.
    #[must_use]
    pub fn direct(&self, wanted: &Wanted, now: UnixMicros) -> Option<SignedTicket> {
        self.sign(&table::ticket(wanted, Way::Direct, now))
    }

    /// Signs a ticket, with a number of its own.
    fn sign(&self, ticket: &Ticket) -> Option<SignedTicket> {
        let mut number = [0; 16];
        self.random.fill(&mut number).ok()?;
        self.key.sign(ticket, number)
    }

    /// A sensor has something to be told.
    pub fn wake_sensor(&self, device: Fingerprint) {
        self.sensors.wake(&poll::key(device));
    }

    /// Whoever waits for a call to be kept learns more.
    pub fn wake_keeping(&self, call: CallId) {
        self.pages.wake(&keeping_key(call));
    }

    /// Asks again for what an earlier transfer has not brought to its end; `None` where there is no
    /// such transfer of this person, or its session is over.
    ///
    /// # Errors
    /// [`Full`].
    pub fn resume(
        &self,
        wanted: Wanted,
        earlier: Number,
        resume: Resume,
        now: UnixMicros,
    ) -> Result<Option<Number>, Full> {
        let Some(ticket) = self.tidy(now).ticket_of(&wanted, earlier, now) else { return Ok(None) };
        self.queue(wanted, Some((earlier, ticket, resume)), now).map(Some)
    }

    fn queue(
        &self,
        wanted: Wanted,
        resumed: Option<(Number, SignedTicket, Resume)>,
        now: UnixMicros,
    ) -> Result<Number, Full> {
        let mut number = [0; 16];
        self.random.fill(&mut number).map_err(|_| Full::Random)?;
        let device = wanted.call.device;
        if !self.tidy(now).add(number, wanted, resumed, now) {
            return Err(Full::Customer);
        }
        self.sensors.wake(&poll::key(device));
        Ok(number)
    }

    /// What a sensor is to send now: said once, and again where nothing came of it.
    #[must_use]
    pub fn due(&self, device: Fingerprint, now: UnixMicros) -> Vec<Retrieve> {
        let (told, ended) = self.tidy(now).due(device, &|ticket| self.sign(ticket), now);
        for number in ended {
            self.pipes.close(&name(number));
        }
        told
    }

    /// A sensor begins to send: the pipe that takes it. `None` where nobody has asked for that.
    #[must_use]
    pub fn begin(
        &self,
        customer: Customer,
        device: Fingerprint,
        number: Number,
        now: UnixMicros,
    ) -> Option<String> {
        let mut table = self.tidy(now);
        table.begin(customer, device, number, now).then(|| {
            let key = name(number);
            // Before anybody can look for it.
            self.pipes.open(&key);
            drop(table);
            self.pages.wake(&page_key(number));
            key
        })
    }

    /// A sensor does not send.
    pub fn refuse(
        &self,
        customer: Customer,
        device: Fingerprint,
        number: Number,
        refusal: Refusal,
        now: UnixMicros,
    ) {
        if self.tidy(now).refuse(customer, device, number, refusal) {
            self.pages.wake(&page_key(number));
        }
    }

    /// What a browser that waits for a transfer is to be told.
    #[must_use]
    pub fn look(&self, customer: Customer, who: &str, number: Number, now: UnixMicros) -> Look {
        let mut table = self.tidy(now);
        let (look, poke) = table.look(customer, who, number, now);
        drop(table);
        if let Some(device) = poke {
            self.sensors.wake(&poll::key(device));
        }
        look
    }

    /// Ends a transfer that somebody does not want any more.
    pub fn cancel(&self, customer: Customer, who: &str, number: Number, now: UnixMicros) -> bool {
        let is_known = self.tidy(now).cancel(customer, who, number);
        if is_known {
            self.pipes.close(&name(number));
        }
        is_known
    }

    /// A customer's transfers that wait, run, or have just ended.
    #[must_use]
    pub fn rows(&self, customer: Customer, now: UnixMicros) -> Vec<Row> {
        self.tidy(now).rows(customer)
    }

    /// Transfers that wait and that run, of all customers.
    #[must_use]
    pub fn counts(&self, now: UnixMicros) -> (usize, usize) {
        self.tidy(now).counts()
    }

    /// The table, with what pipes have come to meanwhile.
    fn tidy(&self, now: UnixMicros) -> MutexGuard<'_, Table> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        for ended in table.tidy(now, &|number| self.pipes.state(&name(number))) {
            self.pipes.close(&name(ended));
        }
        table
    }
}

/// The key under which a browser waits for a call to be kept.
#[must_use]
pub fn keeping_key(call: CallId) -> String {
    format!("keep:{call}")
}

/// A transfer's number as it is written, and the key of its pipe.
#[must_use]
pub fn name(number: Number) -> String {
    HEXLOWER.encode(&number)
}

/// Reads a transfer's number.
#[must_use]
pub fn number(name: &str) -> Option<Number> {
    HEXLOWER.decode(name.as_bytes()).ok()?.try_into().ok()
}

/// The key under which a browser waits for a transfer to begin.
#[must_use]
pub fn page_key(number: Number) -> String {
    format!("transfer:{}", name(number))
}
