//! Capture rules, from the sensor's side.

use ringside_protocol::message::{RuleSet, RuleText};

use super::*;

fn poll(rules: u64) -> Poll {
    Poll { wait_seconds: 50, done: 0, rules, refused_rules: Vec::new() }
}

/// As the API makes one.
fn make_rule(cloud: &Cloud, text: &str) {
    let writer = cloud.db.writer();
    let (customer,): (i64,) = writer
        .query_row("SELECT customer FROM customer LIMIT 1", [], |row| Ok((row.get(0)?,)))
        .expect("a customer");
    writer
        .execute(
            "INSERT INTO rule (customer, text, created_by, created_at, changed_by, changed_at) \
             VALUES (?1, ?2, 'test', 0, 'test', 0)",
            crate::db::params![customer, text],
        )
        .expect("made");
    writer
        .execute(
            "INSERT INTO rule_changes VALUES (?1, 1) ON CONFLICT (customer) DO UPDATE \
             SET changes = rule_changes.changes + 1",
            [customer],
        )
        .expect("counted");
}

fn told(answer: Answer) -> Option<RuleSet> {
    let Answer::Message(_) = answer else { return None };
    let commands = super::answer::<Commands>(answer).expect("commands").commands;
    commands.into_iter().find_map(|(_, command)| match command {
        Command::Rules(rules) => Some(rules),
        _ => None,
    })
}

#[test]
fn rules_are_told_once_and_again_when_they_are_not_acknowledged() {
    let mut cloud = Cloud::new();
    let device = Device::connected(&cloud, "gate-1");
    device.beat(&cloud, 0, 1).expect("noted");
    assert_eq!(told(device.poll_with(&cloud, &poll(0), None)), None, "nobody has made rules");
    make_rule(&cloud, "keep sip");
    let rules = told(device.poll_with(&cloud, &poll(0), Some(Woken::Yes))).expect("rules");
    let texts: Vec<&RuleText> = rules.rules.iter().collect();
    assert_eq!(texts[0].text, "keep sip");
    // The sensor is busy and asks again too soon.
    assert_eq!(told(device.poll_with(&cloud, &poll(0), None)), None);
    cloud.wait(11);
    assert_eq!(told(device.poll_with(&cloud, &poll(0), None)).as_ref(), Some(&rules));
    assert_eq!(told(device.poll_with(&cloud, &poll(rules.version), None)), None);
    let applied = cloud.db.rules_of(device.fingerprint()).expect("asked").expect("noted");
    assert_eq!(applied.version, rules.version);

    make_rule(&cloud, "skip");
    let next = told(device.poll_with(&cloud, &poll(rules.version), None)).expect("rules");
    assert_eq!((next.rules.len(), next.version), (2, rules.version + 1));
}

#[test]
fn a_sensor_that_brings_rules_of_another_customer_gets_its_own() {
    let cloud = Cloud::new();
    let device = Device::connected(&cloud, "gate-1");
    device.beat(&cloud, 0, 1).expect("noted");
    let foreign = 99 << 32 | 1;
    let rules = told(device.poll_with(&cloud, &poll(foreign), None)).expect("an empty list");
    assert_eq!(rules, RuleSet { version: 0, rules: Vec::new() });
}

#[test]
fn what_a_sensor_says_of_its_rules_is_short_and_not_written_without_end() {
    let mut cloud = Cloud::new();
    let device = Device::connected(&cloud, "gate-1");
    let kept = |cloud: &Cloud| cloud.db.rules_of(device.fingerprint()).expect("asked");
    let refusing = |rules: u64, count: u64| Poll {
        refused_rules: (0..count).map(|rule| (rule, "a\nb".repeat(400))).collect(),
        ..poll(rules)
    };
    device.poll_with(&cloud, &refusing(1, 150), None);
    let refused = kept(&cloud).expect("noted").refused;
    assert_eq!(refused.len(), 100);
    assert!(refused.iter().all(|(_, why)| why.len() == 300 && why.starts_with("a ba b")));
    for version in 2..=20 {
        device.poll_with(&cloud, &poll(version), None);
    }
    assert_eq!(kept(&cloud).expect("noted").version, 10, "ten notes");
    cloud.wait(10);
    device.poll_with(&cloud, &poll(21), None);
    assert_eq!(kept(&cloud).expect("noted").version, 21);
    let noise = random::<70_000>();
    let answered = cloud.ask("/uplink/poll", device.session.as_deref(), &noise, device.peer);
    assert!(matches!(answered, Answer::Status(413, _)), "{answered:?}");
}
