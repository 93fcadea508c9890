use super::synthetic::{Noise, answered};
use super::*;
use crate::db::rights::Rights;

fn bench() -> Bench {
    let bench = Bench::new();
    let mut cdr = answered(&mut Noise(1), 1, NOON - HOUR, 30, 430);
    cdr.caller.user = "49301234567".to_owned();
    bench.store(&bench.ours, vec![cdr]);
    bench
}

fn shared(bench: &Bench, secret: &str) -> Response {
    let headers = vec![("x-share".to_owned(), secret.to_owned())];
    handle(&bench.app, &request("GET", "/api/v1/shared", headers, ""))
}

fn share(bench: &Bench, us: &Browser, hours: u64) -> Value {
    let target = format!("/api/v1/calls/{}/shares", bench.ours.id(1));
    let made = bench.post_json(us, &target, &serde_json::json!({ "hours": hours }));
    assert_eq!(made.status, 201);
    body(made)
}

#[test]
fn a_link_opens_one_call_without_a_login_until_its_time_is_over() {
    let bench = bench();
    let us = bench.log_in(&bench.ours.admin);
    let made = share(&bench, &us, 2);
    let secret = made["secret"].as_str().expect("a secret");
    assert_eq!(made["page"], format!("/shared#{secret}"));
    let opened = body(shared(&bench, secret));
    assert_eq!(opened["call"]["id"], bench.ours.id(1));
    assert_eq!(opened["call"]["caller"]["user"], "49301234567");
    assert_eq!(opened["call"]["other_legs"], serde_json::json!([]));
    assert_eq!(opened["shared_by"], bench.ours.admin.as_str());
    let list = bench.json(&us, &format!("/api/v1/calls/{}/shares", bench.ours.id(1)));
    assert_eq!((&list["may_share"], &list["shares"][0]["opened"]), (&true.into(), &1.into()));
    assert!(!list.to_string().contains(secret));
    bench.pass(2 * HOUR);
    assert_eq!(shared(&bench, secret).status, 404);
    let actions: Vec<_> = bench.audit().into_iter().map(|(_, _, action)| action).collect();
    assert!(actions.ends_with(&["share.new".to_owned(), "share.open".to_owned()]), "{actions:?}");
}

#[test]
fn a_link_is_revoked_and_opens_nothing_else() {
    let bench = bench();
    let us = bench.log_in(&bench.ours.admin);
    let made = share(&bench, &us, 24);
    let secret = made["secret"].as_str().expect("a secret");
    let call = bench.ours.id(1);
    for target in
        [format!("/api/v1/calls/{call}"), "/api/v1/calls".to_owned(), "/api/v1/me".to_owned()]
    {
        let headers = vec![("x-share".to_owned(), secret.to_owned())];
        assert_eq!(handle(&bench.app, &request("GET", &target, headers, "")).status, 401);
    }
    let revoke =
        format!("/api/v1/calls/{call}/shares/{}/revoke", made["id"].as_str().expect("an id"));
    let them = bench.log_in(&bench.theirs.admin);
    assert_eq!(bench.post(&them, &revoke).status, 404);
    assert_eq!(bench.post(&us, &revoke).status, 200);
    assert_eq!(shared(&bench, secret).status, 404);
    assert_eq!(bench.post(&us, &revoke).status, 404);
    for wrong in ["", "x", &"A".repeat(32)] {
        assert_eq!(shared(&bench, wrong).status, 404);
    }
}

#[test]
fn who_has_no_right_shares_nothing_and_who_sees_masked_numbers_shares_them_masked() {
    let bench = bench();
    let target = format!("/api/v1/calls/{}/shares", bench.ours.id(1));
    let hour = serde_json::json!({ "hours": 1 });
    let viewer = bench.log_in(&bench.ours.viewer);
    assert_eq!(error(bench.post_json(&viewer, &target, &hour)).0, 403);
    assert_eq!(bench.json(&viewer, &target)["may_share"], false);
    let rights = Rights::named("share,masked").expect("words");
    bench.app.db.set_rights(&bench.ours.viewer, rights, "test", bench.now()).expect("set");
    let made = share(&bench, &viewer, 1);
    let opened = body(shared(&bench, made["secret"].as_str().expect("a secret")));
    assert_eq!(
        (&opened["call"]["caller"]["user"], &opened["is_masked"]),
        (&"49301234***".into(), &true.into())
    );
    let them = bench.log_in(&bench.theirs.admin);
    assert_eq!(bench.post_json(&them, &target, &hour).status, 404);
    let us = bench.log_in(&bench.ours.admin);
    for hours in [0, 601] {
        let wanted = serde_json::json!({ "hours": hours });
        assert_eq!(bench.post_json(&us, &target, &wanted).status, 400);
    }
}

#[test]
fn a_call_has_twenty_links_at_most() {
    let bench = bench();
    let us = bench.log_in(&bench.ours.admin);
    for _ in 0..crate::routes::MAX_SHARES {
        share(&bench, &us, 1);
    }
    let target = format!("/api/v1/calls/{}/shares", bench.ours.id(1));
    assert_eq!(bench.post_json(&us, &target, &serde_json::json!({})).status, 409);
    bench.pass(2 * HOUR);
    let us = bench.log_in(&bench.ours.admin);
    share(&bench, &us, 1);
}
