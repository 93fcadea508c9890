//! Channels and commands, from the sensor's side.

use super::*;

/// A sensor that applies grants as the sensor does: only newer ones.
struct Sensor {
    device: Device,
    lease: Lease,
    done: u64,
}

impl Sensor {
    fn new(cloud: &Cloud, name: &str) -> Self {
        let mut device = Device::new(name);
        device.enrol(cloud, cloud.token()).expect("enrolled");
        let lease = device.connect(cloud).expect("accepted").lease;
        Self { device, lease, done: 0 }
    }

    fn beat(&mut self, cloud: &Cloud, channels: u16) {
        let answer = self.device.beat(cloud, channels, self.lease.serial).expect("noted");
        self.apply(answer.lease);
    }

    fn apply(&mut self, lease: Lease) {
        if lease.serial > self.lease.serial {
            self.lease = lease;
        }
    }

    /// Polls and does as it is told; answers what that was.
    fn poll(&mut self, cloud: &Cloud, channels: u16) -> Vec<Command> {
        let polled = self.device.poll(cloud, self.done, None);
        if let Answer::Park { .. } = polled {
            return Vec::new();
        }
        let commands = answer::<Commands>(polled).expect("commands").commands;
        for (serial, command) in &commands {
            match command {
                Command::Lease(lease) => self.apply(*lease),
                Command::Rules(_) | Command::Retrieve(_) | Command::Upgrade(_) => {
                    panic!("nobody has asked for that")
                }
                Command::HeartbeatNow => self.beat(cloud, channels),
            }
            self.done = *serial;
        }
        commands.into_iter().map(|(_, command)| command).collect()
    }
}

#[test]
fn channels_move_to_a_newcomer_through_the_poll_without_waiting_for_heartbeats() {
    let cloud = Cloud::new();
    let mut first = Sensor::new(&cloud, "gate-1");
    first.beat(&cloud, 0);
    assert_eq!(first.lease.channels, 2000);
    assert!(matches!(first.device.poll(&cloud, 0, None), Answer::Park { .. }));
    cloud.notebook.take();

    let mut second = Sensor::new(&cloud, "gate-2");
    assert_eq!(second.lease.channels, 0, "all are still believed by the first");
    let key = super::super::poll::key(first.device.fingerprint());
    assert!(cloud.notebook.take().contains(&key), "the first is told at once");

    let told = first.poll(&cloud, 0);
    assert_eq!(told.len(), 2);
    assert_eq!((first.lease.channels, told[1].clone()), (1000, Command::HeartbeatNow));
    let key = super::super::poll::key(second.device.fingerprint());
    assert!(cloud.notebook.take().contains(&key), "the second is told at once");

    second.poll(&cloud, 0);
    assert_eq!(second.lease.channels, 1000);
    second.beat(&cloud, 0);
    assert!(first.poll(&cloud, 0).is_empty());
    assert!(second.poll(&cloud, 0).is_empty());
}

#[test]
fn an_offline_sensor_keeps_its_channels_until_it_is_removed() {
    let mut cloud = Cloud::new();
    let mut first = Sensor::new(&cloud, "gate-1");
    first.beat(&cloud, 0);
    cloud.wait(91);
    let mut second = Sensor::new(&cloud, "gate-2");
    second.beat(&cloud, 0);
    assert_eq!(second.lease.channels, 0);
    cloud.db.remove_sensor(first.device.fingerprint(), "test", cloud.now).expect("removed");
    second.beat(&cloud, 0);
    assert_eq!(second.lease.channels, 2000);
}

#[test]
fn a_sensor_that_leaves_gives_its_channels_back_and_gets_some_when_it_returns() {
    let mut cloud = Cloud::new();
    let mut first = Sensor::new(&cloud, "gate-1");
    first.beat(&cloud, 0);
    let mut second = Sensor::new(&cloud, "gate-2");
    assert_eq!(second.lease.channels, 0);
    let leaving = Heartbeat { is_leaving: true, ..heartbeat(&cloud, 0, first.lease.serial) };
    let answered: Result<HeartbeatAnswer, _> =
        first.device.ask(&cloud, "/uplink/heartbeat", &leaving);
    answered.expect("noted");
    second.poll(&cloud, 0);
    assert_eq!(second.lease.channels, 2000);
    // It was heard of a moment ago, and still nobody shares with it.
    cloud.wait(1);
    second.beat(&cloud, 0);
    assert_eq!(second.lease.channels, 2000);

    first.lease = first.device.connect(&cloud).expect("accepted").lease;
    assert_eq!(first.lease.channels, 0, "the second believes in all");
    second.poll(&cloud, 0);
    first.poll(&cloud, 0);
    assert_eq!((first.lease.channels, second.lease.channels), (1000, 1000));
}

#[test]
fn a_restarted_cloud_still_knows_what_sensors_believe() {
    let cloud = Cloud::new();
    let mut first = Sensor::new(&cloud, "gate-1");
    first.beat(&cloud, 0);
    let mut second = Sensor::new(&cloud, "gate-2");
    let cloud = cloud.restart();
    second.device.connect(&cloud).expect("accepted");
    second.beat(&cloud, 0);
    assert_eq!(second.lease.channels, 0, "the first has not acknowledged its reduction");
    let accepted = first.device.connect(&cloud).expect("accepted");
    first.apply(accepted.lease);
    assert_eq!(first.lease.channels, 1000);
    second.beat(&cloud, 0);
    assert_eq!(second.lease.channels, 0, "a grant is not an acknowledgement");
    first.beat(&cloud, 0);
    second.beat(&cloud, 0);
    assert_eq!(second.lease.channels, 1000);
}

#[test]
fn a_poll_is_parked_with_the_generation_of_before_and_for_the_time_that_is_left() {
    let cloud = Cloud::new();
    let mut sensor = Sensor::new(&cloud, "gate-1");
    sensor.beat(&cloud, 0);
    let key = super::super::poll::key(sensor.device.fingerprint());
    let parked = |seconds, generation| {
        let wait = Duration::from_secs(seconds);
        Answer::Park { key: key.clone(), wait, generation }
    };
    assert_eq!(sensor.device.poll(&cloud, 0, None), parked(50, 0));
    cloud.notebook.wake(&key);
    assert_eq!(sensor.device.poll(&cloud, 0, Some(Woken::Yes)), parked(30, 1));
    let endless = Poll { wait_seconds: u16::MAX, done: 0, rules: 0, refused_rules: Vec::new() };
    let body = envelope::seal(&endless).expect("seals");
    let session = sensor.device.session.as_deref();
    assert_eq!(cloud.ask("/uplink/poll", session, &body, sensor.device.peer), parked(50, 1));
    let polled = answer(sensor.device.poll(&cloud, 0, Some(Woken::Timeout)));
    assert_eq!(polled, Ok(Commands::default()));
}

#[test]
fn a_poll_that_a_newer_one_supersedes_says_nothing_and_one_of_a_sensor_waits() {
    let cloud = Cloud::new();
    let mut sensor = Sensor::new(&cloud, "gate-1");
    let superseded = answer(sensor.device.poll(&cloud, 0, Some(Woken::Superseded)));
    assert_eq!(superseded, Ok(Commands::default()));
    let told: Commands = answer(sensor.device.poll(&cloud, 0, None)).expect("commands");
    assert_eq!(told.commands.len(), 1, "what there was to say was left for the newer one");
    sensor.beat(&cloud, 0);
    let poll = Poll { wait_seconds: 50, done: 0, rules: 0, refused_rules: Vec::new() };
    let session = sensor.device.session.as_deref().expect("connected");
    let headers = vec![("authorization".to_owned(), format!("Bearer {session}"))];
    let mut request = crate::routes::tests::request("POST", "/uplink/poll", headers, "");
    request.body = envelope::seal(&poll).expect("seals");
    let park = cloud.uplink.respond(&request, cloud.now).park.expect("it waits");
    let share = park.share.expect("within a share");
    assert_eq!((share.of, share.most), (park.key, 1));
}

#[test]
fn a_command_that_is_not_carried_out_is_repeated_at_intervals() {
    let mut cloud = Cloud::new();
    let sensor = Sensor::new(&cloud, "gate-1");
    let told = |cloud: &Cloud| match sensor.device.poll(cloud, 0, None) {
        Answer::Park { .. } => 0,
        polled => answer::<Commands>(polled).expect("commands").commands.len(),
    };
    assert_eq!((told(&cloud), told(&cloud)), (1, 0));
    cloud.wait(10);
    assert_eq!(told(&cloud), 1);
}

#[test]
fn the_heartbeat_of_a_sensor_that_leaves_ends_its_session() {
    let mut cloud = Cloud::new();
    let device = Device::connected(&cloud, "gate-1");
    let leaving = Heartbeat { is_leaving: true, ..heartbeat(&cloud, 0, 1) };
    let answered: Result<HeartbeatAnswer, _> = device.ask(&cloud, "/uplink/heartbeat", &leaving);
    answered.expect("noted");
    assert!(device.beat(&cloud, 0, 1).is_err(), "the session is over");
    cloud.wait(1);
    let sensor = cloud.db.find_sensor(device.fingerprint()).expect("asked").expect("known");
    assert!(sensor.has_left() && !sensor.is_online(cloud.now));
}

#[test]
fn the_last_heartbeat_is_kept_and_three_missed_ones_are_offline() {
    let mut cloud = Cloud::new();
    let device = Device::connected(&cloud, "gate-1");
    device.beat(&cloud, 7, 1).expect("noted");
    let beat = heartbeat(&cloud, 7, 1);
    let beaten_at = cloud.now;
    for (wait, is_online) in [(90, true), (1, false)] {
        cloud.wait(wait);
        let sensor = cloud.db.find_sensor(device.fingerprint()).expect("asked").expect("known");
        assert_eq!(sensor.heartbeat, Some((beaten_at, beat.clone())));
        assert_eq!(sensor.is_online(cloud.now), is_online);
    }
}
