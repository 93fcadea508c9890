//! A front with a certificate of its own, and clients that say exactly what they are told to.

#![allow(dead_code, reason = "each test file uses a part")]

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use ringside_cloud::ca::{ServerTls, TlsSettings};
use ringside_cloud::front::{
    Front, FrontCounters, FrontHandle, FrontSettings, FrontStats, Limits, Pipes, Wakes,
};
use ringside_cloud::network::Network;
use ringside_cloud::server::{Request, Response};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// Nothing here takes as long on any machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A directory that goes with its test.
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("ringside-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A front that runs, and what its clients need.
pub(crate) struct Service {
    pub(crate) front: FrontHandle,
    pub(crate) tls: ServerTls,
    pub(crate) trust: Arc<ClientConfig>,
    _directory: TempDir,
}

/// Starts a front with two workers.
pub(crate) fn start(
    limits: Limits,
    handler: impl Fn(&mut Request) -> Response + Send + Sync + 'static,
) -> Service {
    start_with(limits, 2, Wakes::new(), handler)
}

pub(crate) fn start_with(
    limits: Limits,
    workers: usize,
    wakes: Wakes,
    handler: impl Fn(&mut Request) -> Response + Send + Sync + 'static,
) -> Service {
    start_on("127.0.0.1:0".parse().unwrap(), limits, workers, wakes, handler)
}

pub(crate) fn start_on(
    listen: SocketAddr,
    limits: Limits,
    workers: usize,
    wakes: Wakes,
    handler: impl Fn(&mut Request) -> Response + Send + Sync + 'static,
) -> Service {
    start_behind(&[], listen, limits, workers, wakes, handler)
}

/// Starts a front that has reverse proxies before it.
pub(crate) fn start_behind(
    proxies: &[&str],
    listen: SocketAddr,
    limits: Limits,
    workers: usize,
    wakes: Wakes,
    handler: impl Fn(&mut Request) -> Response + Send + Sync + 'static,
) -> Service {
    start_piped(proxies, listen, limits, workers, (wakes, Pipes::default()), handler)
}

/// With pipes that another front may share.
pub(crate) fn start_piped(
    proxies: &[&str],
    listen: SocketAddr,
    limits: Limits,
    workers: usize,
    (wakes, pipes): (Wakes, Pipes),
    handler: impl Fn(&mut Request) -> Response + Send + Sync + 'static,
) -> Service {
    let directory = TempDir::new();
    let settings =
        TlsSettings { directory: directory.path().join("tls"), names: Vec::new(), given: None };
    let tls = ServerTls::open(settings, SystemTime::now()).unwrap();
    let settings = FrontSettings {
        listen,
        tls: tls.config().unwrap(),
        limits,
        proxies: proxies.iter().map(|text| Network::parse(text).unwrap()).collect(),
        workers,
        wakes,
        pipes,
        counters: FrontCounters::default(),
        socket_directory: Some(directory.path().to_path_buf()),
    };
    let front = Front::start(settings, Arc::new(handler)).unwrap();
    let trust = trusting(tls.ca().unwrap().certificate());
    Service { front, tls, trust, _directory: directory }
}

/// A client's settings with one root.
pub(crate) fn trusting(root: &rustls::pki_types::CertificateDer<'static>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

impl Service {
    pub(crate) fn address(&self) -> SocketAddr {
        self.front.local_addr()
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address(), &self.trust)
    }

    /// Waits until the counters are as wished.
    pub(crate) fn wait(&self, what: &str, mut is_so: impl FnMut(&FrontStats) -> bool) {
        wait(what, || is_so(&self.front.stats()));
    }
}

/// Waits until it is so.
pub(crate) fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "never came: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A TLS connection.
pub(crate) struct Client {
    stream: StreamOwned<ClientConnection, TcpStream>,
    /// What came after the last answer.
    rest: Vec<u8>,
}

/// What came back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.split("\r\n").skip(1).find_map(|line| {
            let (known, value) = line.split_once(": ")?;
            known.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

impl Client {
    pub(crate) fn connect(address: SocketAddr, trust: &Arc<ClientConfig>) -> Self {
        Self::try_connect(address, trust).unwrap()
    }

    /// Connects and shakes hands.
    pub(crate) fn try_connect(address: SocketAddr, trust: &Arc<ClientConfig>) -> io::Result<Self> {
        let mut socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        socket.set_nodelay(true)?;
        let name = ServerName::try_from("localhost").unwrap();
        let mut tls = ClientConnection::new(Arc::clone(trust), name).map_err(io::Error::other)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut socket)?;
        }
        Ok(Self { stream: StreamOwned::new(tls, socket), rest: Vec::new() })
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).unwrap();
    }

    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())?;
        self.stream.flush()
    }

    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        self.answer()
    }

    pub(crate) fn post(&mut self, path: &str, body: &[u8]) -> Answer {
        let length = body.len();
        self.send(format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"));
        self.send(body);
        self.answer()
    }

    pub(crate) fn answer(&mut self) -> Answer {
        self.try_answer(false).unwrap()
    }

    /// Reads one answer; `is_head`: one without body.
    pub(crate) fn try_answer(&mut self, is_head: bool) -> io::Result<Answer> {
        let end = loop {
            if let Some(at) = self.rest.windows(4).position(|four| four == b"\r\n\r\n") {
                break at;
            }
            self.more()?;
        };
        let head = String::from_utf8(self.rest[..end].to_vec()).unwrap();
        self.rest.drain(..end + 4);
        let status = head[9..12].parse().unwrap();
        let mut answer = Answer { status, head, body: Vec::new() };
        if is_head || matches!(status, 100 | 204 | 304) {
            return Ok(answer);
        }
        answer.body = if answer.header("transfer-encoding") == Some("chunked") {
            self.chunked()?
        } else {
            self.exactly(answer.header("content-length").unwrap().parse().unwrap())?
        };
        Ok(answer)
    }

    fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.rest.len() < length {
            self.more()?;
        }
        let tail = self.rest.split_off(length);
        Ok(std::mem::replace(&mut self.rest, tail))
    }

    fn chunked(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let end = loop {
                if let Some(at) = self.rest.windows(2).position(|two| two == b"\r\n") {
                    break at;
                }
                self.more()?;
            };
            let line = self.exactly(end + 2)?;
            let size = std::str::from_utf8(&line[..end]).unwrap();
            let size = usize::from_str_radix(size, 16)
                .map_err(|_| io::Error::from(ErrorKind::InvalidData))?;
            let chunk = self.exactly(size + 2)?;
            body.extend_from_slice(&chunk[..size]);
            if size == 0 {
                return Ok(body);
            }
        }
    }

    fn more(&mut self) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer)? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            count => {
                self.rest.extend_from_slice(&buffer[..count]);
                Ok(())
            }
        }
    }

    /// Reads some bytes of whatever comes.
    pub(crate) fn read_some(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }

    /// Whether the server has said goodbye, and nothing came before.
    pub(crate) fn is_closed(&mut self) -> bool {
        let mut buffer = [0; 1024];
        self.rest.is_empty()
            && match self.stream.read(&mut buffer) {
                Ok(count) => count == 0,
                Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
            }
    }
}

/// Says what it was asked.
pub(crate) fn echo(request: &mut Request) -> Response {
    let text = format!(
        "{} {}?{} {:?} {}",
        request.method,
        request.path,
        request.query,
        request.headers,
        String::from_utf8_lossy(&request.body),
    );
    Response::bytes(200, "text/plain", text.into_bytes())
}

/// The file descriptors of this process taken; a test that uses it needs a process, and so
/// a file, of its own.
pub(crate) struct Shortage {
    before: Rlimit,
    fill: Vec<File>,
}

impl Shortage {
    pub(crate) fn begin() -> Self {
        let before = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum: before.maximum }).unwrap();
        Self { before, fill: Vec::new() }
    }

    /// Leaves exactly one, but for those that a beginning thread holds for a moment.
    pub(crate) fn leave_one(&mut self) {
        self.fill.extend(std::iter::from_fn(|| File::open("/dev/null").ok()));
        self.fill.pop();
    }
}

impl Drop for Shortage {
    fn drop(&mut self) {
        self.fill.clear();
        setrlimit(Resource::Nofile, self.before).unwrap();
    }
}
