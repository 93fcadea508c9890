//! Stand-ins for a mail server, a webhook and a syslog receiver, on ports of 127.0.0.1.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use serde_json::{Value, json};

/// A receiver that says nothing for so long has nothing to say.
const WAIT: Duration = Duration::from_secs(10);

/// A mail server that takes every mail, or refuses every recipient.
pub(super) struct Smtp {
    port: u16,
    mails: Receiver<String>,
}

impl Smtp {
    pub(super) fn start() -> Self {
        Self::refusing("")
    }

    pub(super) fn refusing(answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (sender, mails) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that goes away ends its own conversation only.
                let _ = converse(stream, answer, &sender);
            }
        });
        Self { port, mails }
    }

    pub(super) fn server(&self) -> Value {
        json!({
            "host": "127.0.0.1",
            "port": self.port,
            "security": "none",
            "from": "ringside@example.net",
        })
    }

    /// The next mail, with its head.
    pub(super) fn mail(&self) -> String {
        self.mails.recv_timeout(WAIT).expect("a mail")
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.mails.try_recv().is_err()
    }
}

/// RFC 5321, as far as it goes.
fn converse(mut stream: TcpStream, refusal: &str, mails: &Sender<String>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?);
    let mut say = |text: &str| stream.write_all(format!("{text}\r\n").as_bytes());
    say("220 mail.test ESMTP")?;
    let mut line = String::new();
    while lines.read_line(&mut line)? > 0 {
        match line.get(..4).unwrap_or_default().to_ascii_uppercase().as_str() {
            "EHLO" => say("250-mail.test\r\n250 8BITMIME")?,
            "RCPT" if !refusal.is_empty() => say(refusal)?,
            "QUIT" => return say("221 bye"),
            "DATA" => {
                say("354 go on")?;
                let mut mail = String::new();
                while !mail.ends_with("\r\n.\r\n") {
                    if lines.read_line(&mut mail)? == 0 {
                        return Ok(());
                    }
                }
                // Quoted-printable lines are joined, for tests to read.
                let mail = mail.replace("=\r\n", "").replace("=3D", "=");
                let _ = mails.send(mail);
                say("250 2.0.0 queued")?;
            }
            _ => say("250 ok")?,
        }
        line.clear();
    }
    Ok(())
}

/// What was posted to a hook.
pub(super) struct Post {
    headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Post {
    pub(super) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(there, _)| there.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str()).expect("the header")
    }
}

/// A webhook that answers with a status of the test's choice.
pub(super) struct Hook {
    port: u16,
    status: Arc<AtomicU16>,
    posts: Receiver<Post>,
}

impl Hook {
    pub(super) fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (sender, posts) = channel();
        let status = Arc::new(AtomicU16::new(status));
        let answer = Arc::clone(&status);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that goes away ends its own request only.
                let _ = serve(stream, answer.load(Ordering::SeqCst), &sender);
            }
        });
        Self { port, status, posts }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    pub(super) fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    pub(super) fn post(&self) -> Post {
        self.posts.recv_timeout(WAIT).expect("a post")
    }

    pub(super) fn all(&self) -> Vec<Post> {
        self.posts.try_iter().collect()
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.posts.try_recv().is_err()
    }
}

fn serve(mut stream: TcpStream, status: u16, posts: &Sender<Post>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    lines.read_line(&mut line)?;
    let (mut headers, mut length) = (Vec::new(), 0);
    loop {
        line.clear();
        lines.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().unwrap_or(0);
        }
        headers.push((name.to_owned(), value.to_owned()));
    }
    let mut body = vec![0; length];
    lines.read_exact(&mut body)?;
    let body = String::from_utf8(body).unwrap_or_default();
    let _ = posts.send(Post { headers, body });
    let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes())
}

/// A syslog receiver over UDP.
pub(super) struct Syslog(UdpSocket);

impl Syslog {
    pub(super) fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        Self(socket)
    }

    pub(super) fn port(&self) -> u16 {
        self.0.local_addr().expect("an address").port()
    }

    pub(super) fn line(&self) -> String {
        self.0.set_nonblocking(false).expect("set");
        self.0.set_read_timeout(Some(WAIT)).expect("a timeout");
        let mut bytes = [0; 4096];
        let length = self.0.recv(&mut bytes).expect("a line");
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.0.set_nonblocking(true).expect("set");
        self.0.recv(&mut [0; 16]).is_err()
    }
}
