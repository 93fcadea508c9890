//! Connections to the page: TLS, one request each, with deadlines, so that slow or many clients cost
//! a bounded number of threads and shut out only themselves.

use core::fmt::Write as _;
use core::time::Duration;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use rustls::{ServerConnection, StreamOwned};

use super::super::be_polite;
use super::certificate::Certificates;
use super::stream::Stream;
use crate::http::request::{self, BadRequest, Method, Request};
use crate::http::seat::{Connected, Seat, Seats};

/// Connections at once; more are closed at once.
pub(super) const MAX_CONNECTIONS: usize = 16;

/// Connections at once from one address.
pub(super) const MAX_FROM_ONE_ADDRESS: usize = 8;

/// From the connection's begin to the request's end, TLS included.
pub(super) const REQUEST_WITHIN: Duration = Duration::from_secs(10);

/// A reader that takes nothing for so long is left.
const STALL: Duration = Duration::from_secs(30);

/// No answer takes longer: a browser goes on with `Range`.
const LONGEST: Duration = Duration::from_secs(3600);

/// Decoders have their tables there.
const STACK_BYTES: usize = 1 << 20;

const SEATS: Seats = Seats { all: MAX_CONNECTIONS, of_one: MAX_FROM_ONE_ADDRESS };

/// Nothing from elsewhere, and no script or style that stands in a page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// An answer.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Body,
}

/// What stands in it.
pub(super) enum Body {
    /// All of it.
    Bytes(Vec<u8>),
    /// Made as it is sent: so many bytes.
    Stream(Box<Stream>, u64),
    /// The same where nobody has counted them.
    Uncounted(Box<Stream>),
}

impl Answer {
    pub(super) fn bytes(status: u16, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, content_type, headers: Vec::new(), body: Body::Bytes(body.into()) }
    }

    pub(super) fn html(status: u16, body: String) -> Self {
        Self::bytes(status, "text/html; charset=utf-8", body)
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn of_error(BadRequest(status): BadRequest) -> Self {
        Self::bytes(status, "text/plain", format!("{}\n", reason(status)))
    }
}

/// Accepts connections from now on.
pub(super) fn start(
    listener: TcpListener,
    certificates: Arc<Certificates>,
    answer: impl Fn(&Request) -> Answer + Send + Sync + 'static,
) -> io::Result<()> {
    let answer: Arc<dyn Fn(&Request) -> Answer + Send + Sync> = Arc::new(answer);
    let accept = move || {
        let connected: Arc<Connected> = Arc::default();
        loop {
            let Ok((stream, from)) = listener.accept() else {
                // Out of descriptors, perhaps: those in use end within their deadlines.
                std::thread::sleep(Duration::from_millis(100));
                continue;
            };
            let Some(seat) = Seat::take(&connected, from.ip(), SEATS) else { continue };
            let (answer, certificates) = (Arc::clone(&answer), Arc::clone(&certificates));
            let serve = move || {
                let seat = seat;
                be_polite();
                if let Err(error) = serve(stream, from.ip(), &certificates, answer.as_ref()) {
                    // A client that is gone, slow, or does not trust the certificate.
                    log::debug!("direct: {}: {error}", from.ip());
                }
                drop(seat);
            };
            let thread = std::thread::Builder::new().name("direct".into()).stack_size(STACK_BYTES);
            // Without a thread the connection is closed.
            drop(thread.spawn(serve));
        }
    };
    std::thread::Builder::new().name("direct-accept".into()).spawn(accept).map(drop)
}

/// A connection whose reads and writes end with a deadline, however little they bring at a time.
struct Timed {
    stream: TcpStream,
    until: Instant,
}

impl Timed {
    fn left(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        self.stream.read(buffer)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

type Secured = StreamOwned<ServerConnection, Timed>;

fn serve(
    stream: TcpStream,
    from: IpAddr,
    certificates: &Certificates,
    answer: &(dyn Fn(&Request) -> Answer + Send + Sync),
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let until = Instant::now() + REQUEST_WITHIN;
    let connection = ServerConnection::new(certificates.config()).map_err(io::Error::other)?;
    let mut secured = StreamOwned::new(connection, Timed { stream, until });
    let Some(request) = request::read(&mut secured, from, until)? else { return Ok(()) };
    let is_head = request.as_ref().is_ok_and(|request| request.method == Method::Head);
    let answer = match request {
        Ok(request) => catch_unwind(AssertUnwindSafe(|| answer(&request)))
            .unwrap_or_else(|_| Answer::of_error(BadRequest(500))),
        Err(bad) => Answer::of_error(bad),
    };
    write(&mut secured, answer, is_head)?;
    secured.conn.send_close_notify();
    secured.flush()?;
    secured.sock.stream.shutdown(Shutdown::Write)
}

fn write(secured: &mut Secured, answer: Answer, is_head: bool) -> io::Result<()> {
    let ends = Instant::now() + LONGEST;
    let head = head(&answer);
    send(secured, head.as_bytes(), ends)?;
    match answer.body {
        _ if is_head => Ok(()),
        Body::Bytes(bytes) => send(secured, &bytes, ends),
        Body::Stream(mut stream, _) => pour(&mut stream, |piece| send(secured, piece, ends)),
        Body::Uncounted(mut stream) => {
            pour(&mut stream, |piece| {
                send(secured, format!("{:x}\r\n", piece.len()).as_bytes(), ends)?;
                send(secured, piece, ends)?;
                send(secured, b"\r\n", ends)
            })?;
            send(secured, b"0\r\n\r\n", ends)
        }
    }
}

fn pour(stream: &mut Stream, mut send: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut piece = Vec::new();
    loop {
        piece.clear();
        let has_more = stream.next(&mut piece)?;
        if !piece.is_empty() {
            send(&piece)?;
        }
        if !has_more {
            return Ok(());
        }
    }
}

/// Sends all of it, as long as some of it is taken now and then, and not beyond `ends`.
fn send(secured: &mut Secured, mut rest: &[u8], ends: Instant) -> io::Result<()> {
    while !rest.is_empty() {
        secured.sock.until = ends.min(Instant::now() + STALL);
        let written = secured.write(rest)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        rest = &rest[written..];
    }
    secured.sock.until = ends.min(Instant::now() + STALL);
    secured.flush()
}

fn head(answer: &Answer) -> String {
    let Answer { status, content_type, headers, body } = answer;
    let length = match body {
        Body::Bytes(bytes) => format!("Content-Length: {}", bytes.len()),
        Body::Stream(_, length) => format!("Content-Length: {length}"),
        Body::Uncounted(_) => "Transfer-Encoding: chunked".to_owned(),
    };
    let mut head = format!(
        "HTTP/1.1 {status} {}\r\nContent-Type: {content_type}\r\n{length}\r\nConnection: close\r\n\
         Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\
         Referrer-Policy: no-referrer\r\nCross-Origin-Opener-Policy: same-origin\r\n\
         Cross-Origin-Resource-Policy: same-origin\r\nContent-Security-Policy: {POLICY}\r\n",
        reason(*status)
    );
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head + "\r\n"
}

const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        206 => "Partial Content",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        413 => "Content Too Large",
        416 => "Range Not Satisfiable",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Bad Request",
    }
}
