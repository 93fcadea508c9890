//! The cloud's side of the protocol, as small as it can be.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use data_encoding::HEXLOWER;
use ring::signature::{ED25519, UnparsedPublicKey};
use ringside_protocol::PROTOCOL_VERSION;
use ringside_protocol::cdr::Boot;
use ringside_protocol::claim::{Claim, ClaimAnswer};
use ringside_protocol::envelope::{Message, open, seal};
use ringside_protocol::message::*;
use ringside_protocol::step::Failure;
use ringside_protocol::time::UnixMicros;
use ringside_protocol::token::Token;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::pki::{Pki, VALID};
use super::{NAME, SOON};

/// What goes wrong with one request.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// The connection is cut before the request is looked at.
    CutBefore,
    /// The request takes effect, and the connection is cut before the answer.
    CutAfter,
    /// This answer, byte for byte after the status line.
    Http(u16, &'static str, Vec<u8>),
    /// These bytes in an answer's place.
    Raw(Vec<u8>),
    /// This refusal, once.
    Refuse(Failure, u16),
    /// The answer comes this much later.
    Delay(Duration),
}

/// What a token is worth.
#[derive(Clone, Debug)]
pub(crate) enum TokenState {
    Fresh,
    UsedBy([u8; 32]),
    Expired(UnixMicros),
}

pub(crate) struct State {
    pub(crate) known: HashSet<[u8; 32]>,
    pub(crate) revoked: HashSet<[u8; 32]>,
    pub(crate) tokens: HashMap<[u8; 16], TokenState>,
    pub(crate) sessions: HashMap<[u8; 32], Boot>,
    /// The primary key, and how often it was delivered with which bytes.
    pub(crate) rows: BTreeMap<(Boot, u64), Vec<Vec<u8>>>,
    pub(crate) faults: HashMap<&'static str, VecDeque<Fault>>,
    /// Records that make a batch unreadable.
    pub(crate) unreadable: HashSet<u64>,
    /// Records that are refused one by one.
    pub(crate) implausible: HashSet<u64>,
    /// Refusals that stay.
    pub(crate) refuse: HashMap<&'static str, (Failure, u16)>,
    pub(crate) clock_ahead_micros: i64,
    pub(crate) version: u8,
    pub(crate) heartbeat_seconds: u16,
    pub(crate) lease: Lease,
    pub(crate) commands: Vec<(u64, Command)>,
    /// A poll is answered at once, also when there is nothing to say.
    pub(crate) polls_do_not_wait: bool,
    pub(crate) hellos: Vec<Hello>,
    pub(crate) heartbeats: Vec<Heartbeat>,
    pub(crate) requests: Vec<String>,
    pub(crate) connections: usize,
    next_session: u8,
}

pub(crate) struct TestCloud {
    pub(crate) pki: Pki,
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    stopping: AtomicBool,
}

impl TestCloud {
    pub(crate) fn new() -> Self {
        let pki = Pki::new();
        let tls = pki.server(NAME, VALID);
        Self::with_tls(pki, tls)
    }

    pub(crate) fn with_tls(pki: Pki, tls: Arc<ServerConfig>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = listener.local_addr().expect("address").port();
        let state = State {
            known: HashSet::new(),
            revoked: HashSet::new(),
            tokens: HashMap::new(),
            sessions: HashMap::new(),
            rows: BTreeMap::new(),
            faults: HashMap::new(),
            unreadable: HashSet::new(),
            implausible: HashSet::new(),
            refuse: HashMap::new(),
            clock_ahead_micros: 0,
            version: PROTOCOL_VERSION,
            heartbeat_seconds: 30,
            lease: Lease { serial: 1, channels: 100 },
            commands: Vec::new(),
            polls_do_not_wait: false,
            hellos: Vec::new(),
            heartbeats: Vec::new(),
            requests: Vec::new(),
            connections: 0,
            next_session: 0,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
            stopping: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || accept(&listener, &tls, &accepting));
        Self { pki, port, shared }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().expect("state")
    }

    /// Gives out a token.
    pub(crate) fn token(&self) -> Token {
        let mut state = self.state();
        let mut secret = [7; 16];
        secret[0] = u8::try_from(state.tokens.len()).expect("few tokens");
        state.tokens.insert(secret, TokenState::Fresh);
        super::token(&self.pki, self.port, secret)
    }

    pub(crate) fn fault(&self, path: &'static str, fault: Fault) {
        self.state().faults.entry(path).or_default().push_back(fault);
    }

    /// Gives the poll something to answer with.
    pub(crate) fn command(&self, serial: u64, command: Command) {
        self.state().commands.push((serial, command));
        self.shared.changed.notify_all();
    }

    /// Ends every session, as a restart does.
    pub(crate) fn forget_sessions(&self) {
        self.state().sessions.clear();
        self.shared.changed.notify_all();
    }

    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.state().rows.keys().map(|(_, number)| *number).collect()
    }
}

impl Drop for TestCloud {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.shared.changed.notify_all();
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

fn accept(listener: &TcpListener, tls: &Arc<ServerConfig>, shared: &Arc<Shared>) {
    for socket in listener.incoming() {
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        let Ok(socket) = socket else { continue };
        let (tls, shared) = (Arc::clone(tls), Arc::clone(shared));
        std::thread::spawn(move || {
            // A sensor that goes away is no fault of the cloud's.
            _ = serve(socket, tls, &shared);
        });
    }
}

fn serve(socket: TcpStream, tls: Arc<ServerConfig>, shared: &Shared) -> io::Result<()> {
    socket.set_read_timeout(Some(SOON))?;
    let connection = ServerConnection::new(tls).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(connection, socket);
    let mut is_counted = false;
    while let Some((path, session, body)) = read_request(&mut stream)? {
        let mut state = shared.state.lock().expect("state");
        state.requests.push(path.clone());
        state.connections += usize::from(!is_counted);
        is_counted = true;
        let fault = state.faults.get_mut(path.as_str()).and_then(VecDeque::pop_front);
        if matches!(fault, Some(Fault::CutBefore)) {
            return Ok(());
        }
        let answer = match &fault {
            Some(Fault::Refuse(failure, retry)) => refuse(failure.clone(), *retry),
            _ => match state.refuse.get(path.as_str()).cloned() {
                Some((failure, retry)) => refuse(failure, retry),
                None => shared.answer(state, &path, session, &body),
            },
        };
        match fault {
            Some(Fault::CutAfter) => return Ok(()),
            Some(Fault::Http(status, kind, body)) => respond(&mut stream, status, kind, &body)?,
            Some(Fault::Raw(bytes)) => return stream.write_all(&bytes),
            Some(Fault::Delay(delay)) => {
                std::thread::sleep(delay);
                respond(&mut stream, 200, "application/octet-stream", &answer)?;
            }
            _ => respond(&mut stream, 200, "application/octet-stream", &answer)?,
        }
    }
    Ok(())
}

type Stream = StreamOwned<ServerConnection, TcpStream>;

/// Path, session, body.
type Request = (String, Option<[u8; 32]>, Vec<u8>);

fn read_request(stream: &mut Stream) -> io::Result<Option<Request>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte)? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).map_err(io::Error::other)?;
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let header = |name: &str| {
        head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let length = header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let session = header("authorization")
        .and_then(|text| HEXLOWER.decode(text.strip_prefix("Bearer ")?.as_bytes()).ok())
        .and_then(|bytes| bytes.try_into().ok());
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(Some((path, session, body)))
}

fn respond(stream: &mut Stream, status: u16, kind: &str, body: &[u8]) -> io::Result<()> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\nretry-after: 300\r\n\
         content-length: {length}\r\n\r\n"
    );
    stream.write_all(&[head.as_bytes(), body].concat())?;
    stream.flush()
}

fn sealed<M: Message>(message: &M) -> Vec<u8> {
    seal(message).expect("a message")
}

fn refuse(failure: Failure, retry_after_seconds: u16) -> Vec<u8> {
    sealed(&Refused { failure, retry_after_seconds })
}

fn read<M: Message>(body: &[u8]) -> M {
    open(body).expect("the sensor sends what it should")
}

fn prove(prove: &Prove) {
    let message = proof_message(&prove.nonce, prove.hello.boot);
    UnparsedPublicKey::new(&ED25519, prove.hello.device_key)
        .verify(&message, &prove.signature)
        .expect("the sensor proves its key");
}

impl State {
    fn now(&self) -> UnixMicros {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a time");
        let now = u64::try_from(now.as_micros()).expect("a time");
        UnixMicros(now.saturating_add_signed(self.clock_ahead_micros))
    }

    fn hello(&mut self, hello: Hello) -> Vec<u8> {
        let challenge = Challenge {
            nonce: [9; 32],
            cloud_time: self.now(),
            version: self.version,
            enrolled: self.known.contains(&hello.device_key),
        };
        self.hellos.push(hello);
        sealed(&challenge)
    }

    fn enrol(&mut self, enrol: &Enrol) -> Vec<u8> {
        prove(&enrol.prove);
        let device = enrol.prove.hello.device_key;
        match self.tokens.get(&enrol.secret) {
            None => return refuse(Failure::TokenUnknown, 0),
            Some(TokenState::UsedBy(other)) if *other != device => {
                return refuse(Failure::TokenUsed, 0);
            }
            Some(TokenState::Expired(at)) => return refuse(Failure::TokenExpired { at: *at }, 0),
            _ => {}
        }
        self.tokens.insert(enrol.secret, TokenState::UsedBy(device));
        self.known.insert(device);
        sealed(&Enrolled { customer: "Example".to_owned() })
    }

    fn session(&mut self, proof: &Prove) -> Vec<u8> {
        prove(proof);
        if self.revoked.contains(&proof.hello.device_key) {
            return refuse(Failure::Revoked, 0);
        }
        if !self.known.contains(&proof.hello.device_key) {
            return refuse(Failure::NotEnrolled, 0);
        }
        self.next_session += 1;
        let session = [self.next_session; 32];
        self.sessions.insert(session, proof.hello.boot);
        sealed(&Accepted {
            session,
            customer: "Example".to_owned(),
            id_sensor: proof.hello.id_sensor.unwrap_or(1),
            lease: self.lease,
            heartbeat_seconds: self.heartbeat_seconds,
            cloud_time: self.now(),
            ticket_keys: Vec::new(),
        })
    }

    fn batch(&mut self, batch: Batch) -> Vec<u8> {
        if batch.records.iter().any(|record| self.unreadable.contains(&record.number())) {
            return refuse(Failure::MessageRefused { detail: "it is damaged".to_owned() }, 0);
        }
        let mut answer = BatchAck { stored: 0, known: 0, expired: 0, refused: 0 };
        for record in batch.records {
            if self.implausible.contains(&record.number()) {
                answer.refused += 1;
                continue;
            }
            let bytes = postcard::to_stdvec(&record).expect("a record");
            let row = self.rows.entry((batch.boot, record.number())).or_default();
            if row.is_empty() {
                answer.stored += 1
            } else {
                answer.known += 1
            }
            row.push(bytes);
        }
        sealed(&answer)
    }

    fn heartbeat(&mut self, heartbeat: Heartbeat) -> Vec<u8> {
        self.heartbeats.push(heartbeat);
        sealed(&HeartbeatAnswer { lease: self.lease, cloud_time: self.now() })
    }
}

impl Shared {
    fn answer(
        &self,
        mut state: MutexGuard<'_, State>,
        path: &str,
        session: Option<[u8; 32]>,
        body: &[u8],
    ) -> Vec<u8> {
        match path {
            "/uplink/hello" => return state.hello(read(body)),
            "/uplink/enrol" => return state.enrol(&read(body)),
            "/uplink/session" => return state.session(&read(body)),
            // Nobody comes to accept it.
            "/uplink/claim" => {
                let claim: Claim = read(body);
                let wait = Duration::from_secs(u64::from(claim.wait_seconds));
                let goes_on = |_: &mut State| !self.stopping.load(Ordering::SeqCst);
                drop(self.changed.wait_timeout_while(state, wait, goes_on).expect("state"));
                return sealed(&ClaimAnswer { customer: None });
            }
            _ => {}
        }
        let is_open = |state: &State| session.is_some_and(|s| state.sessions.contains_key(&s));
        if !is_open(&state) {
            return refuse(Failure::SessionEnded, 0);
        }
        match path {
            "/uplink/cdrs" => state.batch(read(body)),
            "/uplink/heartbeat" => state.heartbeat(read(body)),
            "/uplink/poll" => {
                let poll: Poll = read(body);
                let wait = Duration::from_secs(u64::from(poll.wait_seconds));
                let news = |state: &State| {
                    let is_new = |(serial, _): &&(u64, Command)| *serial > poll.done;
                    state.commands.iter().filter(is_new).cloned().collect::<Vec<_>>()
                };
                let (state, _) = self
                    .changed
                    .wait_timeout_while(state, wait, |state| {
                        news(state).is_empty()
                            && !state.polls_do_not_wait
                            && is_open(state)
                            && !self.stopping.load(Ordering::SeqCst)
                    })
                    .expect("state");
                if !is_open(&state) {
                    return refuse(Failure::SessionEnded, 0);
                }
                sealed(&Commands { commands: news(&state) })
            }
            _ => refuse(Failure::CloudFault { detail: format!("no {path}") }, 0),
        }
    }
}
