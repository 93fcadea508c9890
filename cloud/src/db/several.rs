//! Several processes over one PostgreSQL: what wakes requests that wait in one process wakes those
//! in the others.
//!
//! Everything else that they share is in the tables, and a transaction that writes is alone over all
//! of them. A notification that is lost, because the server was away or too many came at once, costs
//! only time: whoever waits looks again when the wait is over.

use core::time::Duration;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use data_encoding::HEXLOWER;
use ring::rand::{SecureRandom, SystemRandom};

use super::postgres::Session;
use super::{Db, DbError, Result};

/// News that wait to be told, at most; when there are more, the newest are not told.
const MAX_WAITING: usize = 1024;

/// How often the threads look whether they are to end, and whether the server is back.
const PATIENCE: Duration = Duration::from_millis(500);

/// Tells news to the other processes, and hears theirs. Ends when it is dropped.
pub struct Neighbours {
    news: SyncSender<String>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Neighbours {
    /// Begins to hear: `hear` is called with each piece of news of another process. `None` where the
    /// database is a file, which one process has for itself.
    ///
    /// # Errors
    /// The database's; [`DbError::File`] when no thread can be started.
    pub fn start(db: &Db, hear: impl Fn(&str) + Send + 'static) -> Result<Option<Self>> {
        let Some(config) = db.config.clone() else { return Ok(None) };
        let mut own = [0; 8];
        SystemRandom::new().fill(&mut own).map_err(|_| DbError::Random)?;
        let own = HEXLOWER.encode(&own);
        let (news, waiting) = sync_channel(MAX_WAITING);
        let stop = Arc::new(AtomicBool::new(false));
        let (teller, listener) = (Session::new(config.clone()), Session::new(config));
        listener.run("LISTEN ringside")?;
        let (told_by, ended) = (own.clone(), Arc::clone(&stop));
        let tell = move || tell_all(&teller, &told_by, &waiting, &ended);
        let ended = Arc::clone(&stop);
        let hear = move || hear_all(&listener, &own, &hear, &ended);
        let threads = vec![
            Builder::new().name("tells".to_owned()).spawn(tell).map_err(DbError::File)?,
            Builder::new().name("hears".to_owned()).spawn(hear).map_err(DbError::File)?,
        ];
        Ok(Some(Self { news, stop, threads }))
    }

    /// What tells: it may be kept by others.
    #[must_use]
    pub fn teller(&self) -> Teller {
        Teller(self.news.clone())
    }
}

impl Drop for Neighbours {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                log::error!("a thread between processes had panicked");
            }
        }
    }
}

/// Tells the other processes.
#[derive(Clone, Debug)]
pub struct Teller(SyncSender<String>);

impl Teller {
    /// Tells news, soon: at most some 7000 bytes, on one line.
    pub fn tell(&self, news: String) {
        if self.0.try_send(news).is_err() {
            log::debug!("the other processes are not told: too much waits, or the service ends");
        }
    }
}

fn tell_all(session: &Session, own: &str, waiting: &Receiver<String>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let news = match waiting.recv_timeout(PATIENCE) {
            Ok(news) => format!("{own} {news}"),
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let news = [super::Value::Text(&news)];
        if let Err(error) = session.query("SELECT pg_notify('ringside', ?1)", &news) {
            log::debug!("the other processes are not told: {error}");
        }
    }
}

fn hear_all(session: &Session, own: &str, hear: &dyn Fn(&str), stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        match session.wait(PATIENCE) {
            Ok(Some(said)) => {
                if let Some((by, news)) = said.split_once(' ')
                    && by != own
                {
                    hear(news);
                }
            }
            Ok(None) => {}
            Err(_) => {
                if session.run("LISTEN ringside").is_err() {
                    std::thread::sleep(PATIENCE);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use ringside_protocol::cdr::{Boot, Cdr, Fingerprint};
    use ringside_protocol::message::{Batch, Heartbeat, Hello};
    use ringside_protocol::time::UnixMicros;

    use super::*;
    use crate::db::Customer;
    use crate::db::sensors::fingerprint;
    use crate::db::tests::cluster::Cluster;
    use crate::db::tests::{Folder, wait_for};

    const NOW: UnixMicros = UnixMicros(20_000 * 86_400_000_000);

    fn store(db: &Db, customer: Customer, number: u64) -> Result<u32> {
        let cdr = Cdr { number, first_at: NOW, ended: 1, ..Cdr::default() };
        let batch = Batch::new(Boot([1; 16]), [cdr]);
        Ok(db.store_batch(customer, Fingerprint([2; 16]), &batch, NOW)?.stored)
    }

    #[test]
    fn what_one_process_tells_the_others_hear_and_it_does_not() {
        let Some(cluster) = Cluster::start() else { return };
        let folder = Folder::new();
        let server = cluster.server(&folder);
        let heard: [Arc<Mutex<Vec<String>>>; 2] = Default::default();
        let [one, other] = heard.clone().map(|heard| {
            let db = Db::connect(&server).expect("a database");
            let hear = move |news: &str| heard.lock().expect("whole").push(news.to_owned());
            Neighbours::start(&db, hear).expect("started").expect("a server")
        });
        one.teller().tell("sensors poll:1".to_owned());
        other.teller().tell("pages changes:1".to_owned());
        let heard_by = |index: usize| heard[index].lock().expect("whole").clone();
        wait_for("both hear", || !heard_by(0).is_empty() && !heard_by(1).is_empty());
        assert_eq!(heard_by(0), ["pages changes:1"]);
        assert_eq!(heard_by(1), ["sensors poll:1"]);
    }

    #[test]
    fn a_server_that_was_gone_is_found_again_and_has_what_was_acknowledged() {
        let Some(mut cluster) = Cluster::start() else { return };
        let folder = Folder::new();
        let db = Db::connect(&cluster.server(&folder)).expect("a database");
        let customer = db.create_customer("Acme", NOW).expect("made").expect("new");
        assert_eq!(store(&db, customer, 1).expect("stored"), 1);
        cluster.end();
        let refused = store(&db, customer, 2).expect_err("nobody there").to_string();
        assert!(!refused.is_empty() && db.customers().is_err(), "{refused}");
        assert!(db.trouble().is_some_and(|trouble| !trouble.sentence.is_empty()));
        cluster.begin();
        assert_eq!(store(&db, customer, 2).expect("stored"), 1);
        assert_eq!(store(&db, customer, 1).expect("known"), 0);
        assert_eq!(db.customers().expect("asked").len(), 1);
        assert!(db.trouble().is_none());
    }

    fn heartbeat(channels: u16, lease_serial: u32) -> Heartbeat {
        Heartbeat {
            sensor_time: NOW,
            uptime_seconds: 1,
            counters: Vec::new(),
            channels,
            lease_serial,
            outbox_cdrs: 0,
            outbox_bytes: (0, 0),
            memory_bytes: 0,
            interfaces: Vec::new(),
            last_cdr_at: None,
            live: ringside_protocol::live::Live::default(),
            is_leaving: false,
            upgrade: None,
        }
    }

    #[test]
    fn two_processes_never_grant_more_than_the_customer_has() {
        const SENSORS: u8 = 8;
        let Some(cluster) = Cluster::start() else { return };
        let folder = Folder::new();
        let server = cluster.server(&folder);
        let [one, other] = [(); 2].map(|()| Db::connect(&server).expect("a database"));
        let customer = one.create_customer("Acme", NOW).expect("made").expect("new");
        let hello = |number: u8| Hello {
            device_key: [number; 32],
            boot: Boot([number; 16]),
            sensor_time: NOW,
            oldest_version: 1,
            newest_version: 1,
            id_sensor: None,
            name: String::new(),
            software: String::new(),
            target: String::new(),
            commit: String::new(),
            last_failure: None,
        };
        let hello = &hello;
        for number in 0..SENSORS {
            let secret = [number; 16];
            one.create_enrolment_token(customer, &secret, "test", NOW).expect("a token");
            let device = fingerprint(&[number; 32]);
            let joined = other.enrol(&secret, device, &hello(number), NOW).expect("asked");
            assert!(joined.is_ok());
        }
        std::thread::scope(|scope| {
            for (turn, db) in [&one, &other].into_iter().enumerate() {
                scope.spawn(move || {
                    for round in 0..40_u8 {
                        let number = (round + u8::try_from(turn).expect("two") * 4) % SENSORS;
                        let device = fingerprint(&[number; 32]);
                        let admitted = db.admit(device, &hello(number), "", NOW).expect("asked");
                        let serial = admitted.expect("let in").lease.serial;
                        let heartbeat = heartbeat(u16::from(round) * 20, serial);
                        db.heartbeat(customer, device, &heartbeat, NOW).expect("noted");
                        let reserved: u64 = db
                            .reader()
                            .query_row(
                                "SELECT CAST(sum(CASE WHEN lease_reserved > lease_channels THEN \
                                 lease_reserved ELSE lease_channels END) AS INTEGER) FROM sensor",
                                [],
                                |row| row.get(0),
                            )
                            .expect("a sum");
                        assert!(reserved <= 2000, "{reserved}");
                    }
                });
            }
        });
    }
}
