//! The machine's diagram, arrow by arrow.

use super::*;
use crate::uplink::backoff::{FIRST_WAIT, LONGEST_WAIT};

const START: u64 = 1_790_000_000;

fn at(seconds: u64) -> Now {
    let instant = Instant::from_secs(seconds);
    Now { instant, wall: UnixMicros((START + seconds) * MICROS_PER_SECOND) }
}

fn server(name: &str) -> Server {
    Server { host: name.to_owned(), port: 60023 }
}

fn session(servers: &[&str], has_token: bool) -> Session {
    let servers = servers.iter().map(|name| server(name)).collect();
    Session::new(Config { servers, has_token, can_claim: false, seed: 1 }, at(0).instant)
}

fn challenge(enrolled: bool) -> Challenge {
    Challenge { nonce: [1; 32], cloud_time: at(0).wall, version: PROTOCOL_VERSION, enrolled }
}

fn accepted() -> Accepted {
    Accepted {
        session: [5; 32],
        customer: "Example".to_owned(),
        id_sensor: 7,
        lease: Lease { serial: 1, channels: 100 },
        heartbeat_seconds: 30,
        cloud_time: at(0).wall,
        ticket_keys: Vec::new(),
    }
}

fn refused(failure: Failure, retry_after_seconds: u16) -> Event {
    Event::Failed(Refused { failure, retry_after_seconds })
}

fn busy() -> Failure {
    Failure::Busy { limit: "sessions".to_owned() }
}

fn closed() -> Failure {
    Failure::PortClosed { address: "192.0.2.1:60023".parse().expect("address") }
}

/// With an open session since second 0, its first heartbeat and the first look for records done.
fn open() -> Session {
    let mut session = session(&["a"], false);
    assert_eq!(session.poll_action(at(0).instant), Some(Action::Greet(server("a"))));
    session.handle(Event::Challenged(challenge(true)), at(0));
    assert_eq!(session.poll_action(at(0).instant), Some(Action::Prove(challenge(true))));
    session.handle(Event::Accepted(accepted()), at(0));
    assert_eq!(session.poll_action(at(0).instant), Some(Action::Heartbeat([5; 32])));
    session.handle(heartbeat_answer(1), at(0));
    assert_eq!(session.poll_action(at(0).instant), Some(Action::SendBatch([5; 32])));
    session.handle(Event::NoRecords, at(0));
    session
}

fn heartbeat_answer(serial: u32) -> Event {
    let lease = Lease { serial, channels: 100 };
    Event::HeartbeatAnswered(HeartbeatAnswer { lease, cloud_time: at(0).wall })
}

/// How a handshake ends when the cloud answers so.
fn step_states(status: &Status) -> String {
    let mark = |state: &StepState| match state {
        StepState::Passed => '+',
        StepState::Failed(_) => '!',
        StepState::NotReached => '.',
    };
    status.steps.iter().map(mark).collect()
}

#[test]
fn a_handshake_passes_all_steps_in_order() {
    let session = open();
    let status = session.status();
    assert_eq!(step_states(status), "++++++++");
    assert_eq!(status.connected_since, Some(at(0).wall));
    assert_eq!((status.customer.as_deref(), status.id_sensor), (Some("Example"), Some(7)));
    assert_eq!(session.poll_timeout(), Some(at(30).instant), "the next heartbeat");
}

#[test]
fn every_failure_of_a_greeting_stops_at_its_step() {
    let host = || "a".to_owned();
    let time = at(0).wall;
    let cases: [(&[Step], Failure, &str); 11] = [
        (&[], Failure::NoSuchName { host: host() }, "!......."),
        (&[], Failure::NoResolver { host: host(), detail: host() }, "!......."),
        (&[Step::Lookup], closed(), "+!......"),
        (&[Step::Lookup, Step::Tcp], Failure::WrongCa { host: host() }, "++!....."),
        (&[Step::Lookup, Step::Tcp], Failure::NotTls { host: host(), detail: host() }, "++!....."),
        (
            &[Step::Lookup, Step::Tcp],
            Failure::CertificateTime { sensor_time: time, not_before: time, not_after: time },
            "+++!....",
        ),
        (
            &[Step::Lookup, Step::Tcp, Step::Tls],
            Failure::SensorTooOld { sensor: 1, cloud_oldest: 2 },
            "+++.!...",
        ),
        (
            &[Step::Lookup, Step::Tcp, Step::Tls],
            Failure::NotRingside { host: host(), detail: host() },
            "+++.!...",
        ),
        (&[Step::Lookup, Step::Tcp, Step::Tls], Failure::Revoked, "+++..!.."),
        (&[Step::Lookup, Step::Tcp, Step::Tls], busy(), "+++....!"),
        (
            &[Step::Lookup, Step::Tcp, Step::Tls],
            Failure::Interrupted { detail: host() },
            "+++....!",
        ),
    ];
    for (passed, failure, states) in cases {
        let mut session = session(&["a"], false);
        session.poll_action(at(0).instant);
        for &step in passed {
            session.handle(Event::Passed(step), at(0));
        }
        session.handle(refused(failure.clone(), 0), at(1));
        assert_eq!(step_states(session.status()), states, "{failure}");
        assert_eq!(session.status().failed(), Some(&failure));
        assert_eq!(session.status().last_failure, Some((at(1).wall, failure)));
    }
}

#[test]
fn what_is_wrong_with_a_challenge_stops_at_its_step() {
    let skewed = |seconds: u64| Challenge { cloud_time: at(seconds).wall, ..challenge(true) };
    let version = |version| Challenge { version, ..challenge(true) };
    let (limit, sensor_time) = (MAX_CLOCK_SKEW_SECONDS, at(0).wall);
    let skew = Failure::ClockSkew { sensor_time, cloud_time: at(limit + 1).wall };
    let (sensor, oldest) = (PROTOCOL_VERSION, OLDEST_PROTOCOL_VERSION);
    let cases = [
        (skewed(limit), None, "+++++..."),
        (skewed(limit + 1), Some(skew), "+++!...."),
        (version(0), Some(Failure::CloudTooOld { sensor_oldest: oldest, cloud: 0 }), "++++!..."),
        (version(9), Some(Failure::SensorTooOld { sensor, cloud_oldest: 9 }), "++++!..."),
        (challenge(false), Some(Failure::NotEnrolled), "+++++!.."),
    ];
    for (challenge, failure, states) in cases {
        let mut session = session(&["a"], false);
        session.poll_action(at(0).instant);
        session.handle(Event::Challenged(challenge), at(0));
        assert_eq!(session.status().failed(), failure.as_ref());
        assert_eq!(step_states(session.status()), states);
    }
}

#[test]
fn what_is_wrong_with_a_proof_stops_at_its_step() {
    let by = "other".to_owned();
    let cases = [
        (Failure::BadSignature, "+++++!.."),
        (Failure::IdTaken { id_sensor: 7, by: by.clone() }, "++++++!."),
        (Failure::ClonedDevice { other: by }, "++++++!."),
        (busy(), "+++++..!"),
    ];
    for (failure, states) in cases {
        let mut session = session(&["a"], false);
        session.poll_action(at(0).instant);
        session.handle(Event::Challenged(challenge(true)), at(0));
        session.poll_action(at(0).instant);
        session.handle(refused(failure.clone(), 0), at(0));
        assert_eq!(step_states(session.status()), states, "{failure}");
    }
}

#[test]
fn a_device_with_a_token_enrols_and_greets_again() {
    let mut session = session(&["a"], true);
    session.poll_action(at(0).instant);
    session.handle(Event::Challenged(challenge(false)), at(0));
    assert_eq!(session.poll_action(at(0).instant), Some(Action::Enrol(challenge(false))));
    session.handle(Event::Enrolled, at(0));
    assert_eq!(session.poll_action(at(0).instant), Some(Action::Greet(server("a"))));
    // A cloud that forgets at once is not shown the token for ever.
    session.handle(Event::Challenged(challenge(false)), at(0));
    assert_eq!(session.status().failed(), Some(&Failure::NotEnrolled));
    assert_eq!(session.poll_action(at(0).instant), None);
}

/// Without a token, and allowed to wait for somebody to accept it.
fn claiming(servers: &[&str]) -> Session {
    let servers = servers.iter().map(|name| server(name)).collect();
    let config = Config { servers, has_token: false, can_claim: true, seed: 1 };
    Session::new(config, at(0).instant)
}

#[test]
fn a_device_without_a_token_waits_until_somebody_accepts_it() {
    let mut session = claiming(&["a"]);
    session.poll_action(at(0).instant);
    session.handle(Event::Challenged(challenge(false)), at(0));
    assert_eq!(session.poll_action(at(0).instant), Some(Action::Claim(challenge(false))));
    assert_eq!(step_states(session.status()), "+++++!..");
    assert!(session.status().is_claiming);
    assert_eq!(session.status().last_failure, None, "nothing has gone wrong");
    session.handle(Event::Unclaimed, at(45));
    assert_eq!(session.poll_action(at(45).instant), None, "a cloud that answers at once");
    assert_eq!(session.poll_action(at(46).instant), Some(Action::Greet(server("a"))));
    assert!(session.status().is_claiming);
    session.handle(Event::Challenged(challenge(false)), at(46));
    session.poll_action(at(46).instant);
    session.handle(Event::Enrolled, at(47));
    assert_eq!(session.poll_action(at(47).instant), Some(Action::Greet(server("a"))));
    session.handle(Event::Challenged(challenge(true)), at(47));
    assert_eq!(session.poll_action(at(47).instant), Some(Action::Prove(challenge(true))));
    session.handle(Event::Accepted(accepted()), at(47));
    assert!(!session.status().is_claiming);
    assert_eq!(step_states(session.status()), "++++++++");
}

#[test]
fn a_claim_waits_at_each_server_in_turn_and_counts_until_its_own_fails() {
    let mut session = claiming(&["a", "b"]);
    session.poll_action(at(0).instant);
    session.handle(Event::Challenged(challenge(false)), at(0));
    session.poll_action(at(0).instant);
    session.handle(Event::Unclaimed, at(45));
    assert_eq!(session.poll_action(at(46).instant), Some(Action::Greet(server("b"))));
    session.handle(refused(closed(), 0), at(46));
    assert!(session.status().is_claiming, "the code is still good at a");
    let again = session.poll_timeout().expect("another round");
    assert_eq!(session.poll_action(again), Some(Action::Greet(server("a"))));
    session.handle(refused(closed(), 0), at(60));
    assert!(!session.status().is_claiming);
}

#[test]
fn servers_are_tried_in_order_before_anything_waits() {
    let mut session = session(&["a", "b", "c"], false);
    for name in ["a", "b", "c"] {
        assert_eq!(session.poll_action(at(0).instant), Some(Action::Greet(server(name))));
        assert_eq!(session.poll_action(at(0).instant), None, "one thing at a time");
        session.handle(refused(closed(), 0), at(0));
    }
    assert_eq!(session.poll_action(at(0).instant), None);
    let due = session.poll_timeout().expect("a wait");
    assert!(due > at(0).instant && due <= at(0).instant + FIRST_WAIT);
    assert_eq!(session.poll_action(due), Some(Action::Greet(server("a"))));
}

#[test]
fn a_server_that_is_named_later_is_greeted_then() {
    let mut session = session(&[], false);
    assert!(session.begins_round(at(0).instant));
    assert_eq!(session.poll_action(at(0).instant), None);
    let due = session.poll_timeout().expect("another look");
    assert_eq!(due, at(0).instant + SERVER_LOOK_EVERY);
    assert!(!session.begins_round(at(0).instant));
    assert!(session.begins_round(due));
    session.set_servers(vec![server("a")]);
    assert_eq!(session.poll_action(due), Some(Action::Greet(server("a"))));
    assert!(!session.begins_round(due));
}

#[test]
fn rounds_that_fail_wait_longer_and_longer() {
    let mut session = session(&["a"], false);
    let mut now = at(0);
    let mut waits = Vec::new();
    for _ in 0..12 {
        session.poll_action(now.instant);
        session.handle(refused(closed(), 0), now);
        let due = session.poll_timeout().expect("a wait");
        waits.push(due - now.instant);
        now.instant = due;
    }
    assert!(waits[0] <= FIRST_WAIT);
    assert!(waits[11] > LONGEST_WAIT / 2 && waits[11] <= LONGEST_WAIT, "{waits:?}");
}

#[test]
fn acceptance_makes_the_next_wait_the_first_again() {
    let mut session = session(&["a"], false);
    let mut now = at(0);
    for _ in 0..8 {
        session.poll_action(now.instant);
        session.handle(refused(closed(), 0), now);
        now.instant = session.poll_timeout().expect("a wait");
    }
    session.poll_action(now.instant);
    session.handle(Event::Challenged(Challenge { cloud_time: now.wall, ..challenge(true) }), now);
    session.poll_action(now.instant);
    session.handle(Event::Accepted(accepted()), now);
    session.poll_action(now.instant);
    session.handle(refused(Failure::SessionEnded, 0), now);
    assert!(session.poll_timeout().expect("a wait") <= now.instant + FIRST_WAIT);
}

#[test]
fn a_cloud_that_asks_for_time_gets_it() {
    let mut session = session(&["a", "b"], false);
    session.poll_action(at(0).instant);
    session.handle(refused(busy(), 120), at(0));
    assert_eq!(session.poll_action(at(0).instant), Some(Action::Greet(server("b"))));
    session.handle(refused(closed(), 0), at(0));
    assert_eq!(session.poll_timeout(), Some(at(120).instant));
    assert_eq!(session.status().next_attempt_at, Some(at(120).wall));

    let mut session = self::session(&["a"], false);
    session.poll_action(at(0).instant);
    session.handle(refused(busy(), u16::MAX), at(0));
    assert_eq!(session.poll_timeout(), Some(at(0).instant + MAX_RETRY_AFTER), "within reason");
}

#[test]
fn heartbeats_go_out_on_time_and_before_records() {
    let mut session = open();
    assert_eq!(session.poll_action(at(29).instant), None);
    session.handle(Event::RecordsStored, at(30));
    assert_eq!(session.poll_action(at(30).instant), Some(Action::Heartbeat([5; 32])));
    session.handle(heartbeat_answer(1), at(31));
    assert_eq!(session.poll_action(at(31).instant), Some(Action::SendBatch([5; 32])));
    assert_eq!(session.poll_action(at(31).instant), None, "one batch in flight");
    session.handle(Event::Acknowledged, at(32));
    assert_eq!(session.poll_action(at(32).instant), Some(Action::SendBatch([5; 32])));
    session.handle(Event::NoRecords, at(32));
    assert_eq!(session.poll_timeout(), Some(at(61).instant));
}

#[test]
fn a_record_that_comes_while_the_outbox_is_looked_through_is_not_forgotten() {
    let mut session = open();
    session.handle(Event::RecordsStored, at(1));
    assert_eq!(session.poll_action(at(1).instant), Some(Action::SendBatch([5; 32])));
    session.handle(Event::RecordsStored, at(1));
    session.handle(Event::NoRecords, at(1));
    assert_eq!(session.poll_action(at(1).instant), Some(Action::SendBatch([5; 32])));
}

#[test]
fn a_new_lease_is_acknowledged_at_once_and_only_once() {
    let mut session = open();
    session.handle(Event::HeartbeatWanted, at(5));
    assert_eq!(session.poll_action(at(5).instant), Some(Action::Heartbeat([5; 32])));
    session.handle(heartbeat_answer(2), at(5));
    assert_eq!(session.poll_action(at(5).instant), Some(Action::Heartbeat([5; 32])));
    session.handle(heartbeat_answer(2), at(5));
    assert_eq!(session.poll_action(at(5).instant), Some(Action::SendBatch([5; 32])));
}

#[test]
fn a_heartbeat_that_is_asked_for_while_one_is_under_way_follows_it() {
    let mut session = open();
    session.handle(Event::HeartbeatWanted, at(5));
    assert_eq!(session.poll_action(at(5).instant), Some(Action::Heartbeat([5; 32])));
    session.handle(Event::HeartbeatWanted, at(5));
    session.handle(heartbeat_answer(1), at(5));
    assert_eq!(session.poll_action(at(5).instant), Some(Action::Heartbeat([5; 32])));
    session.handle(heartbeat_answer(1), at(5));
    assert_eq!(session.poll_action(at(5).instant), Some(Action::SendBatch([5; 32])));
}

#[test]
fn a_batch_that_was_refused_goes_again_at_once_and_a_single_record_later() {
    let mut session = open();
    session.handle(Event::RecordsStored, at(1));
    assert_eq!(session.poll_action(at(1).instant), Some(Action::SendBatch([5; 32])));
    session.handle(Event::BatchRefused, at(1));
    assert_eq!(session.poll_action(at(1).instant), Some(Action::SendBatch([5; 32])));
    session.handle(refused(Failure::MessageRefused { detail: "damaged".to_owned() }, 0), at(1));
    assert_eq!(session.open_session(), Some([5; 32]), "the session stands");
    assert_eq!(session.poll_action(at(1).instant), None);
    assert_eq!(session.poll_action(at(2).instant), Some(Action::SendBatch([5; 32])));
}

/// Each refusal costs a record: heartbeats that go well must not make them come faster.
#[test]
fn the_wait_after_a_refused_record_grows_until_one_is_acknowledged() {
    let mut session = open();
    let refuse = || refused(Failure::MessageRefused { detail: "damaged".to_owned() }, 0);
    let mut sent = 0;
    let mut second = 1;
    session.handle(Event::RecordsStored, at(second));
    while second < 3600 {
        match session.poll_action(at(second).instant) {
            Some(Action::SendBatch(_)) => {
                sent += 1;
                session.handle(refuse(), at(second));
            }
            Some(Action::Heartbeat(_)) => session.handle(heartbeat_answer(1), at(second)),
            Some(other) => panic!("{other:?}"),
            None => second += 1,
        }
    }
    assert!((60..160).contains(&sent), "{sent} in an hour, at most one in half a minute");
    session.handle(Event::Acknowledged, at(second));
    let _ = session.poll_action(at(second).instant);
    session.handle(refuse(), at(second));
    assert!(session.poll_timeout().is_some_and(|next| next <= at(second + 1).instant));
}

#[test]
fn a_busy_cloud_keeps_the_session_and_is_asked_again_later() {
    let mut session = open();
    session.handle(Event::RecordsStored, at(1));
    session.poll_action(at(1).instant);
    session.handle(refused(Failure::CloudFault { detail: "disk full".to_owned() }, 10), at(2));
    assert_eq!(step_states(session.status()), "++++++++");
    assert_eq!(session.poll_action(at(11).instant), None);
    assert_eq!(session.poll_action(at(12).instant), Some(Action::SendBatch([5; 32])));
    // A heartbeat that fails so does not hold up the records.
    session.handle(Event::Acknowledged, at(12));
    session.handle(Event::HeartbeatWanted, at(13));
    session.poll_action(at(13).instant);
    session.handle(refused(busy(), 20), at(13));
    assert_eq!(session.poll_action(at(13).instant), Some(Action::SendBatch([5; 32])));
    session.handle(Event::NoRecords, at(13));
    assert_eq!(session.poll_timeout(), Some(at(33).instant));
}

#[test]
fn a_heartbeat_that_is_answered_ends_the_growth_of_waits() {
    let mut session = open();
    let mut at_second = 1;
    let mut busy_heartbeat = |session: &mut Session| {
        session.handle(Event::HeartbeatWanted, at(at_second));
        session.poll_action(at(at_second).instant);
        session.handle(refused(busy(), 0), at(at_second));
        session.poll_action(at(at_second).instant);
        session.handle(Event::NoRecords, at(at_second));
        let due = session.poll_timeout().expect("a wait");
        let waited = due.saturating_duration_since(at(at_second).instant);
        at_second += 120;
        waited
    };
    let waits: Vec<_> = (0..8).map(|_| busy_heartbeat(&mut session)).collect();
    assert!(waits[7] > waits[0] * 4, "{waits:?}");
    session.handle(Event::HeartbeatWanted, at(5000));
    session.poll_action(at(5000).instant);
    session.handle(heartbeat_answer(1), at(5000));
    let again = busy_heartbeat(&mut session);
    assert!(again * 2 <= waits[7], "{again:?} after {waits:?}");
}

#[test]
fn every_other_failure_ends_the_session_and_a_handshake_begins() {
    let interrupted = Failure::Interrupted { detail: "reset".to_owned() };
    let cloned = Failure::ClonedDevice { other: "192.0.2.9".to_owned() };
    for failure in [Failure::SessionEnded, interrupted, cloned, closed(), Failure::Revoked] {
        let mut session = open();
        session.handle(Event::RecordsStored, at(1));
        session.poll_action(at(1).instant);
        session.handle(refused(failure.clone(), 0), at(2));
        assert_eq!(session.status().connected_since, None);
        assert_eq!(session.status().failed(), Some(&failure));
        let due = session.poll_timeout().expect("a wait");
        assert_eq!(session.poll_action(due), Some(Action::Greet(server("a"))));
        assert_eq!(step_states(session.status()), "........");
        assert!(session.status().last_failure.is_some());
    }
}

#[test]
fn the_poll_s_word_ends_its_own_session_only() {
    let lost = |session| {
        let refused = Refused { failure: Failure::SessionEnded, retry_after_seconds: 0 };
        Event::SessionLost { session, refused }
    };
    let mut session = open();
    session.handle(lost([4; 32]), at(1));
    assert_eq!(session.open_session(), Some([5; 32]));
    session.handle(lost([5; 32]), at(1));
    assert_eq!(session.open_session(), None);

    // While a request is under way, its end is awaited first.
    let mut session = open();
    session.handle(Event::RecordsStored, at(1));
    session.poll_action(at(1).instant);
    session.handle(lost([5; 32]), at(1));
    assert_eq!(session.poll_action(at(1).instant), None);
    session.handle(Event::Acknowledged, at(2));
    assert_eq!(session.open_session(), None);
    assert_eq!(session.status().last_failure, Some((at(2).wall, Failure::SessionEnded)));
}

#[test]
fn an_answer_that_does_not_fit_changes_nothing() {
    for event in [Event::Enrolled, Event::Challenged(challenge(true)), Event::Accepted(accepted())]
    {
        let mut session = open();
        let timeout = session.poll_timeout();
        session.handle(event, at(1));
        assert_eq!(session.poll_timeout(), timeout);
        assert_eq!(session.status().connected_since, Some(at(0).wall));
    }
}

#[test]
fn lease_serials_may_wrap() {
    let lease = |serial| Lease { serial, channels: 1 };
    assert!(is_newer(lease(2), lease(1)));
    assert!(!is_newer(lease(1), lease(1)));
    assert!(!is_newer(lease(1), lease(2)));
    assert!(is_newer(lease(0), lease(u32::MAX)));
}
