//! Every way in which a step to the cloud fails, with the real client over loopback: the failure
//! is the right one, at the right step.

mod uplink_support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use ringside_protocol::step::{Failure, Step};
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};
use ringside_protocol::token::Token;
use ringside_sensor::clock::{Now, WallClock};
use ringside_sensor::identity::{Identity, Server, Trust};
use ringside_sensor::uplink::enrol::{EnrolError, enrol};
use ringside_sensor::uplink::{Network, STOP_PATIENCE, Settings, StepState};

use uplink_support::cloud::{Fault, TokenState};
use uplink_support::pki::{Pki, VALID};
use uplink_support::{
    NAME, Sensor, TestCloud, TestDir, failure_of, network, settings, settings_with_token, start,
    token, wait_connected, wait_for,
};

/// The steps of the last attempt: `+` passed, `!` failed, `.` not reached.
fn steps(sensor: &Sensor) -> String {
    let mark = |state: &StepState| match state {
        StepState::Passed => '+',
        StepState::Failed(_) => '!',
        StepState::NotReached => '.',
    };
    sensor.uplink.status().steps.iter().map(mark).collect()
}

/// The first failure of a sensor with these settings, and its steps.
fn first_failure(settings: Settings) -> (Failure, String) {
    let sensor = start(settings);
    let failure = failure_of(&sensor);
    let steps = steps(&sensor);
    sensor.uplink.stop();
    (failure, steps)
}

/// Settings for a server that is no [`TestCloud`], pinned to `pki`.
fn settings_for(dir: &TestDir, pki: &Pki, port: u16) -> Settings {
    Settings {
        directory: dir.path().to_owned(),
        servers: vec![Server { host: NAME.to_owned(), port }],
        ca: None,
        token: Some(token(pki, port, [1; 16])),
        id_sensor: None,
        name: "test sensor".to_owned(),
        network: network(),
        clock: WallClock::system(),
    }
}

/// Makes the device trust `pki`, as an earlier enrolment would have.
fn pin(dir: &TestDir, pki: &Pki) {
    let server = Server { host: NAME.to_owned(), port: 1 };
    Trust { server, ca: Some(pki.ca.clone()) }.store(dir.path()).expect("trust");
}

/// A listener that answers each connection with `bytes` and closes.
fn stranger(bytes: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let port = listener.local_addr().expect("address").port();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let Ok(mut socket) = socket else { return };
            // Reading first: an unread request would turn the close into a reset.
            _ = socket.read(&mut [0; 4096]);
            _ = socket.write_all(bytes);
        }
    });
    port
}

#[test]
fn a_name_that_does_not_exist_fails_at_lookup() {
    let (dir, cloud) = (TestDir::new(), TestCloud::new());
    let mut settings = settings(&dir, &cloud);
    settings.servers[0].host = "nowhere.test".to_owned();
    let failure = Failure::NoSuchName { host: "nowhere.test".to_owned() };
    assert_eq!(first_failure(settings), (failure, "!.......".to_owned()));
}

#[test]
fn the_system_s_resolver_knows_no_invalid_names() {
    let (dir, cloud) = (TestDir::new(), TestCloud::new());
    let mut settings = Settings { network: Network::default(), ..settings(&dir, &cloud) };
    settings.servers[0].host = "ringside-test.invalid".to_owned();
    let (failure, steps) = first_failure(settings);
    // Without a network the resolver says that it cannot say.
    assert!(
        matches!(failure, Failure::NoSuchName { .. } | Failure::NoResolver { .. }),
        "{failure}"
    );
    assert_eq!(steps, "!.......");
}

#[test]
fn a_closed_port_fails_at_tcp() {
    let (dir, pki) = (TestDir::new(), Pki::new());
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        listener.local_addr().expect("address").port()
    };
    let (failure, steps) = first_failure(settings_for(&dir, &pki, port));
    assert_eq!(failure, Failure::PortClosed { address: ([127, 0, 0, 1], port).into() });
    assert_eq!(steps, "+!......");
}

/// A listener whose queue is full: the system drops further connection attempts, as a firewall
/// does. The sockets keep it so.
fn filtered() -> (SocketAddr, Vec<TcpStream>, TcpListener) {
    use rustix::net::{AddressFamily, SocketType, bind, listen, socket};
    let fd = socket(AddressFamily::INET, SocketType::STREAM, None).expect("socket");
    bind(&fd, &SocketAddr::from(([127, 0, 0, 1], 0))).expect("bind");
    listen(&fd, 0).expect("listen");
    let listener = TcpListener::from(fd);
    let address = listener.local_addr().expect("address");
    let mut queue = Vec::new();
    while let Ok(socket) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        queue.push(socket);
        assert!(queue.len() < 64, "the queue has an end");
    }
    (address, queue, listener)
}

#[test]
fn a_filtered_port_fails_at_tcp_after_its_time() {
    let (dir, pki) = (TestDir::new(), Pki::new());
    let (address, _queue, _listener) = filtered();
    let mut settings = settings_for(&dir, &pki, address.port());
    settings.network.timeouts.connect = Duration::from_millis(1200);
    let (failure, steps) = first_failure(settings);
    assert_eq!(failure, Failure::PortFiltered { address, seconds: 1 });
    assert_eq!(steps, "+!......");
}

#[test]
fn an_address_without_a_way_fails_at_tcp() {
    let (dir, pki) = (TestDir::new(), Pki::new());
    let mut settings = settings_for(&dir, &pki, 60023);
    // Broadcast: the system refuses by itself.
    settings.servers[0].host = "255.255.255.255".to_owned();
    let (failure, steps) = first_failure(settings);
    assert!(matches!(failure, Failure::Unreachable { .. }), "{failure}");
    assert_eq!(steps, "+!......");
}

#[test]
fn what_is_no_tls_fails_at_tls() {
    for bytes in [&b"SSH-2.0-OpenSSH_9.2\r\n"[..], b""] {
        let (dir, pki) = (TestDir::new(), Pki::new());
        pin(&dir, &pki);
        let settings = Settings { token: None, ..settings_for(&dir, &pki, stranger(bytes)) };
        let (failure, steps) = first_failure(settings);
        assert!(matches!(failure, Failure::NotTls { .. }), "{failure}");
        assert_eq!(steps, "++!.....");
    }
}

#[test]
fn a_server_that_says_nothing_fails_at_tls_after_its_time() {
    let (dir, pki) = (TestDir::new(), Pki::new());
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let mut settings = settings_for(&dir, &pki, listener.local_addr().expect("address").port());
    settings.network.timeouts.tls = Duration::from_millis(100);
    let (failure, _) = first_failure(settings);
    assert_eq!(failure, Failure::NotTls { host: NAME.to_owned(), detail: "no answer".to_owned() });
}

#[test]
fn a_ca_other_than_the_pinned_one_fails_at_tls() {
    let (dir, cloud) = (TestDir::new(), TestCloud::new());
    pin(&dir, &Pki::new());
    let wrong_ca = Failure::WrongCa { host: NAME.to_owned() };
    let expected = (wrong_ca.clone(), "++!.....".to_owned());
    assert_eq!(first_failure(settings(&dir, &cloud)), expected);

    // A private CA is none that the public knows.
    let dir = TestDir::new();
    assert_eq!(first_failure(settings(&dir, &cloud)), expected);

    // A token of another cloud finds no CA to pin.
    let dir = TestDir::new();
    let foreign = token(&Pki::new(), cloud.port(), [1; 16]);
    let (failure, _) = first_failure(Settings { token: Some(foreign), ..settings(&dir, &cloud) });
    assert_eq!(failure, wrong_ca);
    assert_eq!(Trust::load(dir.path()).expect("trust"), None, "nothing is kept");
}

#[test]
fn a_certificate_for_another_name_fails_at_tls() {
    let (dir, pki) = (TestDir::new(), Pki::new());
    let tls = pki.server("other.test", VALID);
    let cloud = TestCloud::with_tls(pki, tls);
    let (failure, steps) = first_failure(settings_with_token(&dir, &cloud));
    assert_eq!(failure, Failure::WrongName { host: NAME.to_owned() });
    // The connection that took the pin passed tls; the one that checks the name did not.
    assert_eq!(steps, "++!.....");
}

#[test]
fn a_certificate_that_is_not_valid_now_fails_at_clock_with_both_times() {
    for (valid, first, last) in
        [((2020, 2021), "2020-01-01", "2021-01-01"), ((2079, 2080), "2079-01-01", "2080-01-01")]
    {
        let (dir, pki) = (TestDir::new(), Pki::new());
        let tls = pki.server(NAME, valid);
        let cloud = TestCloud::with_tls(pki, tls);
        let (failure, steps) = first_failure(settings_with_token(&dir, &cloud));
        let Failure::CertificateTime { sensor_time, not_before, not_after } = failure else {
            panic!("{failure}");
        };
        assert_eq!((not_before.to_date(), not_after.to_date()), (first.into(), last.into()));
        assert!(sensor_time.to_date().as_str() > "2026-01-01");
        assert_eq!(steps, "+++!....");
    }
}

#[test]
fn a_wrong_ca_is_not_mistaken_for_a_wrong_clock() {
    let (dir, pki) = (TestDir::new(), Pki::new());
    let tls = pki.server(NAME, (2020, 2021));
    let cloud = TestCloud::with_tls(pki, tls);
    pin(&dir, &Pki::new());
    let (failure, steps) = first_failure(settings(&dir, &cloud));
    assert_eq!(failure, Failure::WrongCa { host: NAME.to_owned() });
    assert_eq!(steps, "++!.....");
}

#[test]
fn a_board_without_a_clock_fails_at_clock() {
    let (dir, cloud) = (TestDir::new(), TestCloud::new());
    let settings = Settings {
        clock: WallClock::reading(|| Now {
            instant: embassy_time::Instant::now(),
            wall: UnixMicros(60 * MICROS_PER_SECOND),
        }),
        ..settings_with_token(&dir, &cloud)
    };
    let (failure, steps) = first_failure(settings);
    let Failure::CertificateTime { sensor_time, .. } = failure else { panic!("{failure}") };
    assert_eq!(sensor_time.to_rfc3339(), "1970-01-01T00:01:00.000000Z");
    assert_eq!(steps, "+++!....");
}

#[test]
fn a_clock_that_is_off_by_a_day_fails_at_clock_with_both_times() {
    for day in [-86_400_000_000, 86_400_000_000_i64] {
        let (dir, cloud) = (TestDir::new(), TestCloud::new());
        cloud.state().clock_ahead_micros = day;
        let (failure, steps) = first_failure(settings_with_token(&dir, &cloud));
        let Failure::ClockSkew { sensor_time, cloud_time } = failure else { panic!("{failure}") };
        let off = cloud_time.0.cast_signed() - sensor_time.0.cast_signed();
        assert!((off - day).abs() < 60_000_000, "{off}");
        assert_eq!(steps, "+++!....");
    }
}

#[test]
fn what_is_no_ringside_cloud_fails_at_version() {
    let html = || b"<html>Welcome to nginx!</html>".to_vec();
    let cases = [
        (Fault::Http(404, "text/html", html()), "HTTP status 404: <html>Welcome to nginx!</html>"),
        (Fault::Http(200, "text/html", html()), "<html>Welcome to nginx!</html>"),
        (Fault::Http(301, "text/html", Vec::new()), "HTTP status 301: an empty answer"),
        (Fault::Http(200, "x", Vec::new()), "an empty answer"),
        // An envelope of another kind.
        (Fault::Http(200, "x", b"RS\x01\x09\x00".to_vec()), "message kind 9, not 2"),
        (Fault::Raw(b"220 mail.example.net ESMTP\r\n\r\n".to_vec()), "no HTTP"),
        (Fault::Raw([&b"HTTP/1.1 200 OK\r\nx: "[..], &[b'x'; 40_000]].concat()), "no end"),
    ];
    for (fault, says) in cases {
        let (dir, cloud) = (TestDir::new(), TestCloud::new());
        cloud.fault("/uplink/hello", fault);
        let (failure, steps) = first_failure(settings_with_token(&dir, &cloud));
        let Failure::NotRingside { detail, .. } = &failure else { panic!("{failure}") };
        assert!(detail.contains(says), "{detail}");
        assert_eq!(steps, "+++.!...");
    }
}

#[test]
fn peers_of_different_ages_fail_at_version() {
    let too_old = Failure::SensorTooOld { sensor: 1, cloud_oldest: 2 };
    let cases = [
        (Fault::Refuse(too_old.clone(), 0), too_old),
        // Envelopes of versions that this build does not read.
        (
            Fault::Http(200, "x", b"RS\x02\x02\x00".to_vec()),
            Failure::SensorTooOld { sensor: 1, cloud_oldest: 2 },
        ),
        (
            Fault::Http(200, "x", b"RS\x00\x02\x00".to_vec()),
            Failure::CloudTooOld { sensor_oldest: 1, cloud: 0 },
        ),
    ];
    for (fault, expected) in cases {
        let (dir, cloud) = (TestDir::new(), TestCloud::new());
        cloud.fault("/uplink/hello", fault);
        let got = first_failure(settings_with_token(&dir, &cloud));
        assert_eq!(got, (expected, "+++.!...".to_owned()));
    }
    let (dir, cloud) = (TestDir::new(), TestCloud::new());
    cloud.state().version = 0;
    let (failure, steps) = first_failure(settings_with_token(&dir, &cloud));
    assert_eq!(failure, Failure::CloudTooOld { sensor_oldest: 1, cloud: 0 });
    assert_eq!(steps, "++++!...");
}

#[test]
fn an_unknown_device_without_a_token_waits_at_enrolment_with_its_claim_code() {
    let (dir, cloud) = (TestDir::new(), TestCloud::new());
    pin(&dir, &cloud.pki);
    let sensor = start(settings(&dir, &cloud));
    wait_for("a claim", || sensor.uplink.status().is_claiming);
    assert_eq!(steps(&sensor), "+++++!..");
    let enrolment = Step::ALL.iter().position(|step| *step == Step::Enrolment).expect("a step");
    let state = sensor.uplink.status().steps[enrolment].clone();
    assert_eq!(state, StepState::Failed(Failure::NotEnrolled));
    sensor.uplink.stop();
}

#[test]
fn a_token_that_is_not_taken_fails_at_enrolment_and_leaves_nothing() {
    let at = UnixMicros(1_790_000_000_000_000);
    let cases = [
        (None, Failure::TokenUnknown),
        (Some(TokenState::UsedBy([1; 32])), Failure::TokenUsed),
        (Some(TokenState::Expired(at)), Failure::TokenExpired { at }),
    ];
    for (state, expected) in cases {
        let (dir, cloud) = (TestDir::new(), TestCloud::new());
        let token = cloud.token();
        match state {
            Some(state) => cloud.state().tokens.insert(token.secret, state),
            None => cloud.state().tokens.remove(&token.secret),
        };
        // By command line,
        let error = enrol(&token.to_string(), None, settings(&dir, &cloud)).expect_err("refused");
        assert!(matches!(&error, EnrolError::Failed(failure) if *failure == expected), "{error}");
        assert_eq!(Trust::load(dir.path()).expect("trust"), None);
        // and by configuration.
        let settings = Settings { token: Some(token), ..settings(&dir, &cloud) };
        assert_eq!(first_failure(settings), (expected, "+++++!..".to_owned()));
    }
}

#[test]
fn half_a_token_is_told_apart_from_an_unknown_one() {
    let (dir, cloud) = (TestDir::new(), TestCloud::new());
    let text = cloud.token().to_string();
    let error = enrol(&text[..40], None, settings(&dir, &cloud)).expect_err("half");
    assert!(matches!(&error, EnrolError::Failed(Failure::TokenMalformed { .. })), "{error}");
    assert!(error.to_string().contains("copy it again"), "{error}");
    assert!(cloud.state().hellos.is_empty(), "nobody was asked");
}

#[test]
fn a_token_enrols_a_device_that_then_connects_without_it() {
    let (dir, cloud) = (TestDir::new(), TestCloud::new());
    let token = cloud.token().to_string();
    let enrolled = enrol(&token, None, settings(&dir, &cloud)).expect("enrolled");
    assert_eq!(enrolled.customer, "Example");
    enrol(&token, None, settings(&dir, &cloud)).expect("its answer may have been lost");
    let trust = Trust::load(dir.path()).expect("trust").expect("kept");
    assert_eq!(trust.ca.as_ref(), Some(&cloud.pki.ca));
    assert_eq!(trust.server, Server { host: NAME.to_owned(), port: cloud.port() });
    // Nothing else is configured.
    let sensor = start(Settings { servers: Vec::new(), ..settings(&dir, &cloud) });
    wait_connected(&sensor);
    assert_eq!(steps(&sensor), "++++++++");
}

#[test]
fn a_token_that_pins_nothing_relies_on_the_public_authorities() {
    let (dir, cloud) = (TestDir::new(), TestCloud::new());
    pin(&dir, &cloud.pki);
    let token = Token { ca_key_sha256: [0; 32], ..cloud.token() };
    // The test's own CA is none of them, whatever was pinned before.
    let error = enrol(&token.to_string(), None, settings(&dir, &cloud)).expect_err("refused");
    let wrong_ca = Failure::WrongCa { host: NAME.to_owned() };
    assert!(matches!(&error, EnrolError::Failed(failure) if *failure == wrong_ca), "{error}");
    assert!(Trust::load(dir.path()).expect("trust").expect("kept").ca.is_some());
}

#[test]
fn a_configured_token_enrols_at_the_first_start() {
    let (dir, cloud) = (TestDir::new(), TestCloud::new());
    let sensor = start(settings_with_token(&dir, &cloud));
    wait_connected(&sensor);
    assert!(Trust::load(dir.path()).expect("trust").is_some());
    let status = sensor.uplink.status();
    assert_eq!((status.customer.as_deref(), status.id_sensor), (Some("Example"), Some(1)));
    assert_eq!(status.last_failure, None);
    sensor.uplink.stop();
    drop(sensor.outbox);
    // The token stays in the configuration.
    let sensor = start(settings_with_token(&dir, &cloud));
    wait_connected(&sensor);
}

#[test]
fn a_running_sensor_connects_by_itself_once_it_is_enrolled() {
    let (dir, cloud) = (TestDir::new(), TestCloud::new());
    let sensor = start(settings(&dir, &cloud));
    assert_eq!(failure_of(&sensor), Failure::WrongCa { host: NAME.to_owned() });
    let token = cloud.token().to_string();
    enrol(&token, None, settings(&dir, &cloud)).expect("enrolled");
    wait_connected(&sensor);
    let state = cloud.state();
    assert!(state.hellos.windows(2).all(|pair| pair[0].boot == pair[1].boot), "no clone");
}

#[test]
fn a_sensor_that_knows_no_server_connects_once_enrolment_names_one() {
    let (dir, cloud) = (TestDir::new(), TestCloud::new());
    let settings = Settings { servers: Vec::new(), ..settings(&dir, &cloud) };
    let sensor = start(settings.clone());
    enrol(&cloud.token().to_string(), None, settings).expect("enrolled");
    wait_connected(&sensor);
    assert_eq!(sensor.uplink.status().last_failure, None);
    let state = cloud.state();
    assert!(state.hellos.windows(2).all(|pair| pair[0].boot == pair[1].boot), "no clone");
}

#[test]
fn refusals_of_the_proof_are_told_with_their_step() {
    let by = "branch office".to_owned();
    let cases = [
        (Failure::Revoked, "+++++!.."),
        (Failure::BadSignature, "+++++!.."),
        (Failure::IdTaken { id_sensor: 7, by: by.clone() }, "++++++!."),
        (Failure::ClonedDevice { other: by }, "++++++!."),
        (Failure::Busy { limit: "sensors".to_owned() }, "+++++..!"),
    ];
    for (failure, states) in cases {
        let (dir, cloud) = (TestDir::new(), TestCloud::new());
        cloud.state().refuse.insert("/uplink/session", (failure.clone(), 600));
        let got = first_failure(settings_with_token(&dir, &cloud));
        assert_eq!(got, (failure, states.to_owned()));
    }
}

#[test]
fn the_front_s_words_are_kept() {
    let text = || b"too many connections from your network\n".to_vec();
    let limit = "too many connections from your network".to_owned();
    let cases = [
        (429, Failure::Busy { limit: limit.clone() }),
        (503, Failure::Busy { limit: limit.clone() }),
        (500, Failure::CloudFault { detail: format!("500: {limit}") }),
    ];
    for (status, expected) in cases {
        let (dir, cloud) = (TestDir::new(), TestCloud::new());
        cloud.fault("/uplink/hello", Fault::Http(status, "text/plain", text()));
        let sensor = start(settings_with_token(&dir, &cloud));
        assert_eq!(failure_of(&sensor), expected);
        assert_eq!(steps(&sensor), "+++....!");
        // And its wish to be left alone (`Retry-After`).
        let status = sensor.uplink.status();
        let (failed_at, next_at) = (status.last_failure.expect("failed").0, status.next_attempt_at);
        assert_eq!(next_at.expect("a wait").since(failed_at), 300 * MICROS_PER_SECOND);
    }
}

#[test]
fn a_connection_that_breaks_within_a_request_is_interrupted() {
    let (dir, cloud) = (TestDir::new(), TestCloud::new());
    cloud.fault("/uplink/hello", Fault::CutBefore);
    let (failure, steps) = first_failure(settings_with_token(&dir, &cloud));
    assert!(matches!(failure, Failure::Interrupted { .. }), "{failure}");
    assert_eq!(steps, "+++....!");
}

#[test]
fn an_answer_that_does_not_come_is_interrupted() {
    let (dir, cloud) = (TestDir::new(), TestCloud::new());
    cloud.fault("/uplink/hello", Fault::Delay(Duration::from_secs(2)));
    let mut settings = settings_with_token(&dir, &cloud);
    settings.network.timeouts.request = Duration::from_millis(200);
    let (failure, _) = first_failure(settings);
    assert_eq!(failure, Failure::Interrupted { detail: "no answer within 0 s".to_owned() });
}

#[test]
fn the_next_server_is_tried_when_one_fails() {
    let (dir, cloud) = (TestDir::new(), TestCloud::new());
    let mut settings = settings_with_token(&dir, &cloud);
    settings.servers.insert(0, Server { host: "nowhere.test".to_owned(), port: 1 });
    let sensor = start(settings);
    wait_connected(&sensor);
    let status = sensor.uplink.status();
    assert_eq!(status.server.expect("server").host, NAME);
    assert!(matches!(status.last_failure, Some((_, Failure::NoSuchName { .. }))));
    // The cloud hears what went wrong before.
    let state = cloud.state();
    let last_failure = &state.hellos.last().expect("a hello").last_failure;
    assert_eq!(last_failure.as_ref().expect("told").1.step(), Step::Lookup);
}

#[test]
fn stopping_is_not_held_up_by_a_connection_attempt() {
    let (dir, pki) = (TestDir::new(), Pki::new());
    let (address, _queue, _listener) = filtered();
    let sensor = start(settings_for(&dir, &pki, address.port()));
    wait_for("the lookup", || steps(&sensor).starts_with('+'));
    let begun = std::time::Instant::now();
    sensor.uplink.stop();
    let took = begun.elapsed();
    assert!(took < STOP_PATIENCE + Duration::from_secs(2), "{took:?}");
}

#[test]
fn stopping_does_not_wait_for_the_network() {
    let (dir, cloud) = (TestDir::new(), TestCloud::new());
    let sensor = start(settings_with_token(&dir, &cloud));
    wait_connected(&sensor);
    wait_for("a poll", || cloud.state().requests.iter().any(|path| path == "/uplink/poll"));
    let begun = std::time::Instant::now();
    sensor.uplink.stop();
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    Identity::load_or_create(dir.path()).expect("the directory is free");
}
