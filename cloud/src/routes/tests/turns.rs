use super::*;
use crate::routes::{MAX_AT_WORK, MAX_EXPORTS, MAX_WAITING_FOR_A_TURN};
use crate::server::Woken;

#[test]
fn a_customer_that_asks_much_waits_and_the_others_do_not() {
    let bench = Bench::new();
    let (us, them) = (bench.log_in(&bench.ours.admin), bench.log_in(&bench.theirs.admin));
    let ours = bench.ours.customer;
    let mut at_work: Vec<_> =
        (0..MAX_AT_WORK).map(|_| bench.app.turns.take(ours, MAX_AT_WORK).expect("one")).collect();
    for route in ["calls", "stats", "sensors", "audit"] {
        let target = format!("/api/v1/{route}");
        let park = bench.get(&us, &target).park.expect("it waits");
        assert_eq!(park.share.expect("within a share").most, MAX_WAITING_FOR_A_TURN);
        assert_eq!(bench.get(&them, &target).status, 200);
    }
    // What costs little goes on.
    assert_eq!(bench.get(&us, "/api/v1/me").status, 200);
    for woken in [Woken::Timeout, Woken::Superseded] {
        let mut request = request("GET", "/api/v1/calls", cookie(&us), "");
        request.woken = Some(woken);
        let refused = handle(&bench.app, &request);
        assert_eq!(header(&refused, "Retry-After"), Some("5"));
        assert_eq!(error(refused).1, "busy");
    }
    at_work.pop();
    bench.notebook.take();
    let mut again = request("GET", "/api/v1/calls", cookie(&us), "");
    again.woken = Some(Woken::Yes);
    assert_eq!(handle(&bench.app, &again).status, 200);
    assert_eq!(bench.notebook.take(), [format!("turn:{}", ours.0)], "the next one is called");
    assert_eq!(bench.get(&us, "/api/v1/calls").status, 200);
    assert_eq!(bench.notebook.take(), [""; 0], "nobody waits");
}

#[test]
fn exports_of_a_customer_are_bounded_and_end_with_their_answers() {
    let bench = Bench::new();
    let (us, them) = (bench.log_in(&bench.ours.viewer), bench.log_in(&bench.theirs.viewer));
    let export = |who: &Browser| bench.get(who, "/api/v1/calls?format=csv");
    let mut exports: Vec<_> = (0..MAX_EXPORTS).map(|_| export(&us)).collect();
    assert!(exports.iter().all(|answer| answer.status == 200));
    assert_eq!(error(export(&us)).1, "too_many_exports");
    assert_eq!(export(&them).status, 200);
    assert_eq!(bench.get(&us, "/api/v1/calls").status, 200);
    exports.pop();
    assert_eq!(export(&us).status, 200);
}

fn cookie(browser: &Browser) -> Vec<(String, String)> {
    vec![("cookie".to_owned(), browser.cookie.clone())]
}
