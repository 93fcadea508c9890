//! People, the terms of retrieval, enrolment tokens and the audit log, as administrators change them.

use serde_json::json;

use super::*;
use crate::routes::users::MAX_TRIES;

#[test]
fn somebody_is_added_logs_in_is_changed_and_shut_out() {
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.admin);
    let wanted = json!({ "login": " eva@example.net ", "role": "viewer", "rights": ["audio"] });
    let added = bench.post_json(&us, "/api/v1/users", &wanted);
    assert_eq!(added.status, 201);
    let added = body(added);
    assert_eq!((&added["login"], &added["rights"]), (&json!("eva@example.net"), &json!(["audio"])));
    let password = added["password"].as_str().expect("a password").to_owned();
    let logged_in = bench.try_login("EVA@example.net", &password);
    assert_eq!(logged_in.status, 200);
    let cookie = header(&logged_in, "Set-Cookie").expect("a cookie");
    let cookie = cookie.split(';').next().expect("a pair").to_owned();
    let csrf = body(logged_in)["csrf"].as_str().expect("a token").to_owned();
    let eva = Browser { cookie, csrf };
    assert_eq!(bench.json(&eva, "/api/v1/me")["user"]["rights"], json!(["audio"]));
    assert_eq!(bench.get(&eva, "/api/v1/users").status, 403);

    let change = json!({ "rights": ["packets", "upgrades"] });
    let path = "/api/v1/users/eva%40example.net";
    assert_eq!(bench.post_json(&us, path, &change).status, 200);
    let rights = bench.json(&eva, "/api/v1/me")["user"]["rights"].clone();
    assert_eq!(rights, json!(["packets", "upgrades"]), "at once, in the same session");
    let off = bench.post_json(&us, path, &json!({ "is_disabled": true }));
    assert_eq!(body(off)["is_disabled"], true);
    assert_eq!(bench.get(&eva, "/api/v1/me").status, 401, "the session is over");
    let refused = error(bench.try_login("eva@example.net", &password));
    assert_eq!((refused.0, refused.1.as_str()), (403, "disabled"));
    assert_eq!(error(bench.try_login("eva@example.net", "wrong")).1, "wrong_password");
    assert_eq!(bench.post_json(&us, path, &json!({ "is_disabled": false })).status, 200);
    let reset = body(bench.post(&us, &format!("{path}/password")));
    let password = reset["password"].as_str().expect("a password");
    assert_eq!(bench.try_login("eva@example.net", password).status, 200);
    let actions: Vec<_> = bench.audit().into_iter().map(|(_, _, action)| action).collect();
    for action in ["user.add", "user.rights", "user.disable", "user.enable", "user.passwd"] {
        assert!(actions.iter().any(|it| it == action), "{action}: {actions:?}");
    }
    let listed = bench.json(&us, "/api/v1/users");
    let listed = listed["users"].as_array().expect("people");
    assert_eq!(listed.iter().filter(|it| it["is_you"] == true).count(), 1);
    assert!(listed.iter().all(|it| it["login"] != bench.theirs.admin.as_str()));
}

#[test]
fn nobody_shuts_themselves_out_or_takes_a_login_that_is_taken() {
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.admin);
    let own = format!("/api/v1/users/{}", bench.ours.admin.replace('@', "%40"));
    for change in [json!({ "is_disabled": true }), json!({ "role": "viewer" })] {
        assert_eq!(error(bench.post_json(&us, &own, &change)).1, "yourself");
    }
    assert_eq!(error(bench.post(&us, &format!("{own}/password"))).1, "yourself");
    for login in [&bench.ours.viewer, &bench.theirs.viewer] {
        let taken = bench.post_json(&us, "/api/v1/users", &json!({ "login": login }));
        assert_eq!(error(taken).1, "login_taken");
    }
    for (wanted, code) in [
        (json!({}), "bad_body"),
        (json!({ "login": "a b" }), "bad_parameter"),
        (json!({ "login": "" }), "bad_parameter"),
        (json!({ "login": "a", "role": "owner" }), "bad_parameter"),
        (json!({ "login": "a", "rights": ["everything"] }), "bad_parameter"),
    ] {
        assert_eq!(error(bench.post_json(&us, "/api/v1/users", &wanted)).1, code, "{wanted}");
    }
    let nobody = bench.post_json(&us, "/api/v1/users/nobody", &json!({}));
    assert_eq!(nobody.status, 404);
}

#[test]
fn a_person_changes_the_own_password() {
    let bench = Bench::new();
    let viewer = bench.log_in(&bench.ours.viewer);
    let change = |who: &Browser, old: &str, new: &str| {
        bench.post_json(who, "/api/v1/me/password", &json!({ "old": old, "new": new }))
    };
    assert_eq!(error(change(&viewer, &PASSWORD.0, "short")).1, "bad_password");
    assert_eq!(error(change(&viewer, "wrong", "a longer password")).1, "wrong_password");
    assert_eq!(change(&viewer, &PASSWORD.0, "a longer password").status, 200);
    assert_eq!(bench.get(&viewer, "/api/v1/me").status, 401, "every session ends");
    assert_eq!(bench.try_login(&bench.ours.viewer, "a longer password").status, 200);
    let us = bench.log_in(&bench.ours.admin);
    for _ in 0..MAX_TRIES {
        assert_eq!(error(change(&us, "wrong", "a longer password")).0, 422);
    }
    assert_eq!(error(change(&us, &PASSWORD.0, "a longer password")).1, "too_many_attempts");
}

#[test]
fn an_enrolment_token_is_taken_back() {
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.admin);
    let made = body(bench.post(&us, "/api/v1/tokens"));
    let id = bench.json(&us, "/api/v1/tokens")["tokens"][0]["id"].as_str().expect("id").to_owned();
    assert_eq!(bench.post(&us, &format!("/api/v1/tokens/{id}/revoke")).status, 200);
    assert_eq!(bench.json(&us, "/api/v1/tokens")["tokens"], json!([]));
    let token: ringside_protocol::token::Token =
        made["token"].as_str().expect("text").parse().expect("a token");
    let hello = hello([50; 32], "late", bench.now());
    let device = fingerprint(&hello.device_key);
    let joined = bench.app.db.enrol(&token.secret, device, &hello, bench.now()).expect("asked");
    assert_eq!(joined, Err(ringside_protocol::step::Failure::TokenUnknown));
}

#[test]
fn the_audit_log_is_filtered() {
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.admin);
    bench.pass(HOUR);
    bench.post_json(&us, "/api/v1/users", &json!({ "login": "eva" }));
    bench.post_json(&us, "/api/v1/users/eva", &json!({ "is_disabled": true }));
    bench.post(&us, "/api/v1/tokens");
    let actions = |query: &str| -> Vec<String> {
        let page = bench.json(&us, &format!("/api/v1/audit?{query}"));
        let entries = page["entries"].as_array().expect("entries");
        entries.iter().map(|it| it["action"].as_str().expect("text").to_owned()).collect()
    };
    assert_eq!(actions("limit=3"), ["token.new", "user.disable", "user.add"]);
    assert_eq!(actions("action=user&limit=2"), ["user.disable", "user.add"]);
    assert_eq!(actions("action=user.disable"), ["user.disable"]);
    assert_eq!(actions("action=use"), [""; 0]);
    assert_eq!(actions("action=%25"), [""; 0]);
    assert_eq!(actions("who=nobody"), [""; 0]);
    let ours = bench.ours.admin.replace('@', "%40");
    let from = UnixMicros(NOON + HOUR).to_rfc3339();
    assert_eq!(actions(&format!("who={ours}&from={from}")).len(), 3);
    assert_eq!(actions(&format!("who={ours}&to={from}")), ["login"]);
    assert_eq!(bench.get(&us, "/api/v1/audit?what=x").status, 400);
}
