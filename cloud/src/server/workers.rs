//! tiny_http and the threads behind the front.
//!
//! The two meet on a Unix socket in a directory that only this user may enter (mode 0700), so no
//! other user of the machine can speak to the workers past the front; a loopback port could be
//! reached by all of them. The front opens a bounded number of connections and so bounds the
//! threads that tiny_http starts, one for each.
//!
//! A worker calls the handler and writes short answers itself ([`SHORT_BODY_BYTES`]): the socket's
//! buffer takes three times as many. Long ones, and streams, are written by a thread of their own, because they take as long
//! as the client does; these threads are counted and bounded.

use std::ffi::OsStr;
use std::fs::DirBuilder;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::{Body, Handler, Request, Response, Woken, wire};
use crate::front::SHORT_BODY_BYTES;

/// What private directories are called.
const DIRECTORY_PREFIX: &str = "ringside-workers-";

/// A directory that is younger may be one whose socket is just being made.
const STALE_AGE: Duration = Duration::from_secs(60);

/// The worker threads of one listener.
pub struct Workers {
    shared: Arc<Shared>,
    count: usize,
    /// Disconnected when the last worker has ended.
    ended: Receiver<()>,
}

struct Shared {
    handler: Arc<Handler>,
    server: Mutex<Serving>,
    stopping: AtomicBool,
    /// Requests that workers have taken.
    taken: AtomicU64,
    streams: AtomicUsize,
    max_streams: usize,
    /// Stands below `server`, which needs its socket to end.
    directory: PrivateDirectory,
}

/// tiny_http on its socket.
#[derive(Clone)]
struct Serving {
    server: Arc<tiny_http::Server>,
    socket: PathBuf,
    restarts: usize,
}

type Writer = Box<dyn Write + Send>;

impl Workers {
    /// Starts `count` workers. `directory`: where the private directory is made; the system's for
    /// temporary files if there is none.
    ///
    /// # Errors
    /// The directory or the socket cannot be made, or no thread started.
    pub fn start(
        directory: Option<&Path>,
        count: usize,
        max_streams: usize,
        handler: Arc<Handler>,
    ) -> io::Result<Self> {
        let directory = private_directory(directory)?;
        let server = Mutex::new(Serving::start(&directory.0, 0)?);
        let (stopping, streams) = (AtomicBool::new(false), AtomicUsize::new(0));
        let taken = AtomicU64::new(0);
        let shared = Shared { handler, server, stopping, taken, streams, max_streams, directory };
        let shared = Arc::new(shared);
        let (alive, ended) = channel();
        let workers = Self { shared, count, ended };
        for index in 0..count {
            let (shared, alive): (_, Sender<()>) = (Arc::clone(&workers.shared), alive.clone());
            let work = move || {
                shared.work();
                // In this order: who waits for the end finds the directory gone.
                drop(shared);
                drop(alive);
            };
            thread::Builder::new().name(format!("worker-{index}")).spawn(work)?;
        }
        Ok(workers)
    }

    /// Where the front connects to.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.shared.serving().socket.clone()
    }

    /// Requests that workers have taken since the start.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.shared.taken.load(Ordering::SeqCst)
    }

    /// Replaces tiny_http's listener: its accepting thread ends for good when it finds no file
    /// descriptor or no thread.
    ///
    /// # Errors
    /// The new socket cannot be made either.
    pub fn restart(&self) -> io::Result<()> {
        let mut serving = self.shared.serving();
        let fresh = Serving::start(&self.shared.directory.0, serving.restarts + 1)?;
        let old = core::mem::replace(&mut *serving, fresh);
        drop(serving);
        for _ in 0..self.count {
            old.server.unblock();
        }
        Ok(())
    }

    /// Ends the workers, those in a handler when it returns: whether all had ended by `deadline`.
    pub fn stop(self, deadline: Instant) -> bool {
        self.call_back();
        let left = deadline.saturating_duration_since(Instant::now());
        self.ended.recv_timeout(left) == Err(RecvTimeoutError::Disconnected)
    }

    /// Tells the workers to end.
    fn call_back(&self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        let server = self.shared.serving().server.clone();
        for _ in 0..self.count {
            server.unblock();
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.call_back();
    }
}

impl Serving {
    fn start(directory: &Path, restarts: usize) -> io::Result<Self> {
        let socket = directory.join(format!("{restarts}.sock"));
        let listener = UnixListener::bind(&socket)?;
        let server = tiny_http::Server::from_listener(listener, None).map_err(io::Error::other)?;
        Ok(Self { server: Arc::new(server), socket, restarts })
    }
}

/// A directory that goes when its last user does.
struct PrivateDirectory(PathBuf);

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            log::warn!("{} is left behind: {error}", self.0.display());
        }
    }
}

impl Shared {
    fn serving(&self) -> MutexGuard<'_, Serving> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(self: &Arc<Self>) {
        while !self.stopping.load(Ordering::SeqCst) {
            let server = self.serving().server.clone();
            match server.recv() {
                Ok(request) => {
                    self.taken.fetch_add(1, Ordering::SeqCst);
                    self.answer(request);
                }
                Err(error) => log::debug!("a worker was called back: {error}"),
            }
        }
    }

    fn answer(self: &Arc<Self>, mut http: tiny_http::Request) {
        let is_head = *http.method() == tiny_http::Method::Head;
        let response = match read_request(&mut http) {
            Ok(mut request) => self.call(&mut request),
            Err(error) => {
                log::warn!("a request did not reach its worker: {error}");
                Response::text(500, "the request failed inside the service")
            }
        };
        let writer = http.into_writer();
        let is_long = match &response.body {
            Body::Bytes(bytes) => bytes.len() > SHORT_BODY_BYTES,
            Body::Stream(_) => true,
        };
        if is_long && !is_head && response.park.is_none() {
            self.stream(writer, response);
        } else {
            write(writer, response, is_head);
        }
    }

    /// The handler's answer; 500 when it panics.
    fn call(&self, request: &mut Request) -> Response {
        catch_unwind(AssertUnwindSafe(|| (self.handler)(request))).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<&str>().copied().map(str::to_owned);
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            let text = text.unwrap_or_else(|| "no message".to_owned());
            log::error!("the handler of {} {} panicked: {text}", request.method, request.path);
            Response::text(500, "the request failed inside the service: see its log")
        })
    }

    /// Writes on a thread of its own, if there may be one more.
    fn stream(self: &Arc<Self>, writer: Writer, response: Response) {
        let before = self.streams.fetch_add(1, Ordering::SeqCst);
        let ticket = Ticket(Arc::clone(self));
        if before >= self.max_streams {
            write(writer, too_many_streams(), false);
            return;
        }
        // The writer is handed over in a box that both sides can open, since a thread that does
        // not start would take it along.
        let parcel = Arc::new(Mutex::new(Some((writer, response))));
        let theirs = Arc::clone(&parcel);
        let spawned = thread::Builder::new().name("stream".to_owned()).spawn(move || {
            let _ticket = ticket;
            if let Some((writer, response)) = open(&theirs) {
                write(writer, response, false);
            }
        });
        if let Err(error) = spawned {
            log::error!("no thread for a long answer: {error}");
            if let Some((writer, _)) = open(&parcel) {
                write(writer, too_many_streams(), false);
            }
        }
    }
}

/// Counts a stream until it ends.
struct Ticket(Arc<Shared>);

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::SeqCst);
    }
}

fn open<T>(parcel: &Mutex<Option<T>>) -> Option<T> {
    parcel.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn too_many_streams() -> Response {
    Response::text(503, "too many long answers are on their way: try again later")
        .with_header("Retry-After", "5")
}

fn write(mut writer: Writer, response: Response, is_head: bool) {
    // The front has gone from this connection when its client has: nothing to do then.
    if let Err(error) = wire::write(writer.as_mut(), response, is_head) {
        log::debug!("an answer did not reach the front: {error}");
    }
}

fn read_request(http: &mut tiny_http::Request) -> io::Result<Request> {
    let mut body = Vec::new();
    http.as_reader().read_to_end(&mut body)?;
    if http.body_length().is_some_and(|length| length != body.len()) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut internal = Internal::default();
    let mut headers = Vec::with_capacity(http.headers().len());
    for header in http.headers() {
        let (name, value) = (header.field.as_str().as_str(), header.value.as_str());
        if !internal.note(name, value) {
            headers.push((name.to_owned(), value.to_owned()));
        }
    }
    let peer = internal.peer.ok_or_else(|| io::Error::other("the front names no peer"))?;
    let (path, query) = http.url().split_once('?').unwrap_or((http.url(), ""));
    Ok(Request {
        method: http.method().as_str().to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        peer,
        is_forwarded: internal.is_forwarded,
        body,
        woken: internal.woken,
        waited: Duration::from_millis(internal.waited_millis),
    })
}

/// What the front says about a request.
#[derive(Default)]
struct Internal {
    peer: Option<std::net::SocketAddr>,
    is_forwarded: bool,
    woken: Option<Woken>,
    waited_millis: u64,
}

impl Internal {
    /// Whether the header is not for the handler.
    fn note(&mut self, name: &str, value: &str) -> bool {
        match name {
            "x-ringside-peer" => self.peer = value.parse().ok(),
            "x-ringside-forwarded" => self.is_forwarded = true,
            "x-ringside-woken" if value == "yes" => self.woken = Some(Woken::Yes),
            "x-ringside-woken" if value == "superseded" => self.woken = Some(Woken::Superseded),
            "x-ringside-woken" => self.woken = Some(Woken::Timeout),
            "x-ringside-waited-millis" => self.waited_millis = value.parse().unwrap_or(0),
            // The body says it itself.
            "content-length" => {}
            _ => return false,
        }
        true
    }
}

fn private_directory(parent: Option<&Path>) -> io::Result<PrivateDirectory> {
    let parent = parent.map_or_else(std::env::temp_dir, Path::to_path_buf);
    remove_stale(&parent, STALE_AGE);
    let random = RandomState::new().hash_one(std::process::id());
    let directory = parent.join(format!("{DIRECTORY_PREFIX}{random:016x}"));
    DirBuilder::new().mode(0o700).create(&directory).map_err(|error| {
        let parent = parent.display();
        io::Error::new(error.kind(), format!("no directory can be made in {parent}: {error}"))
    })?;
    Ok(PrivateDirectory(directory))
}

/// Removes what a killed process left: directories of this age whose sockets nobody listens on.
fn remove_stale(parent: &Path, age: Duration) {
    let Ok(entries) = std::fs::read_dir(parent) else { return };
    for directory in entries.flatten().map(|entry| entry.path()) {
        let name = directory.file_name().and_then(OsStr::to_str).unwrap_or_default();
        if name.starts_with(DIRECTORY_PREFIX) && is_stale(&directory, age) {
            // Somebody else's cannot be removed, and need not be.
            let _ = std::fs::remove_dir_all(&directory);
        }
    }
}

fn is_stale(directory: &Path, age: Duration) -> bool {
    let modified = std::fs::metadata(directory).and_then(|metadata| metadata.modified());
    let is_old = modified.is_ok_and(|at| at.elapsed().is_ok_and(|since| since >= age));
    let Ok(entries) = std::fs::read_dir(directory) else { return false };
    let is_dead_socket = |entry: std::fs::DirEntry| {
        let connected = UnixStream::connect(entry.path());
        entry.file_type().is_ok_and(|kind| kind.is_socket())
            && connected.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    };
    is_old && entries.flatten().all(is_dead_socket)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn workers(parent: &PrivateDirectory) -> Workers {
        let handler = |request: &mut Request| Response::text(200, &request.peer.to_string());
        Workers::start(Some(&parent.0), 2, 1, Arc::new(handler)).unwrap()
    }

    fn ask(workers: &Workers) -> String {
        let mut stream = UnixStream::connect(workers.socket()).unwrap();
        let request = "GET / HTTP/1.1\r\nx-ringside-peer: 192.0.2.1:9\r\nconnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn the_socket_is_for_this_user_only_and_goes_with_the_workers() {
        let parent = private_directory(None).unwrap();
        let workers = workers(&parent);
        let directory = workers.socket().parent().unwrap().to_path_buf();
        assert_eq!(directory.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        assert!(ask(&workers).ends_with("\r\n\r\n192.0.2.1:9\n"));
        assert!(workers.stop(soon()));
        assert!(!directory.exists());
    }

    #[test]
    fn a_listener_that_ended_is_replaced() {
        let parent = private_directory(None).unwrap();
        let workers = workers(&parent);
        let before = workers.socket();
        workers.restart().unwrap();
        assert_ne!(workers.socket(), before);
        assert!(ask(&workers).starts_with("HTTP/1.1 200 "));
        assert!(workers.stop(soon()));
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_what_lives_is_not() {
        let parent = private_directory(None).unwrap();
        let living = workers(&parent);
        let left = parent.0.join(format!("{DIRECTORY_PREFIX}0"));
        std::fs::create_dir(&left).unwrap();
        drop(UnixListener::bind(left.join("0.sock")).unwrap());
        remove_stale(&parent.0, STALE_AGE);
        assert!(left.exists());
        remove_stale(&parent.0, Duration::ZERO);
        assert!(!left.exists());
        assert!(ask(&living).starts_with("HTTP/1.1 200 "));
        assert!(living.stop(soon()));
    }
}
