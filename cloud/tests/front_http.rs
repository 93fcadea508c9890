//! What a client sees of the front when both behave, and when the client does not.

mod front_support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use front_support::{Client, PATIENCE, echo, start, start_behind, start_on};
use ringside_cloud::front::{HandshakeFailure, Limits, Wakes};
use ringside_cloud::server::{Request, Response};

#[test]
fn a_connection_serves_one_request_after_the_other() {
    let service = start(Limits::people(), echo);
    let mut client = service.connect();
    for number in 0..20 {
        let answer = client.get(&format!("/a/{number}?q=%20"));
        assert_eq!(answer.status, 200);
        assert!(answer.text().starts_with(&format!("GET /a/{number}?q=%20 ")));
        assert!(answer.header("date").is_some());
    }
    let answer = client.post("/b", &vec![b'x'; 60_000]);
    assert!(answer.text().ends_with(&"x".repeat(60_000)));
    let stats = service.front.stats();
    assert_eq!((stats.accepted, stats.requests), (1, 21));
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let service =
        start(Limits::people(), |request: &mut Request| Response::text(200, &request.path));
    let mut client = service.connect();
    let get = |number| format!("GET /{number} HTTP/1.1\r\nHost: x\r\n\r\n");
    client.send((0..200).map(get).collect::<String>());
    for number in 0..200 {
        assert_eq!(client.answer().text(), format!("/{number}\n"));
    }
}

#[test]
fn a_chunked_body_arrives_whole() {
    let service = start(Limits::people(), echo);
    let mut client = service.connect();
    client.send("PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    for part in ["5\r\nhel", "lo\r", "\n6;x\r\n world\r\n", "0\r\n", "X: y\r\n\r\n"] {
        client.send(part);
    }
    assert!(client.answer().text().ends_with(" hello world"));
}

#[test]
fn a_client_that_expects_to_be_told_is_told_before_its_body() {
    let service = start(Limits::people(), echo);
    let mut client = service.connect();
    let head = "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: ";
    client.send(format!("{head}5\r\n\r\n"));
    assert_eq!(client.answer().status, 100);
    client.send("hello");
    assert!(client.answer().text().ends_with(" hello"));
    client.send(format!("{head}99999999\r\n\r\n"));
    assert_eq!(client.answer().status, 413);
}

#[test]
fn head_has_no_body_and_the_connection_goes_on() {
    let service = start(Limits::people(), |_: &mut Request| Response::text(200, "hello"));
    let mut client = service.connect();
    client.send("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
    let answer = client.try_answer(true).unwrap();
    assert_eq!(answer.header("content-length"), Some("6"));
    assert_eq!(client.get("/").text(), "hello\n");
}

#[test]
fn a_client_that_wants_the_connection_closed_gets_it_closed() {
    let service = start(Limits::people(), echo);
    let mut client = service.connect();
    client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let answer = client.answer();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert!(client.is_closed());
}

#[test]
fn nobody_can_claim_another_address_or_speak_as_the_front() {
    let service = start(Limits::people(), |request: &mut Request| {
        let names: Vec<_> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
        Response::text(200, &format!("{} {names:?} {:?}", request.peer, request.woken))
    });
    let mut client = service.connect();
    client.send(
        "GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 10.0.0.1\r\nForwarded: for=10.0.0.1\r\n\
         X-Ringside-Peer: 10.0.0.1:1\r\nX-RINGSIDE-Woken: yes\r\nX-Ringside-Park: k\r\n\
         Cookie: a=b\r\n\r\n",
    );
    let answer = client.answer();
    assert!(answer.text().starts_with("127.0.0.1:"), "{}", answer.text());
    assert!(answer.text().ends_with(" [\"host\", \"cookie\"] None\n"), "{}", answer.text());
}

/// As nginx sends it with `proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for`, for a client
/// that lies.
const FORWARDED: &str =
    "GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 127.0.0.1, 203.0.113.7\r\n\r\n";

fn who(request: &mut Request) -> Response {
    Response::text(200, &format!("{} {}", request.peer.ip(), request.is_forwarded))
}

#[test]
fn a_forwarded_request_is_told_from_one_of_this_machine() {
    let service = start(Limits::people(), who);
    let mut client = service.connect();
    assert_eq!(client.get("/").text(), "127.0.0.1 false\n");
    client.send(FORWARDED);
    assert_eq!(client.answer().text(), "127.0.0.1 true\n");
    for header in ["Via: 1.1 proxy", "X-Real-IP: 127.0.0.1", "Forwarded: for=127.0.0.1"] {
        client.send(format!("GET / HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n"));
        assert_eq!(client.answer().text(), "127.0.0.1 true\n", "{header}");
    }
}

#[test]
fn a_named_proxy_tells_who_asks_and_has_as_many_connections_as_it_needs() {
    let limits = Limits { connections_per_address: 1, ..Limits::people() };
    let listen = "127.0.0.1:0".parse().unwrap();
    let service = start_behind(&["127.0.0.0/8"], listen, limits, 1, Wakes::new(), who);
    let mut clients: Vec<_> = (0..3).map(|_| service.connect()).collect();
    clients[2].send(FORWARDED);
    assert_eq!(clients[2].answer().text(), "203.0.113.7 true\n");
    // A proxy that says nothing is not this machine either.
    assert_eq!(clients[0].get("/").text(), "127.0.0.1 true\n");
}

#[test]
fn an_ipv4_client_of_an_ipv6_listener_has_its_ipv4_address() {
    if std::net::TcpListener::bind("[::]:0").is_err() {
        println!("skipped: this machine has no IPv6");
        return;
    }
    let (wakes, listen) = (Wakes::new(), "[::]:0".parse().unwrap());
    let service = start_on(listen, Limits::people(), 1, wakes, |request: &mut Request| {
        Response::text(200, &request.peer.ip().to_string())
    });
    let address = ([127, 0, 0, 1], service.address().port()).into();
    let mut client = Client::connect(address, &service.trust);
    assert_eq!(client.get("/").text(), "127.0.0.1\n");
}

#[test]
fn smuggled_requests_are_refused_and_the_connection_ends() {
    let service = start(Limits::people(), |_: &mut Request| Response::new(200));
    for (request, status) in [
        (
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
        ),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4, 4\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n", 501),
        ("POST / HTTP/1.1\r\nHost: x\r\nA: b\r\n Transfer-Encoding: chunked\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: x\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("POST / HTTP/1.1\nHost: x\n\n", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\n0\n\n", 400),
        (
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\nx\r\n0\r\n\r\n",
            400,
        ),
        ("GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
        ("GET / HTTP/1.0\r\nHost: x\r\n\r\n", 505),
        ("GET http://y/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ] {
        let mut client = service.connect();
        // What follows must not be taken for a request, whatever went before.
        client.send(format!("{request}GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"));
        let answer = client.answer();
        assert_eq!(answer.status, status, "{request:?}");
        assert_eq!(answer.header("connection"), Some("close"));
        assert!(client.is_closed(), "{request:?}");
    }
    assert_eq!(service.front.stats().requests, 0);
}

/// Ways to say, or to seem to say, how long a body is.
const FRAMINGS: &[&str] = &[
    "",
    "Content-Length: 48\r\n",
    "Content-Length: 048\r\n",
    "Content-Length:48\t\r\n",
    "Content-Length: 0\r\n",
    "Content-Length: 3\r\n",
    "Content_Length: 48\r\n",
    "X-Content-Length: 48\r\n",
    "Connection: Content-Length\r\nContent-Length: 48\r\n",
    "Connection: close, Content-Length\r\nContent-Length: 0\r\n",
    "Expect: 100-continue\r\nContent-Length: 48\r\n",
    "Transfer-Encoding: chunked\r\n",
    "transfer-ENCODING:\tCHUNKED\r\n",
    "Transfer_Encoding: chunked\r\n",
    "Transfer-Encoding: identity\r\n",
    "Transfer-Encoding: chunked, identity\r\n",
    "Transfer-Encoding: \"chunked\"\r\n",
    "Transfer-Encoding: chunked;q=1\r\n",
    "Transfer-Encoding: \r\n",
    "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n",
    "TE: trailers\r\nTrailer: Content-Length\r\nTransfer-Encoding: chunked\r\n",
    "Upgrade: websocket\r\nConnection: Upgrade\r\n",
    "X-Ringside-Park: k\r\nX-Ringside-Length: 1\r\nContent-Length: 3\r\n",
];

/// Bodies that hold a request, as one of 48 bytes, in chunks, and in what is passed over.
const BODIES: &[&str] = &[
    "GET /smuggled HTTP/1.1\r\nHost: x\r\nA: bcdefghi\r\n\r\n",
    "30\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\nA: bcdefghi\r\n\r\n\r\n0\r\n\r\n",
    "3;GET /smuggled HTTP/1.1\r\nabc\r\n0\r\n\r\n",
    "0\r\nContent-Length: 99\r\nX-Ringside-Peer: 192.0.2.1:1\r\n\r\n",
    "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
    "abcGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
];

#[test]
fn the_workers_see_exactly_the_requests_that_the_front_saw() {
    let seen = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&seen);
    let short = Duration::from_millis(50);
    let limits = Limits { head: short, body: short, linger: short, ..Limits::people() };
    let service = start(limits, move |request: &mut Request| {
        count.fetch_add(1, Ordering::SeqCst);
        Response::text(200, &request.peer.ip().to_string())
    });
    let ask = |framing: &str, body: &str| {
        let mut client = service.connect();
        let last = "GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        // What is refused early may be closed before all is sent.
        let _ = client.try_send(format!("POST / HTTP/1.1\r\nHost: x\r\n{framing}\r\n{body}{last}"));
        while let Ok(answer) = client.try_answer(false) {
            assert!(answer.status != 200 || answer.text() == "127.0.0.1\n", "{answer:?}");
        }
    };
    std::thread::scope(|scope| {
        for body in BODIES {
            scope.spawn(move || FRAMINGS.iter().for_each(|framing| ask(framing, body)));
        }
    });
    service.wait("all have gone", |stats| stats.connections == 0);
    let stats = service.front.stats();
    assert_eq!(stats.accepted, (FRAMINGS.len() * BODIES.len()) as u64);
    assert_eq!(stats.requests, seen.load(Ordering::SeqCst));
}

#[test]
fn a_handler_that_panics_is_a_500_and_its_worker_lives_on() {
    let service = start(Limits::people(), |request: &mut Request| {
        assert_ne!(request.path, "/panic", "as the test wants it");
        Response::new(204)
    });
    let mut client = service.connect();
    for _ in 0..3 {
        assert_eq!(client.get("/panic").status, 500);
        assert_eq!(client.get("/").status, 204);
    }
}

#[test]
fn plain_http_gets_a_sentence_and_is_counted() {
    let service = start(Limits::people(), echo);
    let mut client = TcpStream::connect(service.address()).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("this port speaks TLS"), "{answer}");
    assert_eq!(service.front.stats().handshakes_failed(HandshakeFailure::PlainHttp), 1);
}

#[test]
fn bytes_that_are_no_tls_end_the_connection_and_are_counted() {
    let service = start(Limits::people(), echo);
    let mut client = TcpStream::connect(service.address()).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.write_all(&[0xff; 64]).unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    assert_eq!(service.front.stats().handshakes_failed(HandshakeFailure::Protocol), 1);
    assert_eq!(service.connect().get("/").status, 200);
}
