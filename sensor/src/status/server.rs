//! Connections to the page: one request each, within a deadline, so that slow or many clients cost a
//! bounded number of small threads and shut out only themselves.

use core::time::Duration;
use std::io::{self, Write};
use std::net::{IpAddr, Shutdown, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use crate::http::request::{self, BadRequest, Method, Request};
use crate::http::seat::{Connected, Seat, Seats};

/// Connections at once; more are closed at once.
pub(super) const MAX_CONNECTIONS: usize = 32;

/// Connections at once from one address.
pub(super) const MAX_FROM_ONE_ADDRESS: usize = 8;

/// From the connection's begin to the request's end.
pub(super) const REQUEST_WITHIN: Duration = Duration::from_secs(5);

/// For the answer to be taken.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

const STACK_BYTES: usize = 256 << 10;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    /// A name under which it is kept, for a download.
    pub(super) file_name: Option<&'static str>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn html(status: u16, body: String) -> Self {
        let content_type = "text/html; charset=utf-8";
        Self { status, content_type, file_name: None, body: body.into_bytes() }
    }

    fn of_error(BadRequest(status): BadRequest) -> Self {
        let body = format!("{}\n", reason(status)).into_bytes();
        Self { status, content_type: "text/plain", file_name: None, body }
    }
}

const SEATS: Seats = Seats { all: MAX_CONNECTIONS, of_one: MAX_FROM_ONE_ADDRESS };

/// Accepts connections from now on.
pub(super) fn start(
    listener: TcpListener,
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
            let answer = Arc::clone(&answer);
            let serve = move || {
                let seat = seat;
                // A client that is gone or slow is nobody's fault.
                drop(serve(stream, from.ip(), answer.as_ref()));
                drop(seat);
            };
            // Without a thread the connection is closed.
            drop(
                std::thread::Builder::new()
                    .name("status".into())
                    .stack_size(STACK_BYTES)
                    .spawn(serve),
            );
        }
    };
    std::thread::Builder::new().name("status-accept".into()).spawn(accept).map(drop)
}

fn serve(
    mut stream: TcpStream,
    from: IpAddr,
    answer: &(dyn Fn(&Request) -> Answer + Send + Sync),
) -> io::Result<()> {
    stream.set_read_timeout(Some(REQUEST_WITHIN))?;
    let deadline = Instant::now() + REQUEST_WITHIN;
    let Some(request) = request::read(&mut stream, from, deadline)? else { return Ok(()) };
    let is_head = request.as_ref().is_ok_and(|request| request.method == Method::Head);
    let answer = match request {
        Ok(request) => catch_unwind(AssertUnwindSafe(|| answer(&request)))
            .unwrap_or_else(|_| Answer::of_error(BadRequest(500))),
        Err(bad) => Answer::of_error(bad),
    };
    write(&mut stream, &answer, is_head)?;
    stream.shutdown(Shutdown::Write)
}

fn write(stream: &mut TcpStream, answer: &Answer, is_head: bool) -> io::Result<()> {
    let Answer { status, content_type, file_name, body } = answer;
    let mut head = format!(
        "HTTP/1.1 {status} {}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\
         Connection: close\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\
         Referrer-Policy: no-referrer\r\nContent-Security-Policy: default-src 'none'; \
         style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'\r\n",
        reason(*status),
        body.len()
    );
    if let Some(name) = file_name {
        head += &format!("Content-Disposition: attachment; filename=\"{name}\"\r\n");
    }
    head += "\r\n";
    let mut bytes = head.into_bytes();
    if !is_head {
        bytes.extend_from_slice(body);
    }
    let deadline = Instant::now() + ANSWER_WITHIN;
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_write_timeout(Some(left))?;
        let written = stream.write(rest)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        rest = &rest[written..];
    }
    Ok(())
}

const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        411 => "Length Required",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        _ => "Bad Request",
    }
}
