//! The body of one request as the answer to another, between two listeners: bounded, and broken off
//! for both when either leaves.

mod front_support;

use std::time::Duration;

use front_support::*;
use ringside_cloud::front::{ARRIVED_BYTES, Limits, PIPE_BYTES, PipeState, Pipes, Wakes};
use ringside_cloud::server::Response;

const KEY: &str = "aa";

/// A front that takes bodies, and one whose answers they are.
struct Pair {
    pours: Service,
    draws: Service,
    pipes: Pipes,
}

impl Pair {
    fn new(limits: impl Fn(Limits) -> Limits) -> Self {
        let pipes = Pipes::default();
        let listen = || "127.0.0.1:0".parse().unwrap();
        let ends = || (Wakes::new(), pipes.clone());
        let pours =
            start_piped(
                &[],
                listen(),
                limits(Limits::sensors()),
                1,
                ends(),
                |request| match request.path.as_str() {
                    "/uplink/transfer/no" => Response::text(404, "nobody waits for it"),
                    path if path.starts_with("/uplink/transfer/") => {
                        assert!(request.body.is_empty());
                        Response::poured(KEY.to_owned())
                    }
                    _ => echo(request),
                },
            );
        let draws = start_piped(&[], listen(), limits(Limits::people()), 1, ends(), |_| {
            Response::drawn(200, "application/octet-stream", KEY.to_owned())
        });
        pipes.open(KEY);
        Self { pours, draws, pipes }
    }

    fn state(&self) -> PipeState {
        self.pipes.state(KEY).unwrap()
    }

    fn pourer(&self) -> Client {
        let mut client = self.pours.connect();
        client.send(HEAD);
        client
    }
}

const HEAD: &str =
    "POST /uplink/transfer/aa HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

fn noise(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| u8::try_from(at * 31 % 251).unwrap()).collect()
}

#[test]
fn what_one_sends_the_other_gets_and_the_first_is_told_when_all_is_there() {
    let pair = Pair::new(|limits| limits);
    let bytes = noise(700_000);
    let mut pourer = pair.pourer();
    let sending = {
        let bytes = bytes.clone();
        std::thread::spawn(move || {
            for part in bytes.chunks(9000) {
                pourer.send(chunk(part));
            }
            pourer.send("0\r\n\r\n");
            let answer = pourer.answer();
            // The connection is good for another request.
            let next = pourer.post("/other", b"x");
            (answer.status, next.status)
        })
    };
    let answer = pair.draws.connect().get("/");
    assert_eq!((answer.status, answer.body.len()), (200, bytes.len()));
    assert!(answer.body == bytes);
    assert_eq!(sending.join().unwrap(), (204, 200));
    let state = pair.state();
    assert_eq!((state.ended, state.drawn), (Some(true), bytes.len() as u64));
    assert!(state.most_held <= PIPE_BYTES);
}

#[test]
fn nobody_is_told_that_it_is_there_before_it_is_drawn() {
    let pair = Pair::new(|limits| limits);
    let mut pourer = pair.pourer();
    pourer.send([chunk(b"abc"), b"0\r\n\r\n".to_vec()].concat());
    wait("everything to be poured", || pair.state().held == 3);
    assert_eq!(pair.state().ended, None);
    assert_eq!(pair.draws.connect().get("/").body, b"abc");
    assert_eq!(pourer.answer().status, 204);
}

#[test]
fn a_slow_reader_stops_the_sender_at_the_bound_and_gets_everything() {
    let pair = Pair::new(|limits| limits);
    let mut reader = pair.draws.connect();
    reader.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    let bytes = noise(40 << 20);
    let mut pourer = pair.pourer();
    let sending = {
        let bytes = bytes.clone();
        std::thread::spawn(move || {
            for part in bytes.chunks(64 << 10) {
                pourer.send(chunk(part));
            }
            pourer.send("0\r\n\r\n");
            pourer.answer().status
        })
    };
    // Systems' buffers are full when nothing moves.
    let mut last = PipeState::default();
    wait("the sender to stand still", || {
        std::thread::sleep(Duration::from_millis(100));
        let now = pair.state();
        core::mem::replace(&mut last, now) == now && now.held > PIPE_BYTES / 2
    });
    assert!(last.drawn < bytes.len() as u64 / 2 && last.most_held <= PIPE_BYTES);
    assert!(pair.pours.front.stats().buffered_bytes <= ARRIVED_BYTES as u64);
    let answer = reader.answer();
    assert!(answer.body == bytes);
    assert_eq!(sending.join().unwrap(), 204);
}

#[test]
fn a_reader_that_leaves_ends_the_sender() {
    let pair = Pair::new(|limits| limits);
    let mut pourer = pair.pourer();
    pourer.send(chunk(b"abc"));
    let mut reader = pair.draws.connect();
    reader.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    wait("the first bytes to be drawn", || pair.state().drawn == 3);
    drop(reader);
    assert_eq!(pourer.answer().status, 410);
    assert_eq!(pair.state().ended, Some(false));
}

#[test]
fn a_sender_that_leaves_gives_the_reader_no_end() {
    let pair = Pair::new(|limits| limits);
    let mut pourer = pair.pourer();
    pourer.send(chunk(b"abc"));
    let mut reader = pair.draws.connect();
    reader.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    wait("the first bytes to be drawn", || pair.state().drawn == 3);
    drop(pourer);
    assert!(reader.try_answer(false).is_err(), "it must not look whole");
}

#[test]
fn a_sender_that_says_nothing_or_has_no_reader_is_not_kept() {
    let limits = |limits| Limits { stall: Duration::from_millis(300), ..limits };
    let pair = Pair::new(limits);
    // Nobody draws.
    let mut pourer = pair.pourer();
    pourer.send([chunk(b"abc"), b"0\r\n\r\n".to_vec()].concat());
    assert_eq!(pourer.answer().status, 408);
    // Somebody draws, and nothing comes.
    pair.pipes.open(KEY);
    let mut reader = pair.draws.connect();
    reader.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut pourer = pair.pourer();
    assert_eq!(pourer.answer().status, 408);
    assert!(reader.try_answer(false).is_err());
}

#[test]
fn a_body_that_is_no_chunks_ends_both() {
    let pair = Pair::new(|limits| limits);
    let mut reader = pair.draws.connect();
    reader.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut pourer = pair.pourer();
    pourer.send("xyz\r\n");
    assert_eq!(pourer.answer().status, 400);
    assert!(reader.try_answer(false).is_err());
}

#[test]
fn one_end_is_for_one_client_and_a_refusal_needs_no_body() {
    let pair = Pair::new(|limits| limits);
    let mut first = pair.pourer();
    first.send(chunk(b"a"));
    wait("the first to come", || pair.state().held == 1);
    assert_eq!(pair.pourer().answer().status, 410, "there is one pourer already");
    let mut refused = pair.pours.connect();
    refused.send(HEAD.replace("/aa", "/no"));
    let answer = refused.answer();
    assert_eq!((answer.status, answer.header("connection")), (404, Some("close")));
    // Without chunks it is a request as any other.
    assert_eq!(pair.pours.connect().post("/uplink/transfer/no", b"x").status, 404);
}

#[test]
fn a_pour_without_chunks_lets_the_reader_go() {
    let pair = Pair::new(|limits| limits);
    let mut reader = pair.draws.connect();
    reader.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    wait("the reader", || pair.state().is_drawn);
    assert_eq!(pair.pours.connect().post("/uplink/transfer/aa", b"").status, 410);
    assert!(reader.try_answer(false).is_err());
    assert_eq!(pair.state().ended, Some(false));
}
