use proptest::prelude::*;
use ringside_protocol::cdr::flags;
use ringside_protocol::time::UnixMicros;

use super::*;

const ROW: Row<'_> = Row {
    ended_at: UnixMicros(0),
    device: Fingerprint([1; 16]),
    caller: "+4930123",
    callee: "Anna",
    call_id: "4f2a@pbx",
    addresses: " 192.0.2.1 2001:db8::5 ",
    status_code: Some(486),
    ended_by: 3,
    answered: false,
    duration_us: Some(30_000_000),
    mos: Some(300),
    flags: flags::NAT | flags::ON_HOLD,
};

fn filter(conditions: &[(&str, &str)]) -> Result<Filter, Invalid> {
    let mut filter = Filter::default();
    let devices = |number| (number == 7).then_some(Fingerprint([1; 16]));
    for (name, value) in conditions {
        filter.add(name, value, &devices)?;
    }
    Ok(filter)
}

fn fits(name: &str, value: &str) -> bool {
    filter(&[(name, value)]).unwrap_or_else(|error| panic!("{error}")).matches(&ROW)
}

#[test]
fn each_condition_looks_at_its_own_column() {
    for (name, value, expected) in [
        ("number", "+4930123", true),
        ("number", " 4930123", true),
        ("number", "anna", true),
        ("number", "4930123", false),
        ("number", "*4930*", true),
        ("caller", "anna", false),
        ("callee", "anna,otto", true),
        ("callee", "!anna,otto", false),
        ("call_id", "4f2a@*", true),
        ("address", "192.0.2.0/24", true),
        ("address", "10.0.0.0/8,2001:db8::/32", true),
        ("address", "!192.0.2.1", false),
        ("status", "486", true),
        ("status", "4XX", true),
        ("status", "5xx,none", false),
        ("status", "!200,4xx", false),
        ("ended_by", "caller,rejected", true),
        ("ended_by", "!rejected", false),
        ("mos_below", "3", true),
        ("mos_below", "2.99", false),
        ("mos_above", "3", true),
        ("mos_above", "3.01", false),
        ("flag", "fax,nat", true),
        ("flag", "!nat", false),
        ("answered", "false", true),
        ("answered", "!false", false),
        ("sensor", "7", true),
        ("sensor", "01010101010101010101010101010101", true),
        ("sensor", "!7", false),
        ("min_duration", "30", true),
        ("min_duration", "30.000001", false),
        ("q", "ANNA 4f2a", true),
        ("q", "anna otto", false),
        ("q", "!anna", false),
        ("q", "!otto", true),
    ] {
        assert_eq!(fits(name, value), expected, "{name}={value}");
    }
}

#[test]
fn what_is_not_known_is_neither_above_nor_below() {
    let row = Row { mos: None, duration_us: None, status_code: None, ..ROW };
    for (name, value, expected) in [
        ("mos_below", "5", false),
        ("mos_above", "0", false),
        ("min_duration", "0", false),
        ("status", "4xx", false),
        ("status", "!4xx", true),
        ("status", "none", true),
    ] {
        assert_eq!(filter(&[(name, value)]).unwrap().matches(&row), expected, "{name}={value}");
    }
}

#[test]
fn conditions_hold_together() {
    assert!(filter(&[("flag", "nat"), ("flag", "on_hold")]).unwrap().matches(&ROW));
    assert!(!filter(&[("flag", "nat"), ("flag", "fax")]).unwrap().matches(&ROW));
    assert!(Filter::default().matches(&ROW));
}

#[test]
fn a_value_without_meaning_is_refused_with_what_is_allowed() {
    for (name, value, says) in [
        ("status", "700", "486 or 4xx"),
        ("address", "192.0.2.1:5060", "without a port"),
        ("ended_by", "nobody", "capture_end"),
        ("flag", "bad", "one_way"),
        ("answered", "yes", "true or false"),
        ("mos_below", "6", "from 0 to 5"),
        ("mos_below", "!3", "without a !"),
        ("min_duration", "1m", "seconds"),
        ("min_duration", "99999999999999999999", "seconds"),
        ("sensor", "8", "none with number 8"),
        ("sensor", "abc", "32 hex digits"),
        ("q", " ", "words"),
        ("colour", "red", "min_duration"),
    ] {
        let error = filter(&[(name, value)]).expect_err(value);
        assert_eq!(error.name, name);
        assert!(error.allowed.contains(says), "{error}");
    }
}

#[test]
fn each_limit_is_reached() {
    let long = "x".repeat(MAX_VALUE_LEN);
    assert!(filter(&[("caller", &long)]).is_ok());
    assert!(filter(&[("caller", &format!("{long}x"))]).is_err());
    let alternatives = vec!["1"; MAX_ALTERNATIVES].join(",");
    assert!(filter(&[("caller", &alternatives)]).is_ok());
    assert!(filter(&[("caller", &format!("{alternatives},1"))]).is_err());
    let conditions = [("caller", "1"); MAX_CONDITIONS];
    assert!(filter(&conditions).is_ok());
    assert!(filter(&[conditions.as_slice(), &[("caller", "1")]].concat()).is_err());
    let words = vec!["a"; MAX_ALTERNATIVES + 1].join(" ");
    assert!(filter(&[("q", &words)]).is_err());
}

proptest! {
    #[test]
    fn no_value_panics(name in 0..NAMES.len(), value in "\\PC{0,60}") {
        if let Ok(filter) = filter(&[(NAMES[name], &value)]) {
            let _ = filter.matches(&ROW);
        }
    }
}
