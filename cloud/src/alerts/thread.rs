//! The two threads of alerts: one looks at rules, one tells channels.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender as Waker, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use data_encoding::HEXLOWER;
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};

use super::deliver::{DELIVER_EVERY_SECONDS, Deliverer};
use super::evaluate::{Evaluator, LOOK_EVERY_SECONDS};
use crate::auth::random;
use crate::db::Db;
use crate::db::alerts::take_turn;

/// The turn lasts so long, seconds: a process that dies is followed by another after that.
const TURN_SECONDS: u64 = 90;

/// Of several processes over one database one looks at alerts and tells channels.
struct Turn {
    db: Arc<Db>,
    holder: String,
    /// Until when it is ours, as stored; 0: it is not.
    until: AtomicU64,
}

impl Turn {
    fn new(db: Arc<Db>) -> Result<Self, String> {
        let name = random::<16>().map_err(|refusal| refusal.to_string())?;
        Ok(Self { db, holder: HEXLOWER.encode(&name), until: AtomicU64::new(0) })
    }

    fn take(&self, now: UnixMicros) -> bool {
        let until = now.plus(TURN_SECONDS * MICROS_PER_SECOND);
        let is_ours = take_turn(&self.db, &self.holder, until, now).unwrap_or_else(|error| {
            log::error!("alerts were not looked at: {error}");
            false
        });
        self.until.store(if is_ours { until.0 } else { 0 }, Ordering::Relaxed);
        is_ours
    }

    fn is_ours(&self, now: UnixMicros) -> bool {
        now.0 < self.until.load(Ordering::Relaxed)
    }
}

/// What alerts ask of the rest of the service.
pub struct Facts {
    /// The time.
    pub now: fn() -> UnixMicros,
    /// When the service's certificate expires.
    pub certificate_expires_at: Box<dyn Fn() -> Option<UnixMicros> + Send>,
}

/// The threads, while they run.
pub struct Alerting {
    wakes: Vec<Waker<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl Alerting {
    /// Starts both.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        mut evaluator: Evaluator,
        deliverer: Deliverer,
        facts: Facts,
    ) -> Result<Self, String> {
        let mut alerting = Self { wakes: Vec::new(), threads: Vec::new() };
        let Facts { now, certificate_expires_at } = facts;
        let turn = Arc::new(Turn::new(Arc::clone(&deliverer.db))?);
        let taken = Arc::clone(&turn);
        alerting.run("alerts", LOOK_EVERY_SECONDS, move || {
            if taken.take(now()) {
                evaluator.look(certificate_expires_at(), now());
            }
        })?;
        let deliverer = Arc::new(deliverer);
        alerting.run("notify", DELIVER_EVERY_SECONDS, move || {
            if turn.is_ours(now())
                && let Err(error) = deliverer.round(now())
            {
                log::error!("channels could not be told: {error}");
            }
        })?;
        Ok(alerting)
    }

    fn run(
        &mut self,
        name: &str,
        seconds: u64,
        mut work: impl FnMut() + Send + 'static,
    ) -> Result<(), String> {
        let (wake, woken): (Waker<()>, Receiver<()>) = channel();
        let run = move || {
            while woken.recv_timeout(Duration::from_secs(seconds)) == Err(RecvTimeoutError::Timeout)
            {
                work();
            }
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run);
        self.threads.push(thread.map_err(|error| format!("no thread can be started: {error}"))?);
        self.wakes.push(wake);
        Ok(())
    }

    /// Ends both; a message that is on its way is awaited.
    pub fn stop(self) {
        drop(self.wakes);
        for thread in self.threads {
            if thread.join().is_err() {
                log::error!("a thread of the alerts had panicked");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::tests::Folder;

    #[test]
    fn one_process_at_a_time_has_the_turn() {
        let folder = Folder::new();
        let db = Arc::new(folder.open());
        let [one, other] = [(); 2].map(|()| Turn::new(Arc::clone(&db)).expect("random bytes"));
        let at = |seconds: u64| UnixMicros(1_000_000_000_000 + seconds * MICROS_PER_SECOND);
        assert!(one.take(at(0)) && !other.take(at(1)));
        assert!(one.is_ours(at(2)) && !other.is_ours(at(2)));
        assert!(one.take(at(30)), "its own turn is kept");
        assert!(!other.take(at(TURN_SECONDS + 29)));
        assert!(other.take(at(TURN_SECONDS + 30)) && !one.take(at(TURN_SECONDS + 31)));
        assert!(!one.is_ours(at(TURN_SECONDS + 31)));
    }
}
