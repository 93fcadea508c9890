//! The front's TLS: who is let in, who is counted, and how certificates change under way.

mod front_support;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use front_support::{Client, echo, start, trusting};
use ringside_cloud::ca::{ServerTls, TlsSettings};
use ringside_cloud::front::{HandshakeFailure, Limits};
use ringside_cloud::server::{Request, Response};
use rustls::ClientConfig;

#[test]
fn a_client_that_does_not_trust_the_certificate_is_counted_as_alert() {
    let service = start(Limits::sensors(), echo);
    let other = start(Limits::sensors(), echo);
    assert!(Client::try_connect(service.address(), &other.trust).is_err());
    service.wait("the alert is counted", |stats| {
        stats.handshakes_failed(HandshakeFailure::Alert) == 1
    });
}

#[test]
fn a_client_that_leaves_during_the_handshake_is_counted_as_closed() {
    let service = start(Limits::sensors(), echo);
    drop(std::net::TcpStream::connect(service.address()).unwrap());
    service.wait("the end is counted", |stats| {
        stats.handshakes_failed(HandshakeFailure::Closed) == 1 && stats.connections == 0
    });
}

#[test]
fn a_client_that_speaks_only_http_2_is_refused_by_alpn() {
    let service = start(Limits::people(), echo);
    let offering = |protocols: &[&[u8]]| {
        let mut config = ClientConfig::clone(&service.trust);
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Arc::new(config)
    };
    assert!(Client::try_connect(service.address(), &offering(&[b"h2"])).is_err());
    assert_eq!(service.front.stats().handshakes_failed(HandshakeFailure::Alpn), 1);
    let both = offering(&[b"h2", b"http/1.1"]);
    assert_eq!(Client::connect(service.address(), &both).get("/").status, 200);
}

#[test]
fn tls_1_2_is_spoken_too() {
    let service = start(Limits::people(), echo);
    let mut roots = rustls::RootCertStore::empty();
    roots.add(service.tls.ca().unwrap().certificate().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    assert_eq!(Client::connect(service.address(), &Arc::new(config)).get("/").status, 200);
}

#[test]
fn a_renewed_certificate_reaches_new_connections_of_a_running_listener() {
    let service = start(Limits::people(), echo);
    let mut old = service.connect();
    assert_eq!(old.get("/").status, 200);
    let before = service.tls.expires_at();
    let later = SystemTime::now() + Duration::from_secs(300 * 86_400);
    assert!(service.tls.renew(later).unwrap());
    assert!(service.tls.expires_at() > before);
    // The new one begins a day before the time it was made for, so a client of today refuses it,
    // unless it resumes a session.
    let fresh = trusting(service.tls.ca().unwrap().certificate());
    assert!(Client::try_connect(service.address(), &fresh).is_err());
    assert_eq!(old.get("/").status, 200);
}

#[test]
fn a_certificate_given_anew_is_served_without_a_restart() {
    let directory = front_support::TempDir::new();
    let own = |name: &str| {
        let directory = directory.path().join(name);
        let settings = TlsSettings { directory, names: Vec::new(), given: None };
        ServerTls::open(settings, SystemTime::now()).unwrap()
    };
    let (first, second) = (own("first"), own("second"));
    let path = |name: &str| directory.path().join(name);
    let give = |from: &str| {
        for name in ["server.pem", "server.key"] {
            std::fs::copy(path(from).join(name), path(name)).unwrap();
        }
    };
    give("first");
    let settings = TlsSettings {
        directory: path("unused"),
        names: vec!["localhost".to_owned()],
        given: Some((path("server.pem"), path("server.key"))),
    };
    let tls = ServerTls::open(settings, SystemTime::now()).unwrap();
    let settings = ringside_cloud::front::FrontSettings {
        listen: "127.0.0.1:0".parse().unwrap(),
        tls: tls.config().unwrap(),
        limits: Limits::people(),
        proxies: Vec::new(),
        workers: 1,
        wakes: ringside_cloud::front::Wakes::new(),
        pipes: ringside_cloud::front::Pipes::default(),
        counters: ringside_cloud::front::FrontCounters::default(),
        socket_directory: Some(directory.path().to_path_buf()),
    };
    let front = ringside_cloud::front::Front::start(settings, Arc::new(echo)).unwrap();
    let trust = |tls: &ServerTls| trusting(tls.ca().unwrap().certificate());
    assert!(Client::try_connect(front.local_addr(), &trust(&first)).is_ok());
    give("second");
    assert!(tls.renew(SystemTime::now()).unwrap());
    assert!(Client::try_connect(front.local_addr(), &trust(&first)).is_err());
    assert!(Client::try_connect(front.local_addr(), &trust(&second)).is_ok());
}

#[test]
fn the_http_client_that_sensors_use_gets_along_with_the_front() {
    let service = start(Limits::sensors(), |request: &mut Request| {
        Response::bytes(200, "application/octet-stream", request.body.clone())
    });
    let pem = service.tls.ca().unwrap().pem().as_bytes();
    let root = ureq::tls::Certificate::from_pem(pem).unwrap();
    let tls = ureq::tls::TlsConfig::builder()
        .root_certs(ureq::tls::RootCerts::new_with_certs(&[root]))
        .build();
    let agent = ureq::Agent::config_builder().tls_config(tls).build().new_agent();
    let url = format!("https://localhost:{}/uplink/cdrs", service.address().port());
    for length in [0, 5, 1_000_000] {
        let mut answer = agent.post(&url).send(&vec![b'x'; length]).unwrap();
        let body = answer.body_mut().read_to_vec().unwrap();
        assert_eq!(body.len(), length);
    }
    assert_eq!(service.front.stats().accepted, 1);
}
