use super::*;
use crate::auth::{
    ABSOLUTE_SECONDS, Attempt, DEVICE_COOKIE, DEVICE_SECONDS, IDLE_SECONDS, LOGIN_WINDOW_SECONDS,
    MAX_ATTEMPTS_PER_ADDRESS, MAX_ATTEMPTS_PER_LOGIN_AND_ADDRESS, MAX_FAILURES_NOTED_A_MINUTE,
    MAX_LOGIN_BYTES, MAX_SESSIONS_PER_USER, TOUCH_SECONDS, sha256,
};
use crate::routes::{
    MAX_API_TOKENS, MAX_DAYS, MAX_ENTRIES, MAX_NAME_CHARS, MAX_WAITING_AT_THE_DOOR,
};
use crate::server::Woken;

#[test]
fn login_opens_a_session_and_logout_ends_it() {
    let bench = Bench::new();
    let response = bench.try_login(&bench.ours.admin, &PASSWORD.0);
    let cookie = header(&response, "Set-Cookie").expect("a cookie").to_owned();
    for part in ["__Host-ringside=", "; Path=/", "; Secure", "; HttpOnly", "; SameSite=Strict"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
    let who = body(response);
    assert_eq!(who["user"]["login"], "admin@Ours");
    assert_eq!(who["user"]["role"], "admin");
    assert_eq!(who["customer"]["name"], "Ours");
    let browser = bench.log_in(&bench.ours.admin);
    let me = bench.json(&browser, "/api/v1/me");
    assert_eq!(me["csrf"], *browser.csrf);
    assert_eq!(me["limits"]["channels"], 2000);
    assert_eq!(me["limits"]["retention_days"], 25);
    let response = bench.post(&browser, "/api/v1/logout");
    assert!(header(&response, "Set-Cookie").expect("a cookie").contains("Max-Age=0"));
    assert_eq!(error(bench.get(&browser, "/api/v1/me")).1, "session_over");
    let actions: Vec<_> = bench.audit().into_iter().map(|(_, who, action)| (who, action)).collect();
    assert!(actions.contains(&("admin@Ours".to_owned(), "login".to_owned())));
    assert!(actions.contains(&("admin@Ours".to_owned(), "logout".to_owned())));
}

#[test]
fn only_hashes_of_secrets_are_stored() {
    let bench = Bench::new();
    let browser = bench.log_in(&bench.ours.admin);
    let secret = browser.cookie.split_once('=').expect("a pair").1;
    let reader = bench.app.db.reader();
    let stored: Vec<u8> = reader
        .query_row("SELECT session_sha256 FROM login_session", [], |row| row.get(0))
        .expect("a session");
    assert_eq!(stored, sha256(secret.as_bytes()));
}

#[test]
fn a_wrong_password_and_an_unknown_login_get_the_same_answer() {
    let bench = Bench::new();
    let wrong = error(bench.try_login(&bench.ours.admin, "not the password"));
    assert_eq!(wrong, error(bench.try_login("nobody", "not the password")));
    assert_eq!((wrong.0, wrong.1.as_str()), (401, "wrong_password"));
    let long = "x".repeat(MAX_LOGIN_BYTES + 1);
    assert_eq!(wrong, error(bench.try_login(&long, "not the password")));
    let failed: Vec<_> =
        bench.audit().into_iter().filter(|entry| entry.2 == "login_failed").collect();
    assert_eq!(failed[0].1, "admin@Ours");
    assert_eq!(failed[0].0, Some(bench.ours.customer.0));
    // What was typed may be a password.
    assert_eq!((failed[1].0, failed[1].1.as_str()), (None, "unknown login"));
}

#[test]
fn logins_are_the_same_in_any_case_of_letters() {
    let bench = Bench::new();
    assert_eq!(bench.try_login("ADMIN@ours", &PASSWORD.0).status, 200);
}

#[test]
fn too_many_attempts_with_one_login_from_one_address_must_wait() {
    let bench = Bench::new();
    for _ in 0..MAX_ATTEMPTS_PER_LOGIN_AND_ADDRESS {
        assert_eq!(bench.try_login("nobody", "wrong").status, 401);
    }
    let response = bench.try_login("NOBODY", "wrong");
    assert_eq!(header(&response, "Retry-After"), Some("900"));
    assert_eq!(error(response).1, "too_many_attempts");
    assert_eq!(bench.try_login(&bench.ours.admin, &PASSWORD.0).status, 200);
    bench.pass(LOGIN_WINDOW_SECONDS * SECOND);
    assert_eq!(bench.try_login("nobody", "wrong").status, 401);
}

#[test]
fn too_many_attempts_from_one_address_must_wait() {
    let bench = Bench::new();
    for attempt in 0..MAX_ATTEMPTS_PER_ADDRESS {
        assert_eq!(bench.try_login(&format!("nobody {attempt}"), "wrong").status, 401);
    }
    assert_eq!(bench.try_login(&bench.ours.admin, &PASSWORD.0).status, 429);
    let elsewhere = serde_json::json!({ "login": bench.ours.admin, "password": PASSWORD.0 });
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    let mut request = request("POST", "/api/v1/login", headers, &elsewhere.to_string());
    request.peer = "198.51.100.1:4711".parse().expect("an address");
    assert_eq!(handle(&bench.app, &request).status, 200);
}

#[test]
fn good_logins_are_not_limited() {
    let bench = Bench::new();
    for _ in 0..=MAX_ATTEMPTS_PER_ADDRESS {
        assert_eq!(bench.try_login(&bench.ours.admin, &PASSWORD.0).status, 200);
    }
}

/// A login from this address, with this cookie.
fn login_from(bench: &Bench, address: &str, cookie: &str, password: &str) -> Response {
    let body = serde_json::json!({ "login": bench.ours.admin, "password": password });
    let headers = vec![
        ("content-type".to_owned(), "application/json".to_owned()),
        ("cookie".to_owned(), cookie.to_owned()),
    ];
    let mut request = request("POST", "/api/v1/login", headers, &body.to_string());
    request.peer = format!("{address}:4711").parse().expect("an address");
    handle(&bench.app, &request)
}

/// The cookie by which the browser is known after a login.
fn device_cookie(response: &Response) -> String {
    let cookies = response.headers.iter().filter(|(name, _)| name == "Set-Cookie");
    let mut values = cookies.map(|(_, value)| value.split(';').next().expect("a pair"));
    values.find(|value| value.starts_with(DEVICE_COOKIE)).expect("a device's cookie").to_owned()
}

#[test]
fn an_attacker_locks_nobody_out_but_himself() {
    let bench = Bench::new();
    let right = &PASSWORD.0;
    let cookie = device_cookie(&login_from(&bench, "192.0.2.1", "", right));
    for _ in 0..MAX_ATTEMPTS_PER_LOGIN_AND_ADDRESS {
        assert_eq!(login_from(&bench, "203.0.113.1", "", "wrong").status, 401);
    }
    let (status, _, sentence) = error(login_from(&bench, "203.0.113.1", "", right));
    assert_eq!(status, 429);
    assert_eq!(
        sentence,
        "Too many wrong passwords for this login from your network: wait 900 seconds and try \
         again, or use a browser in which you have logged in before."
    );
    // The owner: from elsewhere, and even from the attacker's network with a known browser.
    assert_eq!(login_from(&bench, "192.0.2.1", "", right).status, 200);
    assert_eq!(login_from(&bench, "203.0.113.1", &cookie, right).status, 200);
    // Many addresses together slow the login down for browsers that are not known.
    let mut network = 0;
    let (status, _, sentence) = loop {
        network += 1;
        let address = format!("198.51.100.{}", network % 250);
        let response = login_from(&bench, &address, "", "wrong");
        if response.status != 401 {
            break error(response);
        }
    };
    assert_eq!(status, 429);
    assert!(sentence.starts_with("Somebody tries passwords for this login"), "{sentence}");
    assert_eq!(login_from(&bench, "192.0.2.1", "", right).status, 429);
    assert_eq!(login_from(&bench, "192.0.2.1", &cookie, right).status, 200);
    let metrics = {
        let mut request = request("GET", "/metrics", vec![], "");
        request.peer = "127.0.0.1:1".parse().expect("an address");
        text(handle(&bench.app, &request))
    };
    assert!(metrics.contains("\nringside_logins_limited_total 3\n"), "{metrics}");
}

#[test]
fn a_known_browsers_cookie_opens_nothing_and_ends() {
    let bench = Bench::new();
    let response = login_from(&bench, "192.0.2.1", "", &PASSWORD.0);
    let cookie = device_cookie(&response);
    let set = response.headers.iter().find(|(_, value)| value.starts_with(DEVICE_COOKIE));
    let set = &set.expect("set").1;
    for part in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=Strict"] {
        assert!(set.contains(part), "{set}");
    }
    let browser = Browser { cookie: cookie.clone(), csrf: String::new() };
    assert_eq!(error(bench.get(&browser, "/api/v1/me")).1, "not_logged_in");
    assert_eq!(login_from(&bench, "192.0.2.1", &cookie, "wrong").status, 401);
    bench.pass(DEVICE_SECONDS * SECOND);
    for _ in 0..MAX_ATTEMPTS_PER_LOGIN_AND_ADDRESS {
        assert_eq!(login_from(&bench, "192.0.2.1", &cookie, "wrong").status, 401);
    }
    assert_eq!(login_from(&bench, "192.0.2.1", &cookie, "wrong").status, 429);
}

#[test]
fn a_crowd_waits_at_the_door_without_a_worker_and_known_browsers_pass() {
    let bench = Bench::new();
    let cookie = device_cookie(&login_from(&bench, "192.0.2.1", "", &PASSWORD.0));
    let crowd = bench.app.logins.crowd();
    let park = login_from(&bench, "192.0.2.1", "", &PASSWORD.0).park.expect("waits");
    assert_eq!(park.share.expect("within a share").most, MAX_WAITING_AT_THE_DOOR);
    assert_eq!(login_from(&bench, "192.0.2.1", &cookie, &PASSWORD.0).status, 200);
    let body = serde_json::json!({ "login": bench.ours.admin, "password": PASSWORD.0 });
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    let mut again = request("POST", "/api/v1/login", headers, &body.to_string());
    for woken in [Woken::Timeout, Woken::Superseded] {
        again.woken = Some(woken);
        let response = handle(&bench.app, &again);
        assert_eq!((response.status, header(&response, "Retry-After")), (503, Some("5")));
        assert_eq!(error(response).1, "crowd");
    }
    drop(crowd);
    bench.notebook.take();
    again.woken = Some(Woken::Yes);
    assert_eq!(handle(&bench.app, &again).status, 200);
    assert_eq!(bench.notebook.take(), [park.key], "the next one is called");
}

#[test]
fn failures_in_the_audit_log_are_limited() {
    let bench = Bench::new();
    let logins = Logins::new(NOBODY);
    for attempt in 0..=MAX_FAILURES_NOTED_A_MINUTE {
        let address = core::net::Ipv4Addr::from_bits(attempt).into();
        let login = format!("nobody {attempt}");
        let attempt = Attempt { login: &login, password: "wrong", device: None, address };
        assert!(logins.log_in(&bench.app.db, attempt, bench.now()).is_err());
    }
    assert_eq!(logins.failed(), u64::from(MAX_FAILURES_NOTED_A_MINUTE) + 1);
    let noted = bench.audit().into_iter().filter(|entry| entry.2 == "login_failed").count();
    assert_eq!(noted, MAX_FAILURES_NOTED_A_MINUTE as usize);
}

#[test]
fn a_session_ends_when_idle_and_at_its_absolute_end() {
    let bench = Bench::new();
    let idle = bench.log_in(&bench.ours.viewer);
    bench.pass(IDLE_SECONDS * SECOND - 1);
    assert_eq!(bench.get(&idle, "/api/v1/me").status, 200);
    bench.pass(IDLE_SECONDS * SECOND);
    assert_eq!(error(bench.get(&idle, "/api/v1/me")).1, "session_over");
    let busy = bench.log_in(&bench.ours.viewer);
    let step = IDLE_SECONDS / 2;
    for _ in 1..ABSOLUTE_SECONDS / step {
        bench.pass(step * SECOND);
        assert_eq!(bench.get(&busy, "/api/v1/me").status, 200);
    }
    bench.pass(step * SECOND);
    assert_eq!(error(bench.get(&busy, "/api/v1/me")).1, "session_over");
}

#[test]
fn use_is_noted_at_most_once_a_minute() {
    let bench = Bench::new();
    let browser = bench.log_in(&bench.ours.viewer);
    let seen = || -> i64 {
        let reader = bench.app.db.reader();
        reader.query_row("SELECT seen_at FROM login_session", [], |row| row.get(0)).expect("one")
    };
    let first = seen();
    bench.pass((TOUCH_SECONDS - 1) * SECOND);
    bench.get(&browser, "/api/v1/me");
    assert_eq!(seen(), first);
    bench.pass(SECOND);
    bench.get(&browser, "/api/v1/me");
    assert!(seen() > first);
}

#[test]
fn evict_the_session_unused_for_longest_when_a_user_has_too_many() {
    let bench = Bench::new();
    let mut browsers = Vec::new();
    for _ in 0..=MAX_SESSIONS_PER_USER {
        browsers.push(bench.log_in(&bench.ours.viewer));
        bench.pass(TOUCH_SECONDS * SECOND);
        bench.get(&browsers[0], "/api/v1/me");
    }
    let alive = |browser| bench.get(browser, "/api/v1/me").status == 200;
    assert_eq!(browsers.iter().filter(|browser| alive(browser)).count(), MAX_SESSIONS_PER_USER);
    assert!(alive(&browsers[0]) && !alive(&browsers[1]));
}

#[test]
fn changes_need_the_sessions_own_token() {
    let bench = Bench::new();
    let browser = bench.log_in(&bench.ours.admin);
    let other = bench.log_in(&bench.ours.admin);
    let send = |csrf: Option<&str>, more: &[(&str, &str)]| {
        let mut headers = vec![("cookie".to_owned(), browser.cookie.clone())];
        headers.extend(csrf.map(|csrf| ("x-csrf-token".to_owned(), csrf.to_owned())));
        headers.extend(more.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())));
        handle(&bench.app, &request("POST", "/api/v1/tokens", headers, "{}"))
    };
    assert_eq!(error(send(None, &[])).1, "csrf");
    assert_eq!(error(send(Some(""), &[])).1, "csrf");
    assert_eq!(error(send(Some(&other.csrf), &[])).1, "csrf");
    let own = Some(browser.csrf.as_str());
    assert_eq!(send(own, &[]).status, 201);
    for foreign in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")] {
        assert_eq!(error(send(own, &[foreign])).1, "foreign_origin");
    }
    let same = [("origin", "https://cloud.example.net"), ("host", "cloud.example.net")];
    assert_eq!(send(own, &same).status, 201);
}

#[test]
fn nobody_logs_in_from_another_sites_page() {
    let bench = Bench::new();
    let body = serde_json::json!({ "login": bench.ours.admin, "password": PASSWORD.0 });
    let send = |headers: &[(&str, &str)]| {
        let headers = headers.iter().map(|&(n, v)| (n.to_owned(), v.to_owned())).collect();
        let request = request("POST", "/api/v1/login", headers, &body.to_string());
        handle(&bench.app, &request)
    };
    let json = ("content-type", "application/json; charset=utf-8");
    assert_eq!(send(&[json]).status, 200);
    assert_eq!(error(send(&[json, ("sec-fetch-site", "cross-site")])).1, "foreign_origin");
    assert_eq!(error(send(&[("content-type", "text/plain")])).1, "content_type");
    assert_eq!(error(send(&[])).0, 415);
}

/// The answer to a request for an API token.
fn make_token(bench: &Bench, us: &Browser, body: &str) -> Response {
    let headers = vec![
        ("cookie".to_owned(), us.cookie.clone()),
        ("x-csrf-token".to_owned(), us.csrf.clone()),
    ];
    handle(&bench.app, &request("POST", "/api/v1/api_tokens", headers, body))
}

#[test]
fn an_api_token_reads_until_it_expires_and_changes_nothing() {
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.admin);
    let made = make_token(&bench, &us, "{\"name\": \" backup \", \"days\": 1}");
    assert_eq!(made.status, 201);
    let made = body(made);
    let token = format!("Bearer {}", made["token"].as_str().expect("a token"));
    let send = |method: &str, target: &str, authorization: &str| {
        let headers = vec![("authorization".to_owned(), authorization.to_owned())];
        handle(&bench.app, &request(method, target, headers, "{}"))
    };
    for route in ["me", "calls", "sensors", "stats", "tokens", "strangers", "api_tokens"] {
        assert_eq!(send("GET", &format!("/api/v1/{route}"), &token).status, 200, "{route}");
    }
    let me = body(send("GET", "/api/v1/me", &token));
    assert_eq!((&me["user"]["login"], &me["csrf"]), (&"token backup".into(), &Value::Null));
    for route in ["tokens", "api_tokens", "logout"] {
        let refused = error(send("POST", &format!("/api/v1/{route}"), &token));
        assert_eq!((refused.0, refused.1.as_str()), (403, "token_only_reads"));
    }
    for wrong in ["Bearer other", "Bearer", &token.replace("Bearer", "Basic"), &token[7..], ""] {
        assert_eq!(error(send("GET", "/api/v1/me", wrong)).1, "bad_token", "{wrong}");
    }
    bench.pass(DAY);
    assert_eq!(error(send("GET", "/api/v1/me", &token)).1, "bad_token");
}

#[test]
fn a_revoked_api_token_reads_no_more() {
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.admin);
    let made = body(make_token(&bench, &us, "{\"name\": \"backup\"}"));
    let listed = bench.json(&us, "/api/v1/api_tokens");
    assert_eq!(listed["api_tokens"][0]["id"], made["id"]);
    assert!(!listed.to_string().contains(made["token"].as_str().expect("a token")));
    let id = made["id"].as_str().expect("an id");
    let revoke = format!("/api/v1/api_tokens/{id}/revoke");
    let them = bench.log_in(&bench.theirs.admin);
    assert_eq!(bench.post(&them, &revoke).status, 404);
    assert_eq!(bench.post(&us, &revoke).status, 200);
    assert_eq!(bench.json(&us, "/api/v1/api_tokens")["api_tokens"], serde_json::json!([]));
    let actions: Vec<_> = bench.audit().into_iter().map(|(_, _, action)| action).collect();
    assert!(actions.contains(&"api_token.new".to_owned()));
    assert!(actions.contains(&"api_token.revoke".to_owned()));
}

#[test]
fn the_limits_of_api_tokens_are_kept() {
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.admin);
    let long = "x".repeat(MAX_NAME_CHARS + 1);
    for body in [
        String::new(),
        "{}".to_owned(),
        "{\"name\": \" \"}".to_owned(),
        "{\"name\": \"a\\nb\"}".to_owned(),
        format!("{{\"name\": \"{long}\"}}"),
        "{\"name\": \"a\", \"days\": 0}".to_owned(),
        format!("{{\"name\": \"a\", \"days\": {}}}", MAX_DAYS + 1),
    ] {
        assert_eq!(make_token(&bench, &us, &body).status, 400, "{body}");
    }
    let body = format!("{{\"name\": \"a\", \"days\": {MAX_DAYS}}}");
    for _ in 0..MAX_API_TOKENS {
        assert_eq!(make_token(&bench, &us, &body).status, 201);
    }
    assert_eq!(error(make_token(&bench, &us, &body)).1, "too_many_tokens");
}

#[test]
fn without_a_session_nothing_is_told() {
    let bench = Bench::new();
    for cookie in ["", "__Host-ringside=", "__Host-ringside=x; a=b", "ringside=x"] {
        let browser = Browser { cookie: cookie.to_owned(), csrf: String::new() };
        for route in ["me", "calls", "sensors", "stats", "tokens", "strangers", "changes"] {
            let response = bench.get(&browser, &format!("/api/v1/{route}"));
            assert_eq!(response.status, 401, "{route}");
        }
    }
}

#[test]
fn viewers_do_not_administrate() {
    let bench = Bench::new();
    let viewer = bench.log_in(&bench.ours.viewer);
    for route in ["tokens", "strangers", "api_tokens"] {
        assert_eq!(error(bench.get(&viewer, &format!("/api/v1/{route}"))).1, "not_admin");
    }
    assert_eq!(error(bench.post(&viewer, "/api/v1/tokens")).1, "not_admin");
    let revoke = format!("/api/v1/sensors/{}/revoke", bench.ours.device);
    assert_eq!(error(bench.post(&viewer, &revoke)).1, "not_admin");
}

#[test]
fn the_audit_log_is_paged_and_for_administrators() {
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.admin);
    for _ in 0..5 {
        assert_eq!(bench.post(&us, "/api/v1/tokens").status, 201);
    }
    bench.log_in(&bench.theirs.admin);
    let (mut actions, mut target) = (Vec::new(), "/api/v1/audit?limit=2".to_owned());
    loop {
        let page = bench.json(&us, &target);
        for entry in page["entries"].as_array().expect("entries") {
            actions.push(entry["action"].as_str().expect("text").to_owned());
            assert!(!entry["who"].as_str().expect("text").contains("Theirs"));
        }
        let Some(next) = page["next"].as_str() else { break };
        target = format!("/api/v1/audit?limit=2&cursor={next}");
    }
    let logged = bench.audit();
    let ours = logged.iter().rev().filter(|entry| entry.0 == Some(bench.ours.customer.0));
    assert_eq!(actions, ours.map(|entry| entry.2.clone()).collect::<Vec<_>>());
    for bad in ["limit=0", "limit=201", "cursor=x", "from=x", "what=me"] {
        assert_eq!(bench.get(&us, &format!("/api/v1/audit?{bad}")).status, 400, "{bad}");
    }
    let limit = format!("/api/v1/audit?limit={MAX_ENTRIES}");
    assert_eq!(bench.get(&us, &limit).status, 200);
    let viewer = bench.log_in(&bench.ours.viewer);
    assert_eq!(error(bench.get(&viewer, &limit)).1, "not_admin");
}
