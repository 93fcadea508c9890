//! Long polls: parked, woken, timed out, forgotten, and never lost.

mod front_support;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use front_support::{PATIENCE, Service, start_with, wait};
use ringside_cloud::front::{FrontHandle, Limits, Refusal, Wakes, raise_fd_limit};
use ringside_cloud::server::{Request, Response, Woken};

const LONG: Duration = Duration::from_secs(50);

/// Numbers by key, and polls that wait for the next one: `/KEY/SEEN`.
#[derive(Default)]
struct Board(Mutex<std::collections::HashMap<String, u64>>);

impl Board {
    fn number(&self, key: &str) -> u64 {
        self.0.lock().unwrap().get(key).copied().unwrap_or(0)
    }

    fn raise(&self, key: &str, front: &FrontHandle) {
        *self.0.lock().unwrap().entry(key.to_owned()).or_insert(0) += 1;
        front.wake(key);
    }
}

fn poll(board: &Board, wakes: &Wakes, request: &Request, park: Duration) -> Response {
    let mut parts = request.path.split('/').skip(1);
    let key = parts.next().unwrap().to_owned();
    let seen: u64 = parts.next().unwrap_or("0").parse().unwrap();
    let generation = wakes.generation(&key);
    let number = board.number(&key);
    if number > seen || matches!(request.woken, Some(Woken::Timeout | Woken::Superseded)) {
        return Response::text(200, &format!("{number} {:?}", request.woken));
    }
    Response::parked(key, generation, park)
}

fn start(limits: Limits, park: Duration) -> (Service, Arc<Board>) {
    let (board, wakes) = (Arc::new(Board::default()), Wakes::new());
    let (theirs, their_wakes) = (Arc::clone(&board), wakes.clone());
    let service = start_with(limits, 2, wakes, move |request: &mut Request| {
        poll(&theirs, &their_wakes, request, park)
    });
    (service, board)
}

#[test]
fn a_parked_request_is_answered_when_its_key_is_woken() {
    let (service, board) = start(Limits::sensors(), LONG);
    let mut client = service.connect();
    client.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    service.wait("it is parked", |stats| stats.parked == 1);
    board.raise("b", &service.front);
    assert_eq!(service.front.stats().parked, 1);
    let start = Instant::now();
    board.raise("a", &service.front);
    assert_eq!(client.answer().text(), "1 Some(Yes)\n");
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(client.get("/a/0").text(), "1 None\n");
    assert_eq!(service.front.stats().parked, 0);
}

#[test]
fn a_body_is_there_again_when_the_request_is() {
    let wakes = Wakes::new();
    let service =
        start_with(Limits::sensors(), 1, wakes, |request: &mut Request| match request.woken {
            None => Response::parked("a".to_owned(), 0, Duration::from_millis(20)),
            Some(_) => {
                assert!(request.waited >= Duration::from_millis(20));
                Response::bytes(200, "a/b", request.body.clone())
            }
        });
    assert_eq!(service.connect().post("/", b"hello").body, b"hello");
}

#[test]
fn a_parked_request_comes_back_when_its_time_is_up() {
    let (service, _) = start(Limits::sensors(), Duration::from_millis(50));
    let (mut client, start_at) = (service.connect(), Instant::now());
    assert_eq!(client.get("/a").text(), "0 Some(Timeout)\n");
    assert!(start_at.elapsed() >= Duration::from_millis(50));
    let limits = Limits { park: Duration::from_millis(50), ..Limits::sensors() };
    let (service, _) = start(limits, Duration::MAX);
    assert_eq!(service.connect().get("/a").text(), "0 Some(Timeout)\n");
}

#[test]
fn a_wake_after_looking_and_before_parking_brings_the_request_back() {
    let wakes = Wakes::new();
    let theirs = wakes.clone();
    let service = start_with(Limits::sensors(), 1, wakes, move |request: &mut Request| {
        let generation = theirs.generation("a");
        if request.woken.is_none() {
            theirs.wake("a");
            return Response::parked("a".to_owned(), generation, LONG);
        }
        Response::text(200, &format!("{:?}", request.woken))
    });
    let mut client = service.connect();
    for _ in 0..100 {
        assert_eq!(client.get("/").text(), "Some(Yes)\n");
    }
}

#[test]
fn wakes_at_any_moment_of_a_poll_are_not_lost() {
    const ROUNDS: u64 = 2000;
    let (service, board) = start(Limits::sensors(), LONG);
    let asked = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..ROUNDS {
                // As soon as the poll is on its way, at a different moment of it each time.
                while asked.load(Ordering::SeqCst) <= round {
                    std::hint::spin_loop();
                }
                for _ in 0..(round % 50) * 40 {
                    std::hint::spin_loop();
                }
                board.raise("a", &service.front);
            }
        });
        let mut client = service.connect();
        for round in 0..ROUNDS {
            client.send(format!("GET /a/{round} HTTP/1.1\r\nHost: x\r\n\r\n"));
            asked.store(round + 1, Ordering::SeqCst);
            let answer = client.answer();
            let number = answer.text().split(' ').next().unwrap().to_owned();
            assert_eq!(number, (round + 1).to_string());
            assert!(!answer.text().contains("Timeout"));
        }
    });
}

#[test]
fn a_client_that_goes_away_is_forgotten() {
    let (service, board) = start(Limits::sensors(), LONG);
    let mut client = service.connect();
    client.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    service.wait("it is parked", |stats| stats.parked == 1);
    drop(client);
    service.wait("it is forgotten", |stats| stats.parked == 0 && stats.connections == 0);
    board.raise("a", &service.front);
    assert_eq!(service.connect().get("/a/0").status, 200);
    assert_eq!(service.front.stats().woken, 0);
}

#[test]
fn parked_requests_are_bounded() {
    let (service, board) = start(Limits { parked: 2, ..Limits::sensors() }, LONG);
    let mut clients: Vec<_> = (0..2).map(|_| service.connect()).collect();
    for client in &mut clients {
        client.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    service.wait("both are parked", |stats| stats.parked == 2);
    let answer = service.connect().get("/b");
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
    assert_eq!(service.front.stats().refused(Refusal::ParkedFull), 1);
    board.raise("a", &service.front);
    for client in &mut clients {
        assert_eq!(client.answer().text(), "1 Some(Yes)\n");
    }
}

#[test]
fn a_newer_request_of_a_full_share_takes_the_place_of_the_oldest() {
    let wakes = Wakes::new();
    let service = start_with(Limits::sensors(), 2, wakes, |request: &mut Request| {
        if let Some(woken) = request.woken {
            return Response::text(200, &format!("{woken:?}"));
        }
        Response::parked(request.path.clone(), 0, LONG).within_share(request.query.clone(), 2)
    });
    let ask = |target: &str| {
        let mut client = service.connect();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"));
        client
    };
    let mut first = ask("/a?ours");
    service.wait("the first is parked", |stats| stats.parked == 1);
    let mut second = ask("/b?ours");
    service.wait("the second is parked", |stats| stats.parked == 2);
    let _others = ask("/a?theirs");
    service.wait("another's is parked", |stats| stats.parked == 3);
    let _third = ask("/c?ours");
    assert_eq!(first.answer().text(), "Superseded\n");
    let _fourth = ask("/c?ours");
    assert_eq!(second.answer().text(), "Superseded\n");
    service.wait("the newest wait", |stats| stats.parked == 3);
    assert_eq!(service.front.stats().superseded, 2);
    service.front.wake("/b");
    service.front.wake("/c");
    service.wait("the places are free again", |stats| stats.parked == 1);
}

#[test]
fn what_follows_a_parked_request_waits_for_its_answer() {
    let (service, board) = start(Limits::sensors(), LONG);
    let mut client = service.connect();
    client.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n");
    service.wait("it is parked", |stats| stats.parked == 1);
    board.raise("b", &service.front);
    board.raise("a", &service.front);
    assert_eq!(client.answer().text(), "1 Some(Yes)\n");
    assert_eq!(client.answer().text(), "1 None\n");
}

#[test]
fn the_end_of_the_service_answers_the_parked_and_finishes_the_running() {
    let (service, board) = start(Limits::sensors(), LONG);
    let mut parked = service.connect();
    parked.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut idle = service.connect();
    board.raise("b", &service.front);
    assert_eq!(idle.get("/b/0").status, 200);
    service.wait("it is parked", |stats| stats.parked == 1);
    let (address, start) = (service.address(), Instant::now());
    service.front.shutdown();
    assert!(start.elapsed() < Limits::sensors().shutdown);
    let answer = parked.answer();
    assert_eq!(answer.text(), "0 Some(Timeout)\n");
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(idle.is_closed());
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn a_running_request_is_finished_before_the_service_ends() {
    let (service, began) = {
        let began = Arc::new(AtomicU64::new(0));
        let theirs = Arc::clone(&began);
        let service = start_with(Limits::sensors(), 1, Wakes::new(), move |_: &mut Request| {
            theirs.store(1, Ordering::SeqCst);
            wait("the test ends the service", || theirs.load(Ordering::SeqCst) == 2);
            Response::text(200, "done")
        });
        (service, began)
    };
    let mut client = service.connect();
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    wait("the handler runs", || began.load(Ordering::SeqCst) == 1);
    std::thread::scope(|scope| {
        scope.spawn(|| service.front.shutdown());
        wait("nobody listens", || std::net::TcpStream::connect(service.address()).is_err());
        began.store(2, Ordering::SeqCst);
        assert_eq!(client.answer().text(), "done\n");
    });
}

/// Anonymous memory of this process in KiB (`RssAnon`).
fn anonymous_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_thousand_parked_sensors_cost_little_memory_and_all_wake() {
    const SENSORS: usize = 1000;
    assert!(raise_fd_limit().unwrap() > 2 * SENSORS as u64 + 100);
    // They all come from one address, and a busy machine lets them gather.
    let limits = Limits { queue_per_address: SENSORS, ..Limits::sensors() };
    let (service, board) = start(limits, Duration::from_secs(50));
    let before = anonymous_kib();
    let mut clients: Vec<_> = (0..SENSORS).map(|_| service.connect()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        let bearer = "0".repeat(64);
        client.send(format!(
            "POST /s{number} HTTP/1.1\r\nHost: cloud.example.net:60023\r\nAccept: */*\r\n\
             Authorization: Bearer {bearer}\r\nUser-Agent: ringside-sensor/0.1.0\r\n\
             Content-Type: application/octet-stream\r\nContent-Length: 8\r\n\r\n12345678"
        ));
    }
    service.wait("all are parked", |stats| stats.parked == SENSORS as u64);
    let grown = anonymous_kib() - before;
    // Both ends are in this process, so this is more than the service needs.
    println!("{SENSORS} parked connections, both ends: {grown} KiB anonymous memory");
    assert!(grown < 100 * 1024, "{grown} KiB");
    let start = Instant::now();
    for number in 0..SENSORS {
        board.raise(&format!("s{number}"), &service.front);
    }
    for client in &mut clients {
        assert_eq!(client.answer().text(), "1 Some(Yes)\n");
    }
    println!("all woken and answered in {:?}", start.elapsed());
    assert!(start.elapsed() < PATIENCE);
}
