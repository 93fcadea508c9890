use core::time::Duration;

use super::*;
use crate::events::Kind;
use crate::routes::{MAX_WAIT_SECONDS, MAX_WAITING};
use crate::server::Woken;

fn ask(bench: &Bench, us: &Browser, since: u64, woken: Option<Woken>, waited: u64) -> Response {
    let headers = vec![("cookie".to_owned(), us.cookie.clone())];
    let target = format!("/api/v1/changes?since={since}&wait=25");
    let mut request = request("GET", &target, headers, "");
    request.woken = woken;
    request.waited = Duration::from_secs(waited);
    handle(&bench.app, &request)
}

#[test]
fn a_page_waits_until_something_changes() {
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.viewer);
    let serial = bench.json(&us, "/api/v1/changes")["serial"].as_u64().expect("a serial");
    let park = ask(&bench, &us, serial, None, 0).park.expect("waits");
    assert_eq!(park.key, format!("changes:{}", bench.ours.customer.0));
    assert_eq!(park.wait, Duration::from_secs(25));
    bench.notebook.take();
    bench.app.events.bump(bench.ours.customer, Kind::Calls);
    assert_eq!(bench.notebook.take(), [park.key]);
    let answer = ask(&bench, &us, serial, Some(Woken::Yes), 3);
    assert!(answer.park.is_none());
    assert_eq!(body(answer)["serial"], serial + 1);
}

#[test]
fn a_wake_for_nothing_waits_on_for_the_rest() {
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.viewer);
    let serial = bench.json(&us, "/api/v1/changes")["serial"].as_u64().expect("a serial");
    bench.app.events.bump(bench.theirs.customer, Kind::Calls);
    let park = ask(&bench, &us, serial, Some(Woken::Yes), 10).park.expect("waits on");
    assert_eq!(park.wait, Duration::from_secs(15));
    let answer = ask(&bench, &us, serial, Some(Woken::Timeout), 25);
    assert_eq!(body(answer)["serial"], serial);
}

#[test]
fn each_customer_has_a_share_of_the_pages_that_wait() {
    let bench = Bench::new();
    let (us, them) = (bench.log_in(&bench.ours.viewer), bench.log_in(&bench.theirs.viewer));
    let serial = bench.json(&us, "/api/v1/changes")["serial"].as_u64().expect("a serial");
    let share = |who: &Browser| ask(&bench, who, serial, None, 0).park.expect("waits").share;
    let ours = share(&us).expect("a share");
    assert_eq!(ours.most, MAX_WAITING);
    assert_eq!(share(&bench.log_in(&bench.ours.admin)).expect("a share").of, ours.of);
    assert_ne!(share(&them).expect("a share").of, ours.of);
    let superseded = ask(&bench, &us, serial, Some(Woken::Superseded), 1);
    assert_eq!(body(superseded)["serial"], serial);
}

#[test]
fn an_old_serial_is_answered_at_once() {
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.viewer);
    assert!(ask(&bench, &us, 0, None, 0).park.is_none());
    assert!(bench.get(&us, "/api/v1/changes?wait=25").park.is_none());
}

#[test]
fn the_wait_is_limited() {
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.viewer);
    for (query, status) in [
        (format!("wait={MAX_WAIT_SECONDS}"), 200),
        (format!("wait={}", MAX_WAIT_SECONDS + 1), 400),
        ("wait=-1".to_owned(), 400),
        ("since=x".to_owned(), 400),
        ("other=1".to_owned(), 400),
    ] {
        assert_eq!(bench.get(&us, &format!("/api/v1/changes?{query}")).status, status, "{query}");
    }
}
