//! From a server's name to a TLS connection, one step after the other, each with its own failures:
//! lookup, tcp, tls (and `clock`, where the certificate's time is what fails).

use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::{Arc, mpsc};
use std::time::Instant;

use ringside_protocol::step::{Failure, Step};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, ClientConnection, StreamOwned};

use super::tls::{self, Chain, WrongTime};
use crate::clock::WallClock;
use crate::identity::Server;

/// How long each phase may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// The resolver.
    pub lookup: Duration,
    /// A TCP connection to one address.
    pub connect: Duration,
    /// The TLS handshake.
    pub tls: Duration,
    /// A request on its way, and the answer after it.
    pub request: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            lookup: Duration::from_secs(15),
            connect: Duration::from_secs(10),
            tls: Duration::from_secs(10),
            request: Duration::from_secs(30),
        }
    }
}

/// Addresses tried for one name, at most.
pub const MAX_ADDRESSES: usize = 8;

type Resolve = dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync;
type Observe = dyn Fn(Step) + Send + Sync;

/// How the uplink reaches the network. Cloning is cheap.
#[derive(Clone)]
pub struct Network {
    resolve: Arc<Resolve>,
    observe: Arc<Observe>,
    /// How long each phase may take.
    pub timeouts: Timeouts,
}

impl Default for Network {
    /// With the system's resolver.
    fn default() -> Self {
        Self::resolving(|host, port| Ok((host, port).to_socket_addrs()?.collect()))
    }
}

impl Network {
    /// With another resolver.
    pub fn resolving(
        resolve: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            resolve: Arc::new(resolve),
            observe: Arc::new(|_| ()),
            timeouts: Timeouts::default(),
        }
    }

    /// The same network, telling `observe` of every step that passes.
    #[must_use]
    pub fn observed(&self, observe: impl Fn(Step) + Send + Sync + 'static) -> Self {
        Self { observe: Arc::new(observe), ..self.clone() }
    }

    /// Looks the server up, connects, and completes the TLS handshake. `register` gets the socket
    /// as soon as there is one, so that another thread can shut it.
    pub(super) fn open<E: From<Failure>>(
        &self,
        server: &Server,
        config: &Arc<ClientConfig>,
        register: impl FnOnce(&Arc<TcpStream>) -> Result<(), E>,
    ) -> Result<TlsStream, E> {
        let addresses = self.lookup(server)?;
        (self.observe)(Step::Lookup);
        let socket = Arc::new(self.connect(&server.host, &addresses)?);
        (self.observe)(Step::Tcp);
        register(&socket)?;
        let stream = self.handshake(server, socket, config)?;
        (self.observe)(Step::Tls);
        Ok(stream)
    }

    /// The name's addresses; an address is its own.
    fn lookup(&self, server: &Server) -> Result<Vec<SocketAddr>, Failure> {
        if let Ok(address) = server.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, server.port)]);
        }
        // The system's resolver takes no timeout; a thread that it holds up ends when it does.
        let (sender, receiver) = mpsc::sync_channel(1);
        let (resolve, asked) = (Arc::clone(&self.resolve), server.clone());
        let spawned = std::thread::Builder::new().name("lookup".to_owned()).spawn(move || {
            // Nobody waits for an answer that comes too late.
            _ = sender.send(resolve(&asked.host, asked.port));
        });
        let no_resolver = |detail| Failure::NoResolver { host: server.host.clone(), detail };
        spawned.map_err(|error| no_resolver(error.to_string()))?;
        match receiver.recv_timeout(self.timeouts.lookup) {
            Ok(Ok(mut addresses)) => {
                addresses.truncate(MAX_ADDRESSES);
                Ok(addresses)
            }
            Ok(Err(error)) if says_no_such_name(&error) => {
                Err(Failure::NoSuchName { host: server.host.clone() })
            }
            Ok(Err(error)) => Err(no_resolver(resolver_s_words(&error))),
            Err(_) => {
                Err(no_resolver(format!("no answer within {} s", self.timeouts.lookup.as_secs())))
            }
        }
    }

    /// The first address that accepts; else the failure that got furthest.
    fn connect(&self, host: &str, addresses: &[SocketAddr]) -> Result<TcpStream, Failure> {
        let mut furthest: Option<Failure> = None;
        for &address in addresses {
            match TcpStream::connect_timeout(&address, self.timeouts.connect) {
                Ok(socket) => {
                    // Requests are written whole; waiting for more would only delay them.
                    drop(socket.set_nodelay(true));
                    return Ok(socket);
                }
                Err(error) => {
                    let failure = tcp_failure(&error, address, self.timeouts.connect);
                    if furthest.as_ref().is_none_or(|other| reach(other) < reach(&failure)) {
                        furthest = Some(failure);
                    }
                }
            }
        }
        // A name without an address is as good as none.
        Err(furthest.unwrap_or_else(|| Failure::NoSuchName { host: host.to_owned() }))
    }

    fn handshake(
        &self,
        server: &Server,
        socket: Arc<TcpStream>,
        config: &Arc<ClientConfig>,
    ) -> Result<TlsStream, Failure> {
        let not_tls = |detail| Failure::NotTls { host: server.host.clone(), detail };
        let name = ServerName::try_from(server.host.clone())
            .map_err(|_| Failure::NoSuchName { host: server.host.clone() })?;
        let mut connection = ClientConnection::new(Arc::clone(config), name)
            .map_err(|error| not_tls(error.to_string()))?;
        let mut socket = Socket { stream: socket, deadline: None };
        socket.deadline = Some(Instant::now() + self.timeouts.tls);
        while connection.is_handshaking() {
            if let Err(error) = connection.complete_io(&mut socket) {
                return Err(tls_failure(&error, &server.host));
            }
        }
        Ok(StreamOwned::new(connection, socket))
    }

    /// The certificate of the server's chain whose key has this hash: the pin that a token
    /// carries. Opens one connection that sends no application data.
    ///
    /// # Errors
    /// Every failure of the steps lookup, tcp and tls; `WrongCa` when no certificate fits.
    pub fn pin_ca(
        &self,
        server: &Server,
        public_key_sha256: &[u8; 32],
        clock: &WallClock,
    ) -> Result<CertificateDer<'static>, Failure> {
        let chain = Arc::new(Chain::default());
        let config = tls::capturing(clock, &chain).map_err(|error| Failure::NotTls {
            host: server.host.clone(),
            detail: error.to_string(),
        })?;
        let mut stream = self.open::<Failure>(server, &Arc::new(config), |_| Ok(()))?;
        stream.conn.send_close_notify();
        // A farewell: the certificates are here already.
        drop(stream.flush());
        chain.find(public_key_sha256).ok_or_else(|| Failure::WrongCa { host: server.host.clone() })
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Network({:?})", self.timeouts)
    }
}

/// A TLS connection over a socket with a deadline.
pub(super) type TlsStream = StreamOwned<ClientConnection, Socket>;

/// A socket whose reads and writes end at a deadline.
#[derive(Debug)]
pub(super) struct Socket {
    stream: Arc<TcpStream>,
    /// `None`: never.
    pub(super) deadline: Option<Instant>,
}

impl Socket {
    /// Whether the peer has neither closed nor said something that nobody asked for.
    pub(super) fn is_quiet(&self) -> bool {
        let probe = || -> io::Result<bool> {
            self.stream.set_nonblocking(true)?;
            let quiet = matches!(
                self.stream.peek(&mut [0]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock
            );
            self.stream.set_nonblocking(false)?;
            Ok(quiet)
        };
        probe().unwrap_or(false)
    }

    fn left(&self) -> io::Result<Option<Duration>> {
        let Some(deadline) = self.deadline else { return Ok(None) };
        match deadline.checked_duration_since(Instant::now()) {
            Some(left) if !left.is_zero() => Ok(Some(left)),
            _ => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.stream.set_read_timeout(self.left()?)?;
            match (&*self.stream).read(buffer) {
                // A signal; rustls would take it for a failure.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return timed_out(result),
            }
        }
    }
}

impl Write for Socket {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        loop {
            self.stream.set_write_timeout(self.left()?)?;
            match (&*self.stream).write(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return timed_out(result),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A socket's timeout is reported as `WouldBlock` by the system.
fn timed_out(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(io::ErrorKind::TimedOut.into())
        }
        result => result,
    }
}

/// The words with which glibc and musl say that a name does not exist or has no address
/// (`EAI_NONAME`, `EAI_NODATA`); std passes on nothing else. The program never sets a locale, so
/// they are not translated.
const NO_SUCH_NAME: [&str; 4] = [
    "Name or service not known",
    "No address associated with hostname",
    "Name does not resolve",
    "Name has no usable address",
];

fn says_no_such_name(error: &io::Error) -> bool {
    let words = error.to_string();
    NO_SUCH_NAME.iter().any(|no_such_name| words.contains(no_such_name))
}

/// Without std's preface.
fn resolver_s_words(error: &io::Error) -> String {
    let words = error.to_string();
    words.rsplit(": ").next().unwrap_or(&words).to_owned()
}

fn tcp_failure(error: &io::Error, address: SocketAddr, waited: Duration) -> Failure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Failure::PortClosed { address },
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
            let seconds = u32::try_from(waited.as_secs()).unwrap_or(u32::MAX).max(1);
            Failure::PortFiltered { address, seconds }
        }
        _ => Failure::Unreachable { address, detail: error.to_string() },
    }
}

/// How far a connection attempt got: an answer says more than silence, and silence more than no
/// way.
const fn reach(failure: &Failure) -> u8 {
    match failure {
        Failure::PortClosed { .. } => 2,
        Failure::PortFiltered { .. } => 1,
        _ => 0,
    }
}

fn tls_failure(error: &io::Error, host: &str) -> Failure {
    let host = host.to_owned();
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    let Some(rustls::Error::InvalidCertificate(certificate)) = cause else {
        let detail = match error.kind() {
            io::ErrorKind::TimedOut => "no answer".to_owned(),
            io::ErrorKind::UnexpectedEof => "the connection was closed".to_owned(),
            _ => error.to_string(),
        };
        return Failure::NotTls { host, detail };
    };
    match certificate {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            Failure::WrongCa { host }
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Failure::WrongName { host }
        }
        CertificateError::Other(other) => match other.0.downcast_ref::<WrongTime>() {
            Some(&WrongTime { sensor_time, not_before, not_after }) => {
                Failure::CertificateTime { sensor_time, not_before, not_after }
            }
            None => Failure::NotTls { host, detail: certificate.to_string() },
        },
        _ => Failure::NotTls { host, detail: certificate.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(host: &str) -> Server {
        Server { host: host.to_owned(), port: 60023 }
    }

    fn looked_up(words: &'static str) -> Failure {
        let network = Network::resolving(move |_, _| {
            Err(io::Error::other(format!("failed to lookup address information: {words}")))
        });
        network.lookup(&server("cloud.example.net")).expect_err("no address")
    }

    #[test]
    fn a_name_that_does_not_exist_is_told_apart_from_a_resolver_that_is_silent() {
        let host = "cloud.example.net".to_owned();
        for words in NO_SUCH_NAME {
            assert_eq!(looked_up(words), Failure::NoSuchName { host: host.clone() });
        }
        // glibc's and musl's words for EAI_AGAIN.
        for words in ["Temporary failure in name resolution", "Try again"] {
            let detail = words.to_owned();
            assert_eq!(looked_up(words), Failure::NoResolver { host: host.clone(), detail });
        }
    }

    #[test]
    fn a_resolver_that_hangs_is_given_up() {
        let mut network = Network::resolving(|_, _| {
            loop {
                std::thread::park();
            }
        });
        network.timeouts.lookup = Duration::from_millis(20);
        let failure = network.lookup(&server("cloud.example.net")).expect_err("no answer");
        assert!(matches!(failure, Failure::NoResolver { .. }), "{failure}");
    }

    #[test]
    fn an_address_needs_no_lookup() {
        let network = Network::resolving(|_, _| Err(io::Error::other("asked")));
        let found = network.lookup(&server("2001:db8::1")).expect("an address");
        assert_eq!(found, ["[2001:db8::1]:60023".parse().expect("address")]);
    }

    #[test]
    fn a_name_with_very_many_addresses_has_a_bound() {
        let network = Network::resolving(|_, port| Ok(vec![([192, 0, 2, 1], port).into(); 50]));
        let found = network.lookup(&server("cloud.example.net")).expect("addresses");
        assert_eq!(found.len(), MAX_ADDRESSES);
    }

    #[test]
    fn of_several_addresses_the_failure_that_got_furthest_is_told() {
        let closed = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
            listener.local_addr().expect("address")
        };
        // Class E is nobody's: the system refuses at once.
        let no_way = "255.255.255.255:1".parse().expect("address");
        let network = Network::default();
        for addresses in [[closed, no_way], [no_way, closed]] {
            let failure = network.connect("a", &addresses).expect_err("nobody there");
            assert_eq!(failure, Failure::PortClosed { address: closed });
        }
        let failure = network.connect("a", &[no_way]).expect_err("nobody there");
        assert!(matches!(failure, Failure::Unreachable { .. }), "{failure}");
        let failure = network.connect("a", &[]).expect_err("nobody there");
        assert_eq!(failure, Failure::NoSuchName { host: "a".to_owned() });
    }

    #[test]
    fn system_errors_are_named() {
        let address = "192.0.2.1:60023".parse().expect("address");
        let failure =
            |kind: io::ErrorKind| tcp_failure(&kind.into(), address, Duration::from_secs(10));
        assert_eq!(failure(io::ErrorKind::ConnectionRefused), Failure::PortClosed { address });
        let filtered = Failure::PortFiltered { address, seconds: 10 };
        assert_eq!(failure(io::ErrorKind::TimedOut), filtered);
        for kind in [io::ErrorKind::HostUnreachable, io::ErrorKind::NetworkUnreachable] {
            assert!(matches!(failure(kind), Failure::Unreachable { .. }));
        }
    }
}
