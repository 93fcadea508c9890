//! From outbox to acknowledgement: each record in the cloud once, whatever breaks in between.

mod uplink_support;

use std::time::Duration;

use ringside_protocol::message::{Command, Lease};
use ringside_protocol::step::Failure;
use ringside_sensor::identity::Identity;
use ringside_sensor::uplink::{Settings, Uplink};

use uplink_support::cloud::Fault;
use uplink_support::{
    SOON, TestCloud, TestDir, TestHost, cdr, open_outbox, settings_with_token, start, start_with,
    wait_connected, wait_for,
};

#[test]
fn records_are_delivered_and_deleted() {
    let (dir, cloud) = (TestDir::new(), TestCloud::new());
    let sensor = start(settings_with_token(&dir, &cloud));
    (1..=1200).for_each(|number| sensor.outbox.push(cdr(number)));
    assert!(sensor.uplink.wait_until_drained(SOON));
    assert_eq!(cloud.numbers(), (1..=1200).collect::<Vec<_>>());
    let figures = sensor.outbox.figures();
    assert_eq!((figures.stored, figures.acknowledged, figures.outstanding()), (1200, 1200, 0));
}

#[test]
fn a_record_made_while_connected_is_delivered_within_seconds() {
    let (dir, cloud) = (TestDir::new(), TestCloud::new());
    let sensor = start(settings_with_token(&dir, &cloud));
    wait_connected(&sensor);
    let begun = std::time::Instant::now();
    sensor.outbox.push(cdr(1));
    wait_for("the row", || cloud.numbers() == [1]);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn an_answer_that_is_cut_off_brings_the_same_bytes_again() {
    for fault in [Fault::CutBefore, Fault::CutAfter] {
        let (dir, cloud) = (TestDir::new(), TestCloud::new());
        let commits = if matches!(fault, Fault::CutAfter) { 2 } else { 1 };
        // Twice: the client repeats a request once by itself over a new connection.
        cloud.fault("/uplink/cdrs", fault.clone());
        let sensor = start(settings_with_token(&dir, &cloud));
        (1..=20).for_each(|number| sensor.outbox.push(cdr(number)));
        assert!(sensor.uplink.wait_until_drained(SOON));
        let state = cloud.state();
        assert_eq!(state.rows.len(), 20, "{fault:?}");
        let deliveries: Vec<_> = state.rows.values().collect();
        assert!(deliveries.iter().any(|bytes| bytes.len() == commits), "{fault:?}");
        assert!(
            deliveries.iter().all(|bytes| bytes.windows(2).all(|pair| pair[0] == pair[1])),
            "{fault:?}"
        );
    }
}

#[test]
fn nothing_is_deleted_before_it_is_acknowledged() {
    let (dir, cloud) = (TestDir::new(), TestCloud::new());
    let fault = Failure::CloudFault { detail: "the database is read-only".to_owned() };
    cloud.state().refuse.insert("/uplink/cdrs", (fault, 0));
    let sensor = start(settings_with_token(&dir, &cloud));
    (1..=5).for_each(|number| sensor.outbox.push(cdr(number)));
    let tries = || cloud.state().requests.iter().filter(|path| *path == "/uplink/cdrs").count();
    wait_for("three tries", || tries() >= 3);
    assert_eq!(sensor.outbox.figures().outstanding(), 5);
    assert!(sensor.uplink.status().connected_since.is_some(), "the session stands");
    assert_eq!(cloud.state().hellos.len(), 2, "one to enrol, one to connect");
    cloud.state().refuse.clear();
    assert!(sensor.uplink.wait_until_drained(SOON));
    assert_eq!(cloud.numbers(), [1, 2, 3, 4, 5]);
}

/// Requests with batches, so far.
fn batches(cloud: &TestCloud) -> usize {
    cloud.state().requests.iter().filter(|path| *path == "/uplink/cdrs").count()
}

#[test]
fn a_record_that_the_cloud_cannot_read_is_let_go_and_all_others_arrive() {
    let (dir, cloud) = (TestDir::new(), TestCloud::new());
    cloud.state().unreadable.insert(77);
    let sensor = start_with(settings_with_token(&dir, &cloud), 200);
    assert!(sensor.uplink.wait_until_drained(SOON));
    let expected: Vec<u64> = (1..=200).filter(|&number| number != 77).collect();
    assert_eq!(cloud.numbers(), expected);
    let figures = sensor.outbox.figures();
    assert_eq!((figures.acknowledged, figures.refused, figures.dropped), (199, 1, 0));
    assert_eq!(cloud.state().hellos.len(), 2, "in one session: one to enrol, one to connect");
    assert!(batches(&cloud) < 40, "halved, not sent one by one: {}", batches(&cloud));
    let status = sensor.uplink.status();
    assert!(matches!(status.last_failure, Some((_, Failure::MessageRefused { .. }))), "{status:?}");
}

#[test]
fn a_cloud_that_can_read_nothing_costs_few_records() {
    let (dir, cloud) = (TestDir::new(), TestCloud::new());
    cloud.state().unreadable.extend(1..=100);
    let sensor = start_with(settings_with_token(&dir, &cloud), 100);
    wait_for("a record to be let go", || sensor.outbox.figures().refused >= 1);
    assert!(sensor.outbox.figures().outstanding() >= 98, "the next one waits");
    cloud.state().unreadable.clear();
    assert!(sensor.uplink.wait_until_drained(SOON));
}

#[test]
fn records_that_the_cloud_refuses_one_by_one_are_gone_and_counted() {
    let (dir, cloud) = (TestDir::new(), TestCloud::new());
    cloud.state().implausible.extend([3, 7]);
    let sensor = start_with(settings_with_token(&dir, &cloud), 10);
    assert!(sensor.uplink.wait_until_drained(SOON));
    assert_eq!(cloud.numbers(), [1, 2, 4, 5, 6, 8, 9, 10]);
    let figures = sensor.outbox.figures();
    assert_eq!((figures.acknowledged, figures.refused), (8, 2));
}

/// A proxy between the two may take less than the cloud does, or give up sooner.
#[test]
fn a_batch_that_is_too_large_or_too_slow_for_the_way_goes_in_smaller_ones() {
    let slow = Failure::CloudFault { detail: "408: too slow".to_owned() };
    for faults in [
        vec![Fault::Http(413, "text/html", Vec::new())],
        vec![Fault::Refuse(slow, 0)],
        // A refusal that only a newer sensor knows.
        vec![Fault::Http(200, "x", b"RS\x01\x07\x00\x7f".to_vec())],
        // The client repeats a request once by itself over a new connection.
        vec![Fault::CutBefore; 2],
    ] {
        let (dir, cloud) = (TestDir::new(), TestCloud::new());
        for fault in &faults {
            cloud.fault("/uplink/cdrs", fault.clone());
        }
        let sensor = start_with(settings_with_token(&dir, &cloud), 40);
        assert!(sensor.uplink.wait_until_drained(SOON), "{faults:?}");
        assert_eq!(cloud.numbers(), (1..=40).collect::<Vec<_>>(), "{faults:?}");
        assert_eq!(sensor.outbox.figures().refused, 0, "{faults:?}");
        // What failed, a half, and the rest.
        assert_eq!(batches(&cloud), faults.len() + 2, "{faults:?}");
    }
}

#[test]
fn records_of_an_earlier_start_are_delivered_under_its_boot() {
    let (dir, cloud) = (TestDir::new(), TestCloud::new());
    cloud.state().refuse.insert("/uplink/session", (Failure::Revoked, 0));
    let sensor = start(settings_with_token(&dir, &cloud));
    (1..=3).for_each(|number| sensor.outbox.push(cdr(number)));
    sensor.outbox.flush();
    sensor.uplink.stop();
    drop(sensor.outbox);
    cloud.state().refuse.clear();
    let sensor = start(settings_with_token(&dir, &cloud));
    (1..=2).for_each(|number| sensor.outbox.push(cdr(number)));
    assert!(sensor.uplink.wait_until_drained(SOON));
    let state = cloud.state();
    let (mut of_old, mut of_new) = (0, 0);
    let boot = state.hellos.last().expect("a hello").boot;
    for (of, _) in state.rows.keys() {
        if *of == boot { of_new += 1 } else { of_old += 1 }
    }
    assert_eq!((of_old, of_new), (3, 2));
}

#[test]
fn a_fault_of_our_own_does_not_end_the_uplink() {
    let (dir, cloud) = (TestDir::new(), TestCloud::new());
    let settings = settings_with_token(&dir, &cloud);
    let identity = Identity::load_or_create(&settings.directory).expect("identity");
    let outbox = open_outbox(&settings, &identity);
    let host = TestHost { is_faulty: true.into(), ..TestHost::default() };
    let uplink = Uplink::start(settings, identity, outbox.clone(), host).expect("start");
    outbox.push(cdr(1));
    assert!(uplink.wait_until_drained(SOON));
    let status = uplink.status();
    assert!(matches!(status.last_failure, Some((_, Failure::Interrupted { .. }))), "{status:?}");
    uplink.stop();
}

#[test]
fn a_session_that_the_cloud_has_forgotten_is_opened_anew() {
    let (dir, cloud) = (TestDir::new(), TestCloud::new());
    let sensor = start(settings_with_token(&dir, &cloud));
    wait_connected(&sensor);
    wait_for("a poll", || cloud.state().requests.iter().any(|path| path == "/uplink/poll"));
    cloud.forget_sessions();
    // The poll hears of it at once, long before the next heartbeat.
    wait_for("a new session", || cloud.state().sessions.len() == 1);
    assert!(matches!(sensor.uplink.status().last_failure, Some((_, Failure::SessionEnded))));
    sensor.outbox.push(cdr(1));
    assert!(sensor.uplink.wait_until_drained(SOON));
    let state = cloud.state();
    assert!(state.hellos.windows(2).all(|pair| pair[0].boot == pair[1].boot), "no clone");
}

#[test]
fn heartbeats_carry_health_and_outbox() {
    let (dir, cloud) = (TestDir::new(), TestCloud::new());
    cloud.state().heartbeat_seconds = 1;
    let sensor = start(settings_with_token(&dir, &cloud));
    sensor.outbox.push(cdr(1));
    assert!(sensor.uplink.wait_until_drained(SOON));
    let seen = || cloud.state().heartbeats.last().cloned();
    wait_for("a heartbeat", || seen().is_some_and(|heartbeat| heartbeat.counters.len() > 1));
    let heartbeat = seen().expect("a heartbeat");
    let counters: Vec<_> =
        heartbeat.counters.iter().map(|(counter, count)| (counter.name(), *count)).collect();
    assert_eq!(counters, [("cdrs_stored", 1), ("cdrs_acknowledged", 1)]);
    assert_eq!((heartbeat.channels, heartbeat.lease_serial), (3, 1));
    assert_eq!((heartbeat.outbox_cdrs, heartbeat.outbox_bytes), (0, (0, 64 << 20)));
    assert_eq!(heartbeat.interfaces[0].name, "eth0");
}

#[test]
fn a_command_is_carried_out_at_once_and_its_lease_acknowledged() {
    let (dir, cloud) = (TestDir::new(), TestCloud::new());
    let sensor = start(settings_with_token(&dir, &cloud));
    wait_connected(&sensor);
    wait_for("a poll", || cloud.state().requests.iter().any(|path| path == "/uplink/poll"));
    let lease = Lease { serial: 2, channels: 40 };
    cloud.state().lease = lease;
    let begun = std::time::Instant::now();
    cloud.command(1, Command::Lease(lease));
    let acknowledged = || cloud.state().heartbeats.last().is_some_and(|h| h.lease_serial == 2);
    wait_for("the acknowledgement", acknowledged);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let first = Lease { serial: 1, channels: 100 };
    assert_eq!(*sensor.leases.lock().expect("leases"), [first, lease]);
    let beats = cloud.state().heartbeats.len();
    cloud.command(2, Command::HeartbeatNow);
    wait_for("one more", || cloud.state().heartbeats.len() > beats);
}

#[test]
fn a_cloud_whose_polls_do_not_wait_is_not_asked_without_pause() {
    let (dir, cloud) = (TestDir::new(), TestCloud::new());
    cloud.state().polls_do_not_wait = true;
    let _sensor = start(settings_with_token(&dir, &cloud));
    let polls = || cloud.state().requests.iter().filter(|path| *path == "/uplink/poll").count();
    wait_for("the first poll", || polls() == 1);
    let begun = std::time::Instant::now();
    wait_for("two more", || polls() == 3);
    assert!(begun.elapsed() > Duration::from_millis(1500), "{:?}", begun.elapsed());
}

#[test]
fn one_connection_serves_all_requests_of_a_thread() {
    let (dir, cloud) = (TestDir::new(), TestCloud::new());
    cloud.state().heartbeat_seconds = 1;
    let sensor = start(settings_with_token(&dir, &cloud));
    wait_connected(&sensor);
    (1..=600).for_each(|number| sensor.outbox.push(cdr(number)));
    assert!(sensor.uplink.wait_until_drained(SOON));
    wait_for("heartbeats", || cloud.state().heartbeats.len() >= 3);
    // Enrolment, session, poll; the one that took the pin asked for nothing.
    assert_eq!(cloud.state().connections, 3);
}

#[test]
fn calls_seen_before_the_time_was_known_arrive_with_their_true_times() {
    use ringside_protocol::time::UnixMicros;
    use ringside_sensor::clock::{Now, WallClock};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    let (dir, cloud) = (TestDir::new(), TestCloud::new());
    let is_set = Arc::new(AtomicBool::new(false));
    let true_time = embassy_time::Instant::now().as_micros();
    let read = Arc::clone(&is_set);
    // The process believes to have started ten minutes after the epoch.
    let clock = WallClock::reading(move || {
        let elapsed = embassy_time::Instant::now().as_micros() - true_time;
        let line = 600_000_000 + elapsed;
        let wall = if read.load(Ordering::SeqCst) { true_time + elapsed } else { line };
        Now { instant: embassy_time::Instant::from_micros(line), wall: UnixMicros(wall) }
    });
    let sensor = start(Settings { clock, ..settings_with_token(&dir, &cloud) });
    let mut early = cdr(1);
    early.first_at = UnixMicros(600_000_000);
    sensor.outbox.push(early);
    wait_for("the clock's failure", || {
        matches!(sensor.uplink.status().last_failure, Some((_, Failure::CertificateTime { .. })))
    });
    is_set.store(true, Ordering::SeqCst);
    assert!(sensor.uplink.wait_until_drained(SOON));
    let state = cloud.state();
    let bytes = &state.rows.values().next().expect("a row")[0];
    let row: ringside_protocol::record::Record = postcard::from_bytes(bytes).expect("a record");
    let row = row.into_call().expect("a call");
    assert!(row.first_at.0.abs_diff(true_time) < 1_000_000, "{}", row.first_at.to_rfc3339());
    assert_eq!(row.flags, 0);
    assert_eq!(sensor.outbox.figures().rebased, 1);
}
