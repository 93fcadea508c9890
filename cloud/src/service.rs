//! `ringside-cloud serve`: everything joined, until it is told to end.

use std::fs::{File, TryLockError};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender as Waking, channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use crate::alerts::deliver::Deliverer;
use crate::alerts::evaluate::Evaluator;
use crate::alerts::reach::Reach;
use crate::alerts::send::Sender;
use crate::alerts::{Alerting, Facts};
use crate::ca::{ServerTls, TlsSettings};
use crate::claims::Claims;
use crate::config::{Settings, dial};
use crate::db::Db;
use crate::db::several::{Neighbours, Teller};
use crate::events::{Events, Waker};
use crate::front::{
    Front, FrontCounters, FrontHandle, FrontSettings, Limits, Pipes, Wakes, raise_fd_limit,
};
use crate::identity::{self, Identity};
use crate::logger::now;
use crate::network::Network;
use crate::relay::Relay;
use crate::retention::{self, EXPIRE_EVERY_SECONDS};
use crate::routes::{self, App};
use crate::server::Handler;
use crate::uplink::Uplink;
use ringside_protocol::words::plural;

/// Threads that call the handlers of the sensors' listener: commits queue up at one writer, so more
/// would only wait.
const SENSOR_WORKERS: usize = 4;

/// Threads that call the handlers of the people's listener: the database has four connections for
/// reading, and a search may take one for a fifth of a second.
const PEOPLE_WORKERS: usize = 6;

/// The service while it runs.
pub struct Service {
    /// How sensors find it.
    pub identity: Identity,
    /// Where sensors connect.
    pub sensors: SocketAddr,
    /// Where people and programs connect.
    pub web: SocketAddr,
    /// Whether there is no customer yet.
    pub is_new: bool,
    fronts: Vec<FrontHandle>,
    retention: Option<Retention>,
    alerting: Option<Alerting>,
    _neighbours: Option<Neighbours>,
    _lock: File,
}

impl Service {
    /// Opens the database, makes or reads the certificates, and listens.
    ///
    /// # Errors
    /// One sentence that says what to do.
    pub fn start(settings: &Settings) -> Result<Self, String> {
        match raise_fd_limit() {
            Ok(limit) => log::debug!("{limit} files may be open"),
            Err(error) => log::warn!("the limit of open files stays as it is: {error}"),
        }
        let db = Arc::new(identity::open_database(&settings.database, &settings.data)?);
        let lock = lock(&settings.data)?;
        let tls = open_tls(settings)?;

        let counters = ["sensors", "people"].map(|port| (port, FrontCounters::default()));
        let (sensor_wakes, page_wakes) = (Wakes::new(), Wakes::new());
        let pipes = Pipes::default();
        let (pages, page_news) = Everywhere::waker(&page_wakes, "pages");
        let events = Arc::new(Events::new(now().0 / 1000, Arc::clone(&pages)));
        let (waker, sensor_news) = Everywhere::waker(&sensor_wakes, "sensors");
        let hear = hears(Arc::clone(&events), page_wakes.clone(), sensor_wakes.clone());
        let neighbours = Neighbours::start(&db, hear).map_err(words)?;
        for news in [page_news, sensor_news] {
            if let Some(neighbours) = &neighbours {
                news.get_or_init(|| neighbours.teller());
            }
        }
        let polls = Arc::clone(&waker);
        let relay = Relay::new(&db, pipes.clone(), Arc::clone(&pages), Arc::clone(&polls));
        let relay = Arc::new(relay.map_err(words)?);
        let uplink = Uplink::new(Arc::clone(&db), Arc::clone(&events), waker).map_err(words)?;
        let claims = Arc::<Claims>::default();
        let uplink = uplink.with_relay(Arc::clone(&relay)).with_claims(Arc::clone(&claims));
        let handler: Arc<Handler> = Arc::new(move |request| uplink.respond(request, now()));
        let sensors = listen(
            (settings.sensors, SENSOR_WORKERS),
            &tls,
            (Limits::sensors(), Vec::new()),
            (sensor_wakes, &pipes, counters[0].1.clone()),
            handler,
        )?;

        let identity = identity_of(settings, &tls, sensors.local_addr());
        identity::remember(&db, &identity).map_err(words)?;
        let mut app = App::new(Arc::clone(&db), events, pages, identity.clone(), Box::new(now));
        app.sensors = polls;
        app.relay = Some(relay);
        app.claims = claims;
        app.upgrade_key.clone_from(&settings.upgrade_key);
        app.fronts = counters.to_vec();
        app.sender = Arc::new(sender(settings, &identity));
        app.pages = pages_url(settings, &identity);
        let evaluator = Evaluator::new(Arc::clone(&db), Arc::clone(&app.events), now());
        let deliverer = Deliverer {
            db: Arc::clone(&db),
            sender: Arc::clone(&app.sender),
            pages: app.pages.clone(),
        };
        if app.site.is_empty() {
            log::warn!("this build has no pages, only the API: run ci/web and build it again");
        }
        let handler: Arc<Handler> = Arc::new(move |request| routes::handle(&app, request));
        let web = listen(
            (settings.web, PEOPLE_WORKERS),
            &tls,
            (Limits::people(), settings.web_proxies.clone()),
            (page_wakes, &pipes, counters[1].1.clone()),
            handler,
        )?;
        let is_new = db.customers().map_err(words)?.is_empty();
        Ok(Self {
            identity,
            sensors: sensors.local_addr(),
            web: web.local_addr(),
            is_new,
            fronts: vec![sensors, web],
            retention: Some(Retention::start(db)?),
            alerting: Some(Alerting::start(evaluator, deliverer, facts(&tls))?),
            _neighbours: neighbours,
            _lock: lock,
        })
    }

    /// Whether both listeners serve. One that does not has hit a fault of ours, and no restart of
    /// anything less than the process helps.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.fronts.iter().all(FrontHandle::is_running)
    }

    /// Accepts no more, answers what has been asked, and ends.
    pub fn stop(mut self) {
        for front in &self.fronts {
            front.shutdown();
        }
        if let Some(alerting) = self.alerting.take() {
            alerting.stop();
        }
        if let Some(retention) = self.retention.take() {
            retention.stop();
        }
    }
}

/// Wakes requests that wait in this process, and tells the others to do the same.
struct Everywhere {
    here: Wakes,
    port: &'static str,
    others: Arc<OnceLock<Teller>>,
}

impl Everywhere {
    /// The waker, and where to put who tells the others, once there is one.
    fn waker(here: &Wakes, port: &'static str) -> (Arc<dyn Waker>, Arc<OnceLock<Teller>>) {
        let others = Arc::default();
        let waker = Self { here: here.clone(), port, others: Arc::clone(&others) };
        (Arc::new(waker), others)
    }
}

impl Waker for Everywhere {
    fn wake(&self, key: &str) {
        self.here.wake(key);
        if let Some(others) = self.others.get() {
            others.tell(format!("{} {key}", self.port));
        }
    }

    fn generation(&self, key: &str) -> u64 {
        self.here.generation(key)
    }
}

/// What to do with the news of another process.
fn hears(events: Arc<Events>, pages: Wakes, sensors: Wakes) -> impl Fn(&str) + Send + 'static {
    move |news| match news.split_once(' ') {
        Some(("sensors", key)) => sensors.wake(key),
        Some(("pages", key)) => match Events::customer_of(key) {
            Some(customer) => events.heard(customer, &pages),
            None => pages.wake(key),
        },
        // Of a newer build.
        _ => {}
    }
}

/// Two services on one folder would each believe that they know all sessions.
fn lock(data: &Path) -> Result<File, String> {
    let path = data.join("serve.lock");
    let opened = File::create(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    match opened.try_lock() {
        Ok(()) => Ok(opened),
        Err(TryLockError::WouldBlock) => Err(format!(
            "another ringside-cloud serves the folder {}: stop it, or name another with --data",
            data.display()
        )),
        Err(TryLockError::Error(error)) => Err(format!("{}: {error}", path.display())),
    }
}

fn open_tls(settings: &Settings) -> Result<Arc<ServerTls>, String> {
    let tls = TlsSettings {
        directory: settings.data.join("tls"),
        names: settings.names.clone(),
        given: settings.tls.clone(),
    };
    let tls = ServerTls::open(tls, SystemTime::now()).map_err(|error| error.to_string())?;
    let tls = Arc::new(tls);
    tls.keep_valid().map_err(|error| format!("no thread can be started: {error}"))?;
    Ok(tls)
}

fn listen(
    (listen, workers): (SocketAddr, usize),
    tls: &ServerTls,
    (limits, proxies): (Limits, Vec<Network>),
    (wakes, pipes, counters): (Wakes, &Pipes, FrontCounters),
    handler: Arc<Handler>,
) -> Result<FrontHandle, String> {
    let settings = FrontSettings {
        listen: without_ipv6(listen),
        tls: tls.config().map_err(|error| error.to_string())?,
        limits,
        proxies,
        workers,
        wakes,
        pipes: pipes.clone(),
        counters,
        socket_directory: None,
    };
    Front::start(settings, handler)
        .map_err(|error| format!("{error}: stop what uses that port, or choose another address"))
}

/// `[::]` takes IPv4 as well, but not on a machine whose kernel has no IPv6.
fn without_ipv6(listen: SocketAddr) -> SocketAddr {
    let any = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), listen.port());
    let has_ipv6 = || UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).is_ok();
    if listen != any || has_ipv6() {
        return listen;
    }
    SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), listen.port())
}

fn identity_of(settings: &Settings, tls: &ServerTls, sensors: SocketAddr) -> Identity {
    Identity {
        host: settings.names.first().cloned().unwrap_or_else(identity::host_name),
        port: sensors.port(),
        ca_key_sha256: tls.ca_key_sha256().unwrap_or_default(),
    }
}

/// Who connects to receivers of alerts.
fn sender(settings: &Settings, identity: &Identity) -> Sender {
    Sender {
        reach: Reach { allowed: settings.alerts.networks.clone() },
        mail: settings.alerts.mail.clone(),
        host: identity.host.clone(),
    }
}

/// Where people open the pages, as far as this service knows.
fn pages_url(settings: &Settings, identity: &Identity) -> String {
    let usual = || format!("https://{}", dial(&identity.host, settings.web.port()));
    settings.alerts.web_url.clone().unwrap_or_else(usual)
}

fn facts(tls: &Arc<ServerTls>) -> Facts {
    let tls = Arc::clone(tls);
    let certificate_expires_at = Box::new(move || Some(tls.expires_at()));
    Facts { now, certificate_expires_at }
}

fn words(error: crate::db::DbError) -> String {
    error.to_string()
}

/// The thread that deletes what is too old.
struct Retention {
    stop: Arc<AtomicBool>,
    wake: Waking<()>,
    thread: JoinHandle<()>,
}

impl Retention {
    fn start(db: Arc<Db>) -> Result<Self, String> {
        let stop = Arc::new(AtomicBool::new(false));
        let (wake, woken) = channel::<()>();
        let stopping = Arc::clone(&stop);
        let run = move || {
            add_up(&db, &stopping);
            loop {
                expire(&db, &stopping);
                let pause = Duration::from_secs(EXPIRE_EVERY_SECONDS);
                if woken.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("retention".to_owned())
            .spawn(run)
            .map_err(|error| format!("no thread can be started: {error}"))?;
        Ok(Self { stop, wake, thread })
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.wake);
        if self.thread.join().is_err() {
            log::error!("the retention's thread had panicked");
        }
    }
}

/// Sums of days that were kept by a build without them.
fn add_up(db: &Db, stop: &AtomicBool) {
    match db.rebuild_sums(stop) {
        Ok(0) => {}
        Ok(hours) => log::info!("calls of {} added up", plural(hours, "hour")),
        Err(error) => log::error!("calls could not be added up: {error}"),
    }
}

fn expire(db: &Db, stop: &AtomicBool) {
    match retention::expire(db, now(), stop) {
        Ok(expired) if expired.records > 0 || expired.days > 0 => log::info!(
            "older than the retention and gone: {}, {}",
            plural(expired.records, "record"),
            plural(expired.days, "day")
        ),
        Ok(_) => {}
        Err(error) => log::error!("old records could not be deleted: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::tests::Folder;

    #[test]
    fn a_listener_that_has_ended_shows() {
        let folder = Folder::new();
        let local = SocketAddr::from(([127, 0, 0, 1], 0));
        let settings = Settings {
            data: folder.0.join("data"),
            database: folder.place(),
            sensors: local,
            web: local,
            web_proxies: Vec::new(),
            upgrade_key: None,
            names: vec!["localhost".to_owned()],
            tls: None,
            alerts: Box::default(),
        };
        let service = Service::start(&settings).expect("it starts");
        assert!(service.is_running());
        service.fronts[1].shutdown();
        assert!(!service.is_running());
        service.stop();
    }
}
