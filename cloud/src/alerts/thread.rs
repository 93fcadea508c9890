//! The two threads of alerts: one looks at rules, one tells channels.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender as Waker, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use ringside_protocol::time::UnixMicros;

use super::deliver::{DELIVER_EVERY_SECONDS, Deliverer};
use super::evaluate::{Evaluator, LOOK_EVERY_SECONDS};

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
        alerting.run("alerts", LOOK_EVERY_SECONDS, move || {
            evaluator.look(certificate_expires_at(), now());
        })?;
        let deliverer = Arc::new(deliverer);
        alerting.run("notify", DELIVER_EVERY_SECONDS, move || {
            if let Err(error) = deliverer.round(now()) {
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
