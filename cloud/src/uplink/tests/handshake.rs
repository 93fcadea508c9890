//! Every step of the handshake, and every way to be refused.

use super::*;
use crate::db::sensors::{MAX_STRANGERS, Stranger};
use crate::db::tokens::TOKEN_SECONDS;
use crate::uplink::handshake::{NONCE_SECONDS, UNPROVEN_NOTES_A_SECOND};

impl Cloud {
    /// The failure that the sensor's page shows.
    fn shown(&self, device: &Device) -> Option<Failure> {
        let sensor = self.db.find_sensor(device.fingerprint()).expect("asked").expect("known");
        sensor.failure.map(|(_, failure)| failure)
    }

    fn stranger(&self, device: &Device) -> Option<Stranger> {
        let strangers = self.db.strangers().expect("asked");
        strangers.into_iter().find(|stranger| stranger.device == device.fingerprint())
    }
}

#[test]
fn a_new_device_joins_with_a_token_and_is_accepted() {
    let cloud = Cloud::new();
    let mut device = Device::new("gate-1");
    let hello = device.hello(&cloud);
    let challenge = device.challenge(&cloud, &hello).expect("a challenge");
    assert_eq!((challenge.version, challenge.enrolled), (1, false));
    assert_eq!(challenge.cloud_time, cloud.now);
    let stranger = cloud.stranger(&device).expect("noted");
    assert_eq!((stranger.name.as_str(), stranger.failure), ("gate-1", Failure::NotEnrolled));

    let enrolled = device.enrol(&cloud, cloud.token()).expect("enrolled");
    assert_eq!(enrolled.customer, "Acme");
    assert_eq!(cloud.stranger(&device), None);
    assert!(device.challenge(&cloud, &hello).expect("a challenge").enrolled);

    let accepted = device.connect(&cloud).expect("accepted");
    assert_eq!((accepted.customer.as_str(), accepted.id_sensor), ("Acme", 1));
    assert_eq!(accepted.lease.channels, 2000);
    let sensor = cloud.db.find_sensor(device.fingerprint()).expect("asked").expect("known");
    assert_eq!((sensor.boot, sensor.address.as_str()), (Some(device.boot), "192.0.2.7"));
    assert_eq!(sensor.target, "aarch64-unknown-linux-musl");
    assert!(sensor.is_online(cloud.now));
}

#[test]
fn a_device_without_a_token_is_told_how_to_enrol() {
    let cloud = Cloud::new();
    let mut device = Device::new("gate-1");
    assert_eq!(device.connect(&cloud), Err(Failure::NotEnrolled));
    assert_eq!(cloud.stranger(&device).map(|it| it.failure), Some(Failure::NotEnrolled));
}

#[test]
fn an_unknown_token_is_refused_and_noted() {
    let cloud = Cloud::new();
    let device = Device::new("gate-1");
    assert_eq!(device.enrol(&cloud, [9; 16]), Err(Failure::TokenUnknown));
    assert_eq!(cloud.stranger(&device).map(|it| it.failure), Some(Failure::TokenUnknown));
}

#[test]
fn a_token_is_for_one_device_which_may_repeat_it() {
    let cloud = Cloud::new();
    let (first, second) = (Device::new("gate-1"), Device::new("gate-2"));
    let token = cloud.token();
    assert!(first.enrol(&cloud, token).is_ok());
    assert!(first.enrol(&cloud, token).is_ok());
    assert_eq!(second.enrol(&cloud, token), Err(Failure::TokenUsed));
}

#[test]
fn a_token_expires_after_seven_days_unless_it_was_used() {
    let mut cloud = Cloud::new();
    let device = Device::new("gate-1");
    let (used, unused) = (cloud.token(), cloud.token());
    device.enrol(&cloud, used).expect("in time");
    let at = cloud.now.plus(TOKEN_SECONDS * MICROS_PER_SECOND);
    cloud.wait(TOKEN_SECONDS);
    assert!(device.enrol(&cloud, used).is_ok());
    let late = Device::new("gate-2");
    assert_eq!(late.enrol(&cloud, unused), Err(Failure::TokenExpired { at }));
}

#[test]
fn a_revoked_device_comes_back_with_a_new_token_and_its_number() {
    let cloud = Cloud::new();
    let _other = Device::connected(&cloud, "gate-0");
    let mut device = Device::new("gate-1");
    let token = cloud.token();
    device.enrol(&cloud, token).expect("enrolled");
    assert_eq!(device.connect(&cloud).expect("accepted").id_sensor, 2);
    cloud.db.revoke_sensor(device.fingerprint(), "test", cloud.now).expect("revoked");

    assert_eq!(device.beat(&cloud, 0, 0), Err(Failure::Revoked));
    assert_eq!(device.beat(&cloud, 0, 0), Err(Failure::SessionEnded));
    assert_eq!(device.connect(&cloud), Err(Failure::Revoked));
    assert_eq!(cloud.shown(&device), Some(Failure::Revoked));
    assert_eq!(device.enrol(&cloud, token), Err(Failure::Revoked));

    device.enrol(&cloud, cloud.token()).expect("a new token");
    assert_eq!(device.connect(&cloud).expect("accepted").id_sensor, 2);
    assert_eq!(cloud.shown(&device), None);
}

#[test]
fn a_removed_device_gives_up_its_number_and_its_session() {
    let cloud = Cloud::new();
    let mut first = Device::connected(&cloud, "gate-1");
    cloud.db.remove_sensor(first.fingerprint(), "test", cloud.now).expect("removed");
    assert_eq!(first.beat(&cloud, 0, 0), Err(Failure::NotEnrolled));
    assert_eq!(first.connect(&cloud), Err(Failure::NotEnrolled));
    let mut second = Device::new("gate-2");
    second.enrol(&cloud, cloud.token()).expect("enrolled");
    assert_eq!(second.connect(&cloud).expect("accepted").id_sensor, 1);
}

#[test]
fn a_device_that_moves_to_another_customer_leaves_its_session_and_number() {
    let cloud = Cloud::new();
    let _first = Device::connected(&cloud, "gate-1");
    let mut device = Device::connected(&cloud, "gate-2");
    let other = cloud.db.create_customer("Other", cloud.now).expect("made").expect("new");
    let secret = random();
    cloud.db.create_enrolment_token(other, &secret, "test", cloud.now).expect("a token");
    assert_eq!(device.enrol(&cloud, secret).expect("moved").customer, "Other");
    assert_eq!(device.beat(&cloud, 0, 0), Err(Failure::SessionEnded));
    let accepted = device.connect(&cloud).expect("accepted");
    assert_eq!((accepted.customer.as_str(), accepted.id_sensor), ("Other", 1));
}

#[test]
fn a_signature_of_another_key_is_refused() {
    let cloud = Cloud::new();
    let device = Device::connected(&cloud, "gate-1");
    let mut prove = device.proof(&cloud).expect("a challenge");
    prove.signature[5] ^= 1;
    let refused = device.ask::<_, Accepted>(&cloud, "/uplink/session", &prove);
    assert_eq!(refused, Err(Failure::BadSignature));
    assert_eq!(cloud.shown(&device), Some(Failure::BadSignature));
}

#[test]
fn a_signature_for_another_boot_is_refused() {
    let cloud = Cloud::new();
    let device = Device::connected(&cloud, "gate-1");
    let mut prove = device.proof(&cloud).expect("a challenge");
    prove.hello.boot = Boot(random());
    let refused = device.ask::<_, Accepted>(&cloud, "/uplink/session", &prove);
    assert_eq!(refused, Err(Failure::BadSignature));
}

#[test]
fn a_challenge_is_good_for_a_minute_and_across_a_restart() {
    let mut cloud = Cloud::new();
    let device = Device::connected(&cloud, "gate-1");
    let prove = device.proof(&cloud).expect("a challenge");
    cloud.wait(NONCE_SECONDS);
    let mut cloud = cloud.restart();
    assert!(device.ask::<_, Accepted>(&cloud, "/uplink/session", &prove).is_ok());
    cloud.wait(1);
    let late = device.ask::<_, Accepted>(&cloud, "/uplink/session", &prove);
    assert!(matches!(late, Err(Failure::CloudFault { .. })), "{late:?}");
    let forged = device.sign(device.hello(&cloud), random());
    assert!(device.ask::<_, Accepted>(&cloud, "/uplink/session", &forged).is_err());
}

#[test]
fn a_clock_off_by_more_than_300_s_is_noted_and_refused() {
    let cloud = Cloud::new();
    let device = Device::connected(&cloud, "gate-1");
    for (seconds, is_refused) in [(300, false), (301, true)] {
        let mut hello = device.hello(&cloud);
        hello.sensor_time = UnixMicros(cloud.now.0 - seconds * MICROS_PER_SECOND);
        let challenge = device.challenge(&cloud, &hello).expect("the cloud's time");
        let skew = Failure::ClockSkew { sensor_time: hello.sensor_time, cloud_time: cloud.now };
        assert_eq!(cloud.shown(&device) == Some(skew.clone()), is_refused);
        let prove = device.sign(hello, challenge.nonce);
        let proved = device.ask::<_, Accepted>(&cloud, "/uplink/session", &prove);
        assert_eq!(proved.err(), is_refused.then_some(skew));
    }
}

#[test]
fn versions_that_do_not_meet_are_told_which_side_to_upgrade() {
    let cloud = Cloud::new();
    let device = Device::connected(&cloud, "gate-1");
    let versions = |oldest_version, newest_version| {
        let hello = Hello { oldest_version, newest_version, ..device.hello(&cloud) };
        device.challenge(&cloud, &hello).map(|challenge| challenge.version)
    };
    let too_old = Failure::SensorTooOld { sensor: 0, cloud_oldest: 1 };
    let too_new = Failure::CloudTooOld { sensor_oldest: 2, cloud: 1 };
    assert_eq!(versions(1, 9), Ok(1));
    assert_eq!(versions(0, 0), Err(too_old.clone()));
    assert_eq!(cloud.shown(&device), Some(too_old.clone()));
    assert_eq!(versions(2, 9), Err(too_new.clone()));
    assert_eq!(cloud.shown(&device), Some(too_new.clone()));

    let mut envelope = envelope::seal(&device.hello(&cloud)).expect("seals");
    for (version, failure) in [(0, too_old), (2, too_new)] {
        envelope[2] = version;
        for path in ["/uplink/hello", "/uplink/session", "/uplink/enrol"] {
            let refused = answer::<Challenge>(cloud.ask(path, None, &envelope, device.peer));
            assert_eq!(refused, Err(failure.clone()), "version {version} at {path}");
        }
    }
}

#[test]
fn a_number_is_unique_within_a_customer() {
    let cloud = Cloud::new();
    let mut first = Device::new("gate-1");
    first.id_sensor = Some(2);
    first.enrol(&cloud, cloud.token()).expect("enrolled");
    assert_eq!(first.connect(&cloud).expect("accepted").id_sensor, 2);

    let mut second = Device::new("gate-2");
    second.enrol(&cloud, cloud.token()).expect("enrolled");
    second.id_sensor = Some(2);
    let taken = Failure::IdTaken { id_sensor: 2, by: "gate-1".to_owned() };
    assert_eq!(second.connect(&cloud), Err(taken.clone()));
    assert_eq!(cloud.shown(&second), Some(taken));
    let row = cloud.db.find_sensor(second.fingerprint()).expect("read").expect("a row");
    assert!(!row.software.is_empty() && !row.target.is_empty(), "what it says of itself is kept");
    assert_eq!(row.address, "192.0.2.7");
    second.id_sensor = None;
    assert_eq!(second.connect(&cloud).expect("accepted").id_sensor, 1);
    assert_eq!(cloud.shown(&second), None);

    let mut third = Device::new("gate-3");
    third.enrol(&cloud, cloud.token()).expect("enrolled");
    assert_eq!(third.connect(&cloud).expect("accepted").id_sensor, 3);
    second.id_sensor = Some(40);
    assert_eq!(second.connect(&cloud).expect("renumbered").id_sensor, 40);
    second.id_sensor = None;
    assert_eq!(second.connect(&cloud).expect("keeps it").id_sensor, 40);
}

#[test]
fn a_copied_device_is_refused_at_both_machines_until_one_is_silent() {
    let mut cloud = Cloud::new();
    let seed = random();
    let (mut first, mut second) =
        (Device::with_seed("gate", &seed), Device::with_seed("copy", &seed));
    second.peer = SocketAddr::from(([198, 51, 100, 9], 40_000));
    first.enrol(&cloud, cloud.token()).expect("enrolled");
    first.connect(&cloud).expect("accepted");
    cloud.wait(10);
    second.connect(&cloud).expect("looks like a restart");
    cloud.wait(10);
    assert_eq!(first.beat(&cloud, 0, 0), Err(Failure::SessionEnded));
    let at_second = Failure::ClonedDevice { other: "198.51.100.9".to_owned() };
    let at_first = Failure::ClonedDevice { other: "192.0.2.7".to_owned() };
    assert_eq!(first.connect(&cloud), Err(at_second.clone()));
    assert_eq!(second.beat(&cloud, 0, 0), Err(at_first.clone()));
    assert_eq!(cloud.shown(&second), Some(at_first.clone()));
    assert_eq!(second.connect(&cloud), Err(at_first));
    cloud.wait(60);
    assert_eq!(first.connect(&cloud), Err(at_second));
    cloud.wait(30);
    first.connect(&cloud).expect("the copy has been silent for 90 s");
    assert!(first.beat(&cloud, 0, 0).is_ok());
}

#[test]
fn a_refusal_says_when_to_come_back() {
    let cloud = Cloud::new();
    let seed = random();
    let (mut first, mut second) =
        (Device::with_seed("gate", &seed), Device::with_seed("copy", &seed));
    first.enrol(&cloud, cloud.token()).expect("enrolled");
    first.connect(&cloud).expect("accepted");
    second.connect(&cloud).expect("looks like a restart");
    let body = envelope::seal(&first.proof(&cloud).expect("a challenge")).expect("seals");
    let Answer::Message(refused) = cloud.ask("/uplink/session", None, &body, first.peer) else {
        panic!("no message")
    };
    let refused: Refused = envelope::open(&refused).expect("a refusal");
    assert_eq!(refused.retry_after_seconds, 30);
}

#[test]
fn a_restart_of_the_cloud_ends_sessions() {
    let cloud = Cloud::new();
    let mut device = Device::connected(&cloud, "gate-1");
    let cloud = cloud.restart();
    assert_eq!(device.beat(&cloud, 0, 0), Err(Failure::SessionEnded));
    assert_eq!(device.connect(&cloud).expect("accepted").id_sensor, 1);
    assert!(device.beat(&cloud, 0, 0).is_ok());
}

#[test]
fn what_a_sensor_reports_of_steps_before_the_cloud_is_kept() {
    let cloud = Cloud::new();
    let device = Device::connected(&cloud, "gate-1");
    let at = UnixMicros(cloud.now.0 - 5);
    let failure = Failure::NoSuchName { host: "cloud.example.net".to_owned() };
    let report = |failure: Failure| {
        let hello = Hello { last_failure: Some((at, failure)), ..device.hello(&cloud) };
        let nonce = device.challenge(&cloud, &hello).expect("a challenge").nonce;
        let prove = device.sign(hello, nonce);
        device.ask::<_, Accepted>(&cloud, "/uplink/session", &prove).expect("accepted");
        let sensor = cloud.db.find_sensor(device.fingerprint()).expect("asked").expect("known");
        sensor.reported
    };
    assert_eq!(report(failure.clone()), Some((at, failure.clone())));
    let endless = Failure::NoSuchName { host: "x".repeat(10_000) };
    assert_eq!(report(endless), Some((at, failure)), "too long to keep");
}

#[test]
fn strangers_are_bounded_in_number_and_in_rate() {
    let mut cloud = Cloud::new();
    let knock = |cloud: &Cloud| {
        for _ in 0..UNPROVEN_NOTES_A_SECOND + 5 {
            let device = Device::new("x");
            device.challenge(cloud, &device.hello(cloud)).expect("a challenge");
        }
        cloud.db.strangers().expect("asked")
    };
    let a_second = UNPROVEN_NOTES_A_SECOND as usize;
    assert_eq!(knock(&cloud).len(), a_second);
    let sql = "INSERT INTO stranger (device, name, address, software, target, failure, at) WITH \
               RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?1) SELECT \
               CAST(CAST(1000000000000000 + n AS TEXT) AS BLOB), '', '', '', '', x'0d', n FROM n";
    cloud.db.writer().execute(sql, [MAX_STRANGERS - 15]).expect("filled");
    cloud.wait(1);
    let strangers = knock(&cloud);
    assert_eq!(strangers.len(), MAX_STRANGERS as usize);
    assert!(strangers[..2 * a_second].iter().all(|stranger| stranger.name == "x"));
    assert_eq!(strangers.last().map(|oldest| oldest.at), Some(UnixMicros(6)), "five have left");
}

#[test]
fn a_flood_of_made_up_devices_hides_no_sensors_failure() {
    let cloud = Cloud::new();
    let device = Device::connected(&cloud, "gate-1");
    for _ in 0..UNPROVEN_NOTES_A_SECOND * 3 {
        let made_up = Device::new("x");
        made_up.challenge(&cloud, &made_up.hello(&cloud)).expect("a challenge");
    }
    let hello = Hello { newest_version: 0, oldest_version: 0, ..device.hello(&cloud) };
    assert!(device.challenge(&cloud, &hello).is_err());
    assert!(matches!(cloud.shown(&device), Some(Failure::SensorTooOld { .. })));
}

#[test]
fn what_is_no_message_gets_a_status_and_a_sentence() {
    let cloud = Cloud::new();
    let device = Device::connected(&cloud, "gate-1");
    let ask =
        |path, body: &[u8]| match cloud.ask(path, device.session.as_deref(), body, device.peer) {
            Answer::Status(status, _) => status,
            other => panic!("{other:?}"),
        };
    assert_eq!(ask("/uplink/nothing", b""), 404);
    for path in ["/uplink/hello", "/uplink/enrol", "/uplink/session"] {
        assert_eq!(ask(path, b"GET / HTTP/1.1"), 400, "{path}");
        assert_eq!(ask(path, b"RS\x01\xff\x00"), 400, "{path}");
        assert_eq!(ask(path, &[0; 65 << 10]), 413, "{path}");
    }
}

#[test]
fn a_bearer_that_is_none_is_an_ended_session() {
    let cloud = Cloud::new();
    let mut device = Device::connected(&cloud, "gate-1");
    for bearer in [None, Some(""), Some("zz"), Some(&*"00".repeat(32))] {
        device.session = bearer.map(str::to_owned);
        assert_eq!(device.beat(&cloud, 0, 0), Err(Failure::SessionEnded));
    }
}

proptest::proptest! {
    #[test]
    fn hostile_bytes_panic_nothing(
        body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
        kind in 0u8..16,
    ) {
        thread_local! {
            static CLOUD: (Cloud, String) = {
                let cloud = Cloud::new();
                let device = Device::connected(&cloud, "gate-1");
                let session = device.session.clone().expect("a session");
                (cloud, session)
            };
        }
        CLOUD.with(|(cloud, session)| {
            let mut envelope = vec![b'R', b'S', 1, kind, 0];
            envelope.extend_from_slice(&body);
            let peer = SocketAddr::from(([192, 0, 2, 7], 1));
            for path in ["hello", "enrol", "session", "cdrs", "heartbeat", "poll"] {
                let path = format!("/uplink/{path}");
                let _ = cloud.ask(&path, Some(session.as_str()), &envelope, peer);
            }
        });
    }
}
