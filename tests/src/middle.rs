//! Somebody in the middle: TLS with the cloud's own certificate on one side, the real cloud on the
//! other, and a handler that may change, hold back or invent what passes.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use ringside_protocol::envelope::{Message, open, seal};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use ureq::Agent;

/// One request.
pub struct Request<'a> {
    /// As in `/uplink/hello`.
    pub path: &'a str,
    /// Its body.
    pub body: Vec<u8>,
    authorization: Option<String>,
    upstream: Option<&'a (Agent, String)>,
}

/// What the sensor gets.
pub enum Answer {
    /// Status and body.
    Http(u16, Vec<u8>),
    /// The connection is cut.
    Cut,
}

type Handler = dyn Fn(Request<'_>) -> Answer + Send + Sync;

/// The listener; it ends with the test's process.
pub struct Middle {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
}

impl Request<'_> {
    /// What the cloud answers to the request as it stands now.
    ///
    /// # Panics
    /// Where there is no cloud behind this one.
    #[must_use]
    pub fn forward(self) -> Answer {
        let (agent, base) = self.upstream.expect("there is a cloud behind this one");
        let mut request = agent.post(format!("{base}{}", self.path));
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        let Ok(mut answer) = request.send(&self.body[..]) else { return Answer::Cut };
        match answer.body_mut().read_to_vec() {
            Ok(body) => Answer::Http(answer.status().as_u16(), body),
            Err(_) => Answer::Cut,
        }
    }

    /// Changes the message in it, if it is an `M`.
    pub fn edit<M: Message>(&mut self, change: impl FnOnce(&mut M)) {
        edit(&mut self.body, change);
    }
}

impl Answer {
    /// Changes the message in it, if it is an `M`.
    #[must_use]
    pub fn edited<M: Message>(mut self, change: impl FnOnce(&mut M)) -> Self {
        if let Self::Http(_, body) = &mut self {
            edit(body, change);
        }
        self
    }
}

fn edit<M: Message>(bytes: &mut Vec<u8>, change: impl FnOnce(&mut M)) {
    if let Ok(mut message) = open::<M>(bytes) {
        change(&mut message);
        *bytes = seal(&message).expect("it was sealed before");
    }
}

impl Middle {
    /// Stands before the cloud at `base` (as in `https://127.0.0.1:1`), which `agent` trusts.
    #[must_use]
    pub fn before(
        (agent, base): (Agent, String),
        tls: Arc<ServerConfig>,
        handler: impl Fn(Request<'_>) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::listen(Some((agent, base)), tls, Arc::new(handler))
    }

    /// Stands alone.
    #[must_use]
    pub fn alone(
        tls: Arc<ServerConfig>,
        handler: impl Fn(Request<'_>) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::listen(None, tls, Arc::new(handler))
    }

    fn listen(
        upstream: Option<(Agent, String)>,
        tls: Arc<ServerConfig>,
        handler: Arc<Handler>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it listens").port();
        let upstream = Arc::new(upstream);
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let (tls, handler) = (Arc::clone(&tls), Arc::clone(&handler));
                let upstream = Arc::clone(&upstream);
                std::thread::spawn(move || {
                    // A sensor that goes away is no fault.
                    drop(converse(socket, tls, (*upstream).as_ref(), &*handler));
                });
            }
        });
        Self { port }
    }
}

/// Answers one connection's requests until it ends.
fn converse(
    socket: TcpStream,
    tls: Arc<ServerConfig>,
    upstream: Option<&(Agent, String)>,
    handler: &Handler,
) -> io::Result<()> {
    let connection = ServerConnection::new(tls).map_err(io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(connection, socket));
    loop {
        let mut first = String::new();
        stream.read_line(&mut first)?;
        let Some(path) = first.split(' ').nth(1) else { return Ok(()) };
        let (mut length, mut authorization) = (0, None);
        loop {
            let mut line = String::new();
            stream.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().map_err(io::Error::other)?,
                "authorization" => authorization = Some(value.to_owned()),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        let Answer::Http(status, body) = handler(Request { path, body, authorization, upstream })
        else {
            return Ok(());
        };
        let out = stream.get_mut();
        write!(out, "HTTP/1.1 {status} Whatever\r\nContent-Length: {}\r\n\r\n", body.len())?;
        out.write_all(&body)?;
        out.flush()?;
    }
}
