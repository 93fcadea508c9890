//! Clients that do anything at any moment: afterwards nothing is held for them, and everybody else
//! is served.

mod front_support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use front_support::{Service, start_with};
use ringside_cloud::front::{Limits, Wakes};
use ringside_cloud::server::{Request, Response, Woken};

const CLIENTS: u64 = 6;
const ROUNDS: usize = 150;

/// xorshift64: the same moves in each run.
struct Moves(u64);

impl Moves {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % most as u64).unwrap()
    }
}

fn handler(wakes: &Wakes, request: &mut Request) -> Response {
    match request.path.as_str() {
        "/park"
            if request.waited < Duration::from_millis(5)
                && request.woken != Some(Woken::Superseded) =>
        {
            let generation = wakes.generation("key");
            let park = Response::parked("key".to_owned(), generation, Duration::from_millis(5));
            park.within_share("us".to_owned(), 1)
        }
        "/none" => Response::new(204),
        "/stream" => {
            let body = std::io::repeat(b'x');
            let body = std::io::Read::take(body, 300_000);
            Response::stream(200, "text/plain", Box::new(body))
        }
        "/large" => Response::bytes(200, "text/plain", vec![b'x'; 200_000]),
        _ => Response::bytes(200, "text/plain", request.body.clone()),
    }
}

fn misbehave(service: &Service, moves: &mut Moves) {
    const PATHS: [&str; 5] = ["/park", "/none", "/stream", "/large", "/"];
    const TAILS: [&str; 5] =
        ["", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "\n", "X"];
    const BODIES: [&str; 4] = ["", "hello", "5\r\nhello\r\n0\r\n\r\n", "zz\r\n"];
    let mut client = service.connect();
    for _ in 0..=moves.below(4) {
        let (path, tail, body) =
            (PATHS[moves.below(5)], TAILS[moves.below(5)], BODIES[moves.below(4)]);
        let text = format!("POST {path} HTTP/1.1\r\nHost: x\r\n{tail}\r\n{body}");
        let (first, second) = text.split_at(moves.below(text.len()));
        if client.try_send(first).and_then(|()| client.try_send(second)).is_err() {
            return;
        }
        if moves.below(2) == 0 && client.read_some(&mut [0; 4096]).is_err() {
            return;
        }
    }
}

#[test]
fn nothing_is_left_of_clients_that_do_anything_at_any_moment() {
    let wakes = Wakes::new();
    let theirs = wakes.clone();
    let limits = Limits {
        // A request that is never finished is cut soon, so that nobody waits for its answer.
        head: Duration::from_millis(50),
        body: Duration::from_millis(50),
        linger: Duration::from_millis(50),
        queue_per_address: 2,
        ..Limits::sensors()
    };
    let service =
        start_with(limits, 2, wakes, move |request: &mut Request| handler(&theirs, request));
    let has_ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let waker = scope.spawn(|| {
            while !has_ended.load(Ordering::SeqCst) {
                service.front.wake("key");
                std::thread::sleep(Duration::from_micros(300));
            }
        });
        let clients: Vec<_> = (1..=CLIENTS)
            .map(|seed| {
                let service = &service;
                scope.spawn(move || {
                    let mut moves = Moves(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
                    for _ in 0..ROUNDS {
                        misbehave(service, &mut moves);
                    }
                })
            })
            .collect();
        let all: Vec<_> = clients.into_iter().map(|client| client.join()).collect();
        has_ended.store(true, Ordering::SeqCst);
        waker.join().unwrap();
        assert!(all.iter().all(Result::is_ok));
    });
    service.wait("nothing is left", |stats| {
        stats.connections + stats.parked + stats.queued + stats.running + stats.buffered_bytes == 0
    });
    let stats = service.front.stats();
    assert!(stats.accepted >= CLIENTS * ROUNDS as u64 && stats.woken > 0);
    assert!(stats.superseded > 0);
    assert!(service.front.is_running());
    assert_eq!(service.connect().post("/", b"hello").body, b"hello");
}
