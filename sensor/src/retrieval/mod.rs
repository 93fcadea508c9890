//! A call's packets on demand: from the store to whoever holds a ticket, sealed for them alone.
//!
//! ```text
//!  poll --Retrieve--> ticket.rs   is it ours, signed, in time, unused?
//!                     used.rs     which were redeemed: survives a restart
//!                     session.rs  who may resume what
//!                     content.rs  what an action hands out, from the store; sound.rs: to be heard
//!                     seal.rs     ECDH, HKDF, AES-GCM
//!                     body.rs     opening, frames, end: what is posted
//!                     places.rs   how many send at once
//!                     mod.rs      a thread for each, at most MAX_TRANSFERS
//!  browser on site --> direct/    the same from a page of the sensor's own; grant.rs: offline
//! ```
//!
//! The messages and bytes are in [`ringside_protocol::retrieval`]. A transfer yields to the capture:
//! its thread has a low priority, and is slowed down while packets are lost.

pub mod body;
pub mod content;
pub mod direct;
mod grant;
mod live;
mod places;
mod seal;
mod session;
mod sound;
mod ticket;
mod used;

#[cfg(test)]
mod tests;

use core::time::Duration;
use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ringside_protocol::cdr::{Boot, CallId, Fingerprint};
use ringside_protocol::retrieval::{
    Action, KeepCall, KeptCall, KeptSize, Refusal, Refuse, Resume, Retrieve, Ticket, Way,
    transcript,
};
use ringside_protocol::time::UnixMicros;

use crate::audio::live::LiveSound;
use crate::audio::tap::Taps;
use crate::clock::WallClock;
use crate::identity::Identity;
use crate::store::ring::FOLDER;
use crate::store::ring::chunk::CallKey;
use crate::store::ring::key::DeviceKey;
use crate::store::ring::reader::{self, Finder, StoredCall};
use crate::uplink::line::Line;
use body::{Body, Sealing};
use content::Content;
use grant::Grant;
use live::Live;
use places::Places;
use seal::Agreement;
use session::{Print, Sessions};
use used::Used;

/// Transfers at once. The cloud asks for as many and lets the others wait.
pub const MAX_TRANSFERS: usize = 2;

/// Transfers that are remembered: the cloud repeats itself where an answer may have been lost.
const MAX_REMEMBERED: usize = 64;

/// The threads' niceness: everything else goes first.
const NICENESS: i32 = 10;

/// Whether the capture is losing packets just now.
pub type Pressure = Arc<dyn Fn() -> bool + Send + Sync>;

/// Answers to what the cloud asks for.
pub struct Retrieval {
    identity: Identity,
    directory: PathBuf,
    device_key: DeviceKey,
    clock: WallClock,
    pressure: Pressure,
    finder: Mutex<Option<Finder>>,
    /// Of the store of calls that no rule keeps.
    recent: Mutex<Option<Finder>>,
    keeping: Mutex<()>,
    /// Calls in progress, and the start that they are of.
    taps: Mutex<Option<(Arc<Taps>, Boot)>>,
    used: Mutex<Used>,
    sessions: Mutex<Sessions>,
    /// In whose name tickets of the direct way hold.
    grant: Mutex<Option<Grant>>,
    seen: Mutex<VecDeque<[u8; 16]>>,
    places: Arc<Places>,
}

impl Retrieval {
    /// For the store in a data directory. `identity` signs; its boot says nothing here.
    #[must_use]
    pub fn new(
        identity: Identity,
        directory: PathBuf,
        clock: WallClock,
        pressure: Pressure,
    ) -> Self {
        Self {
            device_key: DeviceKey::new(identity.storage_secret()),
            used: Mutex::new(Used::open(&directory)),
            sessions: Mutex::new(Sessions::load(&directory)),
            grant: Mutex::new(Grant::load(&directory, &clock)),
            identity,
            directory,
            clock,
            pressure,
            finder: Mutex::new(None),
            recent: Mutex::new(None),
            keeping: Mutex::default(),
            taps: Mutex::new(None),
            seen: Mutex::default(),
            places: Places::new(MAX_TRANSFERS),
        }
    }

    /// The cloud has accepted this sensor: tickets hold in this customer's name from now on.
    pub fn note_grant(&self, customer: &str, keys: &[[u8; 32]], cloud_time: UnixMicros) {
        let mut grant = lock(&self.grant);
        let (own, directory) = (&self.clock, &self.directory);
        *grant = Some(Grant::told(grant.as_ref(), customer, keys, cloud_time, own, directory));
    }

    /// The cloud has told its clock.
    pub fn note_cloud_time(&self, at: UnixMicros) {
        if let Some(grant) = lock(&self.grant).as_mut() {
            grant.set_clock(at);
        }
    }

    /// The store is open: calls are found by its index from now on.
    pub fn use_finder(&self, finder: Option<Finder>) {
        *lock(&self.finder) = finder;
    }

    /// Calls that no rule keeps are held there, or nowhere.
    pub fn use_recent(&self, finder: Option<Finder>) {
        *lock(&self.recent) = finder;
    }

    /// Calls of this start that are in progress can be listened to.
    pub fn use_taps(&self, taps: Arc<Taps>, boot: Boot) {
        *lock(&self.taps) = Some((taps, boot));
    }

    /// Keeps a call that no rule has kept, and returns at once; a thread does the rest.
    pub fn keep(self: &Arc<Self>, order: KeepCall, line: Line) {
        let this = Arc::clone(self);
        let spawned = std::thread::Builder::new().name("keep".to_owned()).spawn(move || {
            be_polite();
            // One after the other: each may be long.
            let keeping = lock(&this.keeping);
            let kept = this.claim(&order);
            drop(keeping);
            if let Some(size) = kept {
                let KeepCall { call, who } = &order;
                log::info!("call {call} is kept for {who}: {} packets", size.packets);
            }
            if let Err(refused) = line.tell_kept(&KeptCall { call: order.call, kept }) {
                log::debug!("the cloud was not told of a call that was kept: {}", refused.failure);
            }
        });
        if let Err(error) = spawned {
            log::error!("no thread to keep a call: {error}");
        }
    }

    /// Takes a call out of those that are held after their end, into the store. One that is there
    /// already, is there.
    fn claim(&self, order: &KeepCall) -> Option<KeptSize> {
        let CallId { device, boot, number } = order.call;
        if device != self.identity.fingerprint() {
            return None;
        }
        let (recent, finder) = (lock(&self.recent).clone(), lock(&self.finder).clone());
        let claimed = recent.and_then(|recent| recent.claim((boot, number)));
        let facts = match claimed.zip(finder) {
            Some((mut claimed, finder)) => {
                claimed.facts.rule = format!("kept by {}", order.who);
                let adopted = finder.adopt((boot, number), *claimed);
                adopted.inspect_err(|error| log::error!("a call is not kept: {error}")).ok()?
            }
            None => self.stored_call((boot, number)).ok()?.facts,
        };
        Some(KeptSize { packets: facts.packets, bytes: facts.bytes })
    }

    /// Takes an order from the cloud and returns at once; a thread does the rest.
    pub fn take(self: &Arc<Self>, order: Retrieve, line: Line) {
        if self.was_seen(order.transfer) {
            return;
        }
        let Some(waiting) = self.places.queue() else { return };
        let this = Arc::clone(self);
        let spawned = std::thread::Builder::new().name("retrieval".to_owned()).spawn(move || {
            be_polite();
            match waiting.place() {
                Some(_place) => this.answer(&order, &line),
                None => {
                    tell(&line, &Refuse { transfer: order.transfer, refusal: Refusal::Busy });
                }
            }
        });
        if let Err(error) = spawned {
            log::error!("no thread for a transfer: {error}");
        }
    }

    fn was_seen(&self, transfer: [u8; 16]) -> bool {
        let mut seen = lock(&self.seen);
        if seen.contains(&transfer) {
            return true;
        }
        if seen.len() >= MAX_REMEMBERED {
            seen.pop_front();
        }
        seen.push_back(transfer);
        false
    }

    fn answer(&self, order: &Retrieve, line: &Line) {
        let started = std::time::Instant::now();
        let granted = Granted { customer: line.customer(), keys: line.ticket_keys() };
        let body = line.cloud_now().ok_or(Refusal::Expired);
        match body.and_then(|now| self.prepare(order, &granted, now)) {
            Ok((ticket, mut body)) => {
                let (call, user) = (ticket.call, &ticket.user);
                let sent = line.send(order.transfer, &mut body);
                if let Some(now) = line.cloud_now() {
                    lock(&self.sessions).touch(&ticket.number, now);
                }
                match sent {
                    Ok(()) => log::info!(
                        "{} of call {call} sent to {user}: {} bytes in {} ms",
                        ticket.action.name(),
                        body.sent(),
                        started.elapsed().as_millis()
                    ),
                    Err(failure) => log::info!(
                        "{} of call {call} for {user} broke off after {} bytes: {failure}",
                        ticket.action.name(),
                        body.sent()
                    ),
                }
            }
            Err(refusal) => {
                log::info!("a call was asked for and is not sent: {refusal}");
                tell(line, &Refuse { transfer: order.transfer, refusal });
            }
        }
    }

    /// Checks an order, and makes ready what answers it.
    fn prepare(
        &self,
        order: &Retrieve,
        granted: &Granted<'_>,
        now: UnixMicros,
    ) -> Result<(Ticket, Body), Refusal> {
        let fingerprint = self.identity.fingerprint();
        let ticket = match &order.resume {
            None => {
                let ticket = granted.check(order, fingerprint, Some(now))?;
                lock(&self.used).redeem(&ticket, now)?;
                ticket
            }
            // Its time was over long ago: the session that it opened counts.
            Some(resume) => {
                let ticket = granted.check(order, fingerprint, None)?;
                lock(&self.sessions).check(&ticket, resume, &order.browser_key, now)?;
                ticket
            }
        };
        let (content, print) = self.content(&ticket, order.resume.is_some())?;
        let offset = order.resume.as_ref().map_or(0, |Resume { offset, .. }| *offset);
        let agreement = Agreement::new().ok_or(Refusal::Disk)?;
        let sensor_key = agreement.public();
        let said =
            transcript(&order.ticket, &order.transfer, offset, &order.browser_key, &sensor_key);
        let keys = agreement.agree(&order.browser_key, &said).ok_or(Refusal::Forged)?;
        match order.resume {
            None => lock(&self.sessions).open(&ticket, keys.resume, print, now),
            Some(_) => lock(&self.sessions).is_unchanged(&ticket, print)?,
        }
        let sealing = Sealing {
            sensor_key,
            device_key: self.identity.device_key(),
            signature: self.identity.sign_transcript(&said),
            sealer: keys.sealer,
        };
        Ok((ticket, Body::new(sealing, content, offset, Arc::clone(&self.pressure))))
    }

    /// What a ticket is for, and what tells it from another.
    fn content(
        &self,
        ticket: &Ticket,
        is_resumed: bool,
    ) -> Result<(Box<dyn Content>, Print), Refusal> {
        let call = ticket.call.to_string();
        if ticket.action != Action::Live {
            let stored = self.stored(ticket)?;
            let print = session::print(&stored);
            return Ok((content::open(ticket.action, &call, stored)?, print));
        }
        if is_resumed {
            // What has passed meanwhile is not there any more.
            return Err(Refusal::Changed);
        }
        let (taps, boot) = lock(&self.taps).clone().ok_or(Refusal::NotSupported)?;
        if ticket.call.boot != boot {
            return Err(Refusal::CallOver);
        }
        let packets = taps.open(ticket.call.number).ok_or(Refusal::Busy)?;
        Ok((Box::new(Live::new(call, LiveSound::new(packets))), [0; 32]))
    }

    /// The call in the store.
    fn stored(&self, ticket: &Ticket) -> Result<StoredCall, Refusal> {
        self.stored_call((ticket.call.boot, ticket.call.number))
    }

    fn stored_call(&self, call: CallKey) -> Result<StoredCall, Refusal> {
        let directory = self.directory.join(FOLDER);
        if !directory.is_dir() {
            return Err(Refusal::NotKept);
        }
        let failed = |error: io::Error| {
            log::error!("the store cannot be read: {error}");
            Refusal::Disk
        };
        let finder = lock(&self.finder).clone();
        let places = match finder.and_then(|finder| finder.find(call)) {
            Some(places) => places,
            // No store is open (there are no rules now), or its index is damaged.
            None => reader::scan(&directory, call).map_err(failed)?,
        };
        // The cloud asks for calls only whose records say that they were kept.
        let stored = StoredCall::open(places, Some(&self.device_key)).map_err(failed)?;
        stored.ok_or(Refusal::LetGo)
    }
}

/// By whom, and for whom, tickets must be.
struct Granted<'a> {
    customer: &'a str,
    keys: &'a [[u8; 32]],
}

impl Granted<'_> {
    fn check(
        &self,
        order: &Retrieve,
        device: Fingerprint,
        now: Option<UnixMicros>,
    ) -> Result<Ticket, Refusal> {
        ticket::check(&order.ticket, self.keys, (device, self.customer, Way::Relay), now)
    }
}

/// Lowers this thread's priority: Linux gives each thread a niceness of its own. Without it, it is
/// merely less polite.
fn be_polite() {
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        log::debug!("retrieval: {error}");
    }
}

/// How long a slowed transfer waits before each piece.
const SLOWED_BY: Duration = Duration::from_millis(100);

fn tell(line: &Line, refuse: &Refuse) {
    if let Err(refused) = line.refuse(refuse) {
        log::debug!("the cloud was not told that a transfer does not come: {}", refused.failure);
    }
}

/// A lock whose holder has panicked is taken over: what it guards is changed in single steps.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl core::fmt::Debug for Retrieval {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Retrieval({:?})", self.places)
    }
}
