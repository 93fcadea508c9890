//! `doctor` beside a running sensor and without one.

mod uplink_support;

use ringside_protocol::step::Failure;
use ringside_sensor::doctor::{Outcome, StepReport, cloud_steps, is_all_ok, table};
use ringside_sensor::identity::Server;
use ringside_sensor::terminal::Style;
use ringside_sensor::uplink::enrol::enrol;
use ringside_sensor::uplink::{Running, Settings, Status};

use uplink_support::{
    TestCloud, TestDir, failure_of, settings, settings_with_token, start, wait_for,
};

/// `+` ok, `!` failed, `.` not reached.
fn marks(reports: &[StepReport]) -> String {
    let mark = |report: &StepReport| match report.state {
        Outcome::Ok => '+',
        Outcome::Failed => '!',
        Outcome::NotReached => '.',
    };
    reports.iter().map(mark).collect()
}

/// Waits until the running sensor has written down a status that is as `wanted`.
fn wait_for_status(dir: &TestDir, wanted: impl Fn(&Status) -> bool) {
    wait_for("the sensor's status", || {
        let running = Running::read(dir.path()).expect("status");
        running.is_some_and(|running| wanted(&running.status))
    });
}

#[test]
fn without_a_running_sensor_every_step_is_taken() {
    let (dir, cloud) = (TestDir::new(), TestCloud::new());
    enrol(&cloud.token().to_string(), None, settings(&dir, &cloud)).expect("enrolled");
    let reports = cloud_steps(settings(&dir, &cloud));
    assert!(is_all_ok(&reports), "{}", table(&reports, Style::PLAIN));
    assert_eq!(marks(&reports), "++++++++");
    assert_eq!(reports[6].sentence, "sensor 1 of Example");
    let state = cloud.state();
    assert_eq!(state.sessions.len(), 1);
    // Nobody runs behind that session, so it has ended.
    assert!(state.heartbeats.iter().map(|beat| beat.is_leaving).eq([true]));
}

#[test]
fn beside_a_running_sensor_doctor_is_no_clone() {
    let (dir, cloud) = (TestDir::new(), TestCloud::new());
    let _sensor = start(settings_with_token(&dir, &cloud));
    wait_for_status(&dir, |status| status.connected_since.is_some());
    let reports = cloud_steps(settings(&dir, &cloud));
    assert_eq!(marks(&reports), "++++++++", "{}", table(&reports, Style::PLAIN));
    assert!(reports[7].sentence.contains("is connected since"), "{}", reports[7].sentence);
    let state = cloud.state();
    assert_eq!(state.sessions.len(), 1, "the sensor's own");
    assert!(state.hellos.windows(2).all(|pair| pair[0].boot == pair[1].boot));
}

#[test]
fn what_the_running_sensor_was_refused_is_told() {
    let (dir, cloud) = (TestDir::new(), TestCloud::new());
    let taken = Failure::IdTaken { id_sensor: 7, by: "branch office".to_owned() };
    cloud.state().refuse.insert("/uplink/session", (taken.clone(), 600));
    let sensor = start(settings_with_token(&dir, &cloud));
    assert_eq!(failure_of(&sensor), taken);
    wait_for_status(&dir, |status| status.last_failure.is_some());
    let reports = cloud_steps(settings(&dir, &cloud));
    assert_eq!(marks(&reports), "++++++!.", "{}", table(&reports, Style::PLAIN));
    assert_eq!(reports[6].sentence, taken.sentence());
    assert_eq!(reports[6].detail.as_deref(), Some("id_taken"));
}

#[test]
fn the_step_that_fails_says_what_to_do_and_the_others_wait() {
    let (dir, cloud) = (TestDir::new(), TestCloud::new());
    enrol(&cloud.token().to_string(), None, settings(&dir, &cloud)).expect("enrolled");
    cloud.state().known.clear();
    let reports = cloud_steps(settings(&dir, &cloud));
    assert_eq!(marks(&reports), "+++++!..");
    assert_eq!(reports[5].sentence, Failure::NotEnrolled.sentence());
    assert!(!is_all_ok(&reports));
}

#[test]
fn each_configured_server_is_visited() {
    let (dir, cloud) = (TestDir::new(), TestCloud::new());
    enrol(&cloud.token().to_string(), None, settings(&dir, &cloud)).expect("enrolled");
    let mut settings = settings(&dir, &cloud);
    settings.servers.insert(0, Server { host: "nowhere.test".to_owned(), port: 60023 });
    let reports = cloud_steps(settings);
    assert_eq!(marks(&reports), "!.......++++++++");
    assert_eq!(reports[0].name, "nowhere.test:60023 lookup");
}

#[test]
fn without_any_server_doctor_says_how_to_get_one() {
    let (dir, cloud) = (TestDir::new(), TestCloud::new());
    let reports = cloud_steps(Settings { servers: Vec::new(), ..settings(&dir, &cloud) });
    assert_eq!(marks(&reports), "!.......");
    assert!(reports[0].sentence.contains("ringside-sensor enrol"), "{}", reports[0].sentence);
}

#[test]
fn looking_makes_no_key() {
    let (dir, cloud) = (TestDir::new(), TestCloud::new());
    let reports = cloud_steps(settings_with_token(&dir, &cloud));
    assert_eq!(marks(&reports), "+++++!..", "{}", table(&reports, Style::PLAIN));
    assert_eq!(std::fs::read_dir(dir.path()).expect("list").count(), 0);
}

#[test]
fn a_damaged_key_is_told_before_any_step() {
    let (dir, cloud) = (TestDir::new(), TestCloud::new());
    std::fs::write(dir.path().join("device.key"), b"not a key").expect("write");
    let reports = cloud_steps(settings(&dir, &cloud));
    assert_eq!(marks(&reports), "!........");
    assert_eq!(reports[0].name, "identity");

    let dir = TestDir::new();
    std::fs::write(dir.path().join("trust.json"), b"{").expect("write");
    let reports = cloud_steps(settings(&dir, &cloud));
    assert_eq!(marks(&reports), "!........");
    assert!(reports[0].sentence.contains("trust.json is damaged"), "{}", reports[0].sentence);
}
