//! Every limit of a listener, reached.

mod front_support;

use std::io::{self, Read};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use front_support::{Client, PATIENCE, Service, echo, start, start_on, start_with};
use ringside_cloud::front::{ANSWER_BUFFER_BYTES, HandshakeFailure, Limits, Refusal, Wakes};
use ringside_cloud::server::{Request, Response};

/// Long enough for a client that is quick, short enough for a test.
const SHORT: Duration = Duration::from_millis(400);

/// Handlers that answer when the test says so: one message lets one go.
struct Gate {
    open: Sender<()>,
    wait: Arc<Mutex<Receiver<()>>>,
}

impl Gate {
    fn new() -> Self {
        let (open, wait) = channel();
        Self { open, wait: Arc::new(Mutex::new(wait)) }
    }

    /// A service whose `/slow` waits.
    fn service(&self, limits: Limits, workers: usize) -> Service {
        let wait = Arc::clone(&self.wait);
        start_with(limits, workers, Wakes::new(), move |request: &mut Request| {
            if request.path == "/slow" {
                let _ = wait.lock().unwrap().recv();
            }
            Response::new(204)
        })
    }
}

fn get(client: &mut Client, path: &str) {
    client.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
}

fn assert_refused(service: &Service, client: &mut Client, refusal: Refusal) {
    let answer = client.answer();
    assert_eq!(answer.status, refusal.status(), "{answer:?}");
    assert_eq!(answer.text(), format!("{}\n", refusal.sentence()));
    assert_eq!(answer.header("retry-after").is_some(), refusal.status() == 503);
    assert!(client.is_closed());
    assert_eq!(service.front.stats().refused(refusal), 1, "{refusal:?}");
}

#[test]
fn a_long_request_line_is_414() {
    let service = start(Limits::people(), echo);
    let mut client = service.connect();
    let fits = format!("/{}", "x".repeat(Limits::people().request_line_bytes - 14));
    assert_eq!(client.get(&fits).status, 200);
    client.send(format!("GET {fits}x HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_refused(&service, &mut client, Refusal::RequestLineBytes);
}

#[test]
fn a_large_head_is_431() {
    let service = start(Limits::people(), echo);
    let mut client = service.connect();
    let head =
        |length: usize| format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", "x".repeat(length - 26));
    client.send(head(16 * 1024));
    assert_eq!(client.answer().status, 200);
    client.send(head(16 * 1024 + 1));
    assert_refused(&service, &mut client, Refusal::HeadBytes);
}

#[test]
fn too_many_header_lines_or_connection_options_are_431() {
    let service = start(Limits::people(), echo);
    let mut client = service.connect();
    let head = |more: &str| format!("GET / HTTP/1.1\r\nHost: x\r\n{more}\r\n");
    let lines = |count: usize| head(&"A: b\r\n".repeat(count - 1));
    client.send(lines(Limits::people().header_lines));
    assert_eq!(client.answer().status, 200);
    client.send(lines(Limits::people().header_lines + 1));
    assert_refused(&service, &mut client, Refusal::HeaderLines);

    let mut client = service.connect();
    let options = |count: usize| head(&format!("Connection: a{}\r\n", ",a".repeat(count - 1)));
    client.send(options(Limits::people().connection_options));
    assert_eq!(client.answer().status, 200);
    client.send(options(Limits::people().connection_options + 1));
    assert_refused(&service, &mut client, Refusal::ConnectionOptions);
}

#[test]
fn a_large_body_is_413_whether_its_length_is_told_or_not() {
    for limits in [Limits::people(), Limits::sensors()] {
        let service = start(limits.clone(), |_: &mut Request| Response::new(204));
        let mut client = service.connect();
        let body = vec![b'x'; limits.body_bytes + 1];
        assert_eq!(client.post("/", &body[1..]).status, 204);
        client.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
        client.send(format!("{:x}\r\n", body.len()));
        client.send(&body);
        assert_refused(&service, &mut client, Refusal::BodyBytes);
        let mut client = service.connect();
        client
            .send(format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len()));
        assert_eq!(client.answer().status, 413);
    }
}

#[test]
fn a_head_that_drips_is_cut_at_its_deadline() {
    let service = start(Limits { head: SHORT, ..Limits::people() }, echo);
    let (mut client, start) = (service.connect(), Instant::now());
    let mut sent = 0;
    while start.elapsed() < PATIENCE && service.front.stats().refused(Refusal::HeadTimeout) == 0 {
        let drop = if sent == 0 { "GET / HTTP/1.1\r\nX: " } else { "x" };
        if client.try_send(drop).is_err() {
            break;
        }
        sent += 1;
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(start.elapsed() >= SHORT && sent > 1);
    assert_refused(&service, &mut client, Refusal::HeadTimeout);
}

#[test]
fn a_body_that_stops_is_cut_at_its_deadline() {
    let service = start(Limits { body: SHORT, ..Limits::people() }, echo);
    let mut client = service.connect();
    client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc");
    assert_refused(&service, &mut client, Refusal::BodyTimeout);
}

#[test]
fn a_silent_connection_is_closed() {
    let service = start(Limits { handshake: SHORT, ..Limits::people() }, echo);
    let mut socket = TcpStream::connect(service.address()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(socket.read(&mut [0; 9]).unwrap(), 0);
    assert_eq!(service.front.stats().handshakes_failed(HandshakeFailure::Timeout), 1);

    let service = start(Limits { idle: 2 * SHORT, ..Limits::people() }, echo);
    assert!(service.connect().is_closed());
    let mut client = service.connect();
    assert_eq!(client.get("/").status, 200);
    assert!(client.is_closed());
}

#[test]
fn connections_of_one_address_and_of_all_are_bounded() {
    let limits = Limits { connections_per_address: 3, ..Limits::people() };
    let service = start(limits, echo);
    let mut clients: Vec<_> = (0..3).map(|_| service.connect()).collect();
    assert!(Client::try_connect(service.address(), &service.trust).is_err());
    assert_eq!(service.front.stats().refused(Refusal::ConnectionsPerAddress), 1);
    assert_eq!(clients[0].get("/").status, 200);
    clients.pop();
    service.wait("one has gone", |stats| stats.connections == 2);
    assert_eq!(service.connect().get("/").status, 200);

    let service = start(Limits { connections: 1, ..Limits::people() }, echo);
    let _first = service.connect();
    assert!(Client::try_connect(service.address(), &service.trust).is_err());
    assert_eq!(service.front.stats().refused(Refusal::Connections), 1);
}

#[test]
fn requests_beyond_the_queue_are_503() {
    let gate = Gate::new();
    let service = gate.service(Limits { queue: 2, ..Limits::people() }, 1);
    let mut clients: Vec<_> = (0..3).map(|_| service.connect()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        get(client, "/slow");
        service
            .wait("it runs or waits", |stats| stats.running == 1 && stats.queued == number as u64);
    }
    let mut late = service.connect();
    get(&mut late, "/");
    assert_refused(&service, &mut late, Refusal::QueueFull);
    for client in &mut clients {
        gate.open.send(()).unwrap();
        assert_eq!(client.answer().status, 204);
    }
}

#[test]
fn one_address_has_a_share_of_the_queue() {
    let gate = Gate::new();
    let service = gate.service(Limits { queue_per_address: 1, ..Limits::people() }, 1);
    let mut clients: Vec<_> = (0..2).map(|_| service.connect()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        get(client, "/slow");
        service
            .wait("it runs or waits", |stats| stats.running == 1 && stats.queued == number as u64);
    }
    let mut late = service.connect();
    get(&mut late, "/");
    assert_refused(&service, &mut late, Refusal::QueuePerAddress);
    // One that waits and goes away leaves its place.
    drop(clients.pop());
    service.wait("its place is free", |stats| stats.queued == 0);
    let mut next = service.connect();
    get(&mut next, "/");
    service.wait("it waits", |stats| stats.queued == 1);
    gate.open.send(()).unwrap();
    assert_eq!((clients[0].answer().status, next.answer().status), (204, 204));
    for _ in 0..3 {
        assert_eq!(next.get("/").status, 204);
    }
}

#[test]
fn a_request_that_waits_too_long_for_a_worker_is_503() {
    let gate = Gate::new();
    let service = gate.service(Limits { queue_wait: SHORT, ..Limits::people() }, 1);
    let (mut first, mut second) = (service.connect(), service.connect());
    get(&mut first, "/slow");
    service.wait("the worker is busy", |stats| stats.running == 1);
    get(&mut second, "/");
    assert_refused(&service, &mut second, Refusal::QueueTimeout);
    gate.open.send(()).unwrap();
    assert_eq!(first.answer().status, 204);
}

#[test]
fn a_handler_that_takes_too_long_is_504_and_its_worker_stays_counted() {
    let gate = Gate::new();
    let service = gate.service(Limits { handler: SHORT, ..Limits::people() }, 1);
    let mut client = service.connect();
    get(&mut client, "/slow");
    assert_refused(&service, &mut client, Refusal::HandlerTimeout);
    assert_eq!(service.front.stats().running, 1);
    gate.open.send(()).unwrap();
    service.wait("the worker is free", |stats| stats.running == 0);
    assert_eq!(service.connect().get("/").status, 204);
}

#[test]
fn clients_that_come_and_go_pile_up_nothing_behind_the_front() {
    let gate = Gate::new();
    let service = gate.service(Limits::people(), 1);
    let mut client = service.connect();
    get(&mut client, "/slow");
    service.wait("the worker is busy", |stats| stats.running == 1);
    drop(client);
    service.wait("the client has gone", |stats| stats.connections == 0);
    for _ in 0..10 {
        let mut client = service.connect();
        get(&mut client, "/slow");
        service.wait("it waits", |stats| stats.queued == 1);
        drop(client);
        service.wait("nothing waits", |stats| stats.queued == 0);
    }
    assert_eq!(service.front.stats().running, 1);
    gate.open.send(()).unwrap();
    // Only one message was sent: none of the ten reached a handler.
    assert_eq!(service.connect().get("/").status, 204);
}

#[test]
fn bytes_held_for_all_connections_are_bounded() {
    let limits = Limits { buffered_bytes: 256 * 1024, ..Limits::sensors() };
    let service = start(limits, |_: &mut Request| Response::new(204));
    let mut clients: Vec<_> = (0..4).map(|_| service.connect()).collect();
    let head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n";
    let mut refused = 0;
    for client in &mut clients {
        client.send(head);
        client.send([b'x'; 90_000]);
    }
    for client in &mut clients {
        // Those who were refused do not read the rest.
        let _ = client.try_send([b'x'; 10_000]);
        if client.answer().status == 503 {
            refused += 1;
        }
    }
    assert!((1..4).contains(&refused), "{refused}");
    assert_eq!(service.front.stats().refused(Refusal::BuffersFull), refused);
    drop(clients);
    service.wait("nothing is held", |stats| stats.buffered_bytes == 0);
    assert_eq!(service.connect().post("/", &[b'x'; 100_000]).status, 204);
}

#[test]
fn bytes_held_for_one_address_are_bounded_and_leave_room_for_others() {
    let share = 256 * 1024;
    let limits = Limits { buffered_bytes_per_address: share, ..Limits::sensors() };
    if std::net::TcpListener::bind("[::]:0").is_err() {
        println!("skipped: this machine has no IPv6, and so one address only");
        return;
    }
    let everywhere = "[::]:0".parse().unwrap();
    let service =
        start_on(everywhere, limits, 2, Wakes::new(), |_: &mut Request| Response::new(204));
    let from = |host: &str| {
        let host: std::net::IpAddr = host.parse().unwrap();
        Client::connect((host, service.address().port()).into(), &service.trust)
    };
    let mut greedy: Vec<_> = (0..4).map(|_| from("127.0.0.1")).collect();
    for client in &mut greedy {
        client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
        // Those who are refused do not read all of it.
        let _ = client.try_send([b'x'; 90_000]);
    }
    service.wait("one is refused", |stats| stats.refused(Refusal::BuffersPerAddress) > 0);
    assert_eq!(from("::1").post("/", &[b'x'; 100_000]).status, 204);
    assert_eq!(service.front.stats().refused(Refusal::BuffersFull), 0);
    drop(greedy);
    service.wait("nothing is held", |stats| stats.buffered_bytes == 0);
    assert_eq!(from("127.0.0.1").post("/", &[b'x'; 100_000]).status, 204);
}

/// Gives as many bytes as it says, and counts them.
struct Numbers {
    pattern: Vec<u8>,
    left: usize,
    given: Arc<Mutex<usize>>,
}

/// 0 to 250, again and again.
fn pattern() -> Vec<u8> {
    (0..=250).cycle().take(251 * 256).collect()
}

impl Read for Numbers {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut given = self.given.lock().unwrap();
        let rest = &self.pattern[*given % 251..];
        let count = buffer.len().min(self.left).min(rest.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.left -= count;
        *given += count;
        Ok(count)
    }
}

const STREAM_BYTES: usize = 50_000_000;

fn streaming(limits: Limits) -> (Service, Arc<Mutex<usize>>) {
    let given = Arc::new(Mutex::new(0));
    let count = Arc::clone(&given);
    let service = start(limits, move |request: &mut Request| {
        *count.lock().unwrap() = 0;
        if request.path == "/short" {
            return Response::text(200, "short");
        }
        let numbers = Numbers { pattern: pattern(), left: STREAM_BYTES, given: Arc::clone(&count) };
        let response = Response::stream(200, "application/octet-stream", Box::new(numbers));
        match request.path.as_str() {
            "/known" => response.with_header("Content-Length", &STREAM_BYTES.to_string()),
            "/wrong" => response.with_header("Content-Length", &(STREAM_BYTES + 1).to_string()),
            _ => response,
        }
    });
    (service, given)
}

#[test]
fn a_long_answer_arrives_whole_and_waits_for_its_reader() {
    let (service, given) = streaming(Limits::people());
    for path in ["/", "/known"] {
        let mut client = service.connect();
        get(&mut client, path);
        // The socket buffers of both ends, the front's, and those towards the worker.
        let most = 12 * 1024 * 1024 + ANSWER_BUFFER_BYTES;
        service.wait("the stream has begun", |_| *given.lock().unwrap() > 0);
        let mut before = 0;
        front_support::wait("the stream stands still", || {
            std::thread::sleep(Duration::from_millis(50));
            let now = *given.lock().unwrap();
            std::mem::replace(&mut before, now) == now
        });
        assert!(before < most, "{before} bytes were read for a client that reads none");
        let answer = client.answer();
        assert_eq!(answer.body.len(), STREAM_BYTES);
        let pattern = pattern();
        let is_right = |piece: &[u8]| piece == &pattern[..piece.len()];
        assert!(answer.body.chunks(pattern.len()).all(is_right));
        assert_eq!(client.get("/nothing").status, 200);
    }
}

#[test]
fn a_client_that_takes_nothing_is_cut() {
    let (service, _) = streaming(Limits { stall: SHORT, ..Limits::people() });
    let mut client = service.connect();
    get(&mut client, "/");
    service.wait("it is cut", |stats| stats.stalled == 1 && stats.connections == 0);
    assert!(client.try_answer(false).is_err());
}

#[test]
fn a_client_that_takes_a_little_now_and_then_is_cut_too() {
    let (service, _) = streaming(Limits { stall: SHORT, ..Limits::people() });
    let mut client = service.connect();
    get(&mut client, "/");
    let mut buffer = [0; 64];
    service.wait("it is cut", |stats| {
        std::thread::sleep(Duration::from_millis(5));
        stats.stalled == 1 || client.read_some(&mut buffer).is_err()
    });
    assert_eq!(service.front.stats().stalled, 1);
}

#[test]
fn an_answer_of_another_length_than_said_breaks_the_connection() {
    let (service, _) = streaming(Limits::people());
    let mut client = service.connect();
    get(&mut client, "/wrong");
    assert!(client.try_answer(false).is_err());
    assert_eq!(service.front.stats().broken_answers, 1);
}

#[test]
fn an_answer_that_fails_half_way_is_not_taken_for_the_whole() {
    let service = start(Limits::people(), |_: &mut Request| {
        let failing = io::Cursor::new(vec![b'x'; 100_000]).chain(Failing);
        Response::stream(200, "text/plain", Box::new(failing))
    });
    let mut client = service.connect();
    get(&mut client, "/");
    assert!(client.try_answer(false).is_err());
    assert_eq!(service.front.stats().broken_answers, 1);
}

struct Failing;

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("as the test wants it"))
    }
}

#[test]
fn long_answers_at_once_are_bounded_and_hold_no_worker() {
    let (service, _) = streaming(Limits { streams: 3, ..Limits::people() });
    let mut clients: Vec<_> = (0..3).map(|_| service.connect()).collect();
    for client in &mut clients {
        get(client, "/");
        assert!(client.read_some(&mut [0; 12]).unwrap() > 0);
    }
    let mut late = service.connect();
    let answer = late.get("/");
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
    // A client that goes ends its stream.
    drop(clients);
    front_support::wait("a stream has ended", || late.get("/").status == 200);
}

#[test]
fn long_answers_to_one_address_are_bounded() {
    let (service, _) = streaming(Limits { streams_per_address: 1, ..Limits::people() });
    let mut first = service.connect();
    get(&mut first, "/");
    assert!(first.read_some(&mut [0; 12]).unwrap() > 0);
    let mut second = service.connect();
    get(&mut second, "/");
    assert_refused(&service, &mut second, Refusal::Streams);
    // What is short goes on.
    for _ in 0..3 {
        assert_eq!(service.connect().get("/short").status, 200);
    }
    drop(first);
    service.wait("the first has gone", |stats| stats.connections <= 1);
    assert_eq!(service.connect().get("/").status, 200);
}
