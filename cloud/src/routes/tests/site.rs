use super::*;
use crate::front::SHORT_BODY_BYTES;
use crate::web::Site;

const SCRIPT: &[u8] = &[b'x'; 4000];

fn bench() -> Bench {
    let mut bench = Bench::new();
    bench.app.site = Site::new(&[
        ("/index.html", b"<!doctype html>"),
        ("/icon.svg", b"<svg/>"),
        ("/assets/main-3F2A9C1B.js", SCRIPT),
        ("/assets/plain.css", b"a{}"),
    ]);
    bench
}

fn get(bench: &Bench, target: &str, headers: &[(&str, &str)]) -> Response {
    let headers = headers.iter().map(|&(n, v)| (n.to_owned(), v.to_owned())).collect();
    handle(&bench.app, &request("GET", target, headers, ""))
}

#[test]
fn every_path_outside_the_api_is_a_page() {
    let bench = bench();
    for path in ["/", "/calls", "/calls/1-2-3?q=x", "/sensors/", "/apiary", "/../etc/passwd", "*"] {
        let response = get(&bench, path, &[]);
        assert_eq!(header(&response, "Content-Type"), Some("text/html; charset=utf-8"), "{path}");
        assert_eq!(header(&response, "Cache-Control"), Some("no-cache"));
        assert_eq!(text(response), "<!doctype html>");
    }
    for path in ["/api", "/api/", "/api/v2/calls", "/api/v1", "/api/v1/calls/"] {
        assert_eq!(get(&bench, path, &[]).status, 404, "{path}");
    }
    assert_eq!(text(get(&bench, "/icon.svg", &[])), "<svg/>");
    assert_eq!(error(handle(&bench.app, &request("POST", "/", vec![], ""))).0, 405);
}

#[test]
fn a_file_of_another_build_is_not_answered_with_a_page() {
    let bench = bench();
    let response = get(&bench, "/assets/main-00000000.js", &[]);
    assert_eq!(response.status, 404);
    assert!(text(response).contains("reload the page"));
}

#[test]
fn hashed_files_are_kept_and_the_rest_is_asked_for_again() {
    let bench = bench();
    let script = get(&bench, "/assets/main-3F2A9C1B.js", &[]);
    let kept = header(&script, "Cache-Control").expect("a header");
    assert_eq!(kept, "public, max-age=31536000, immutable");
    assert_eq!(header(&script, "Content-Type"), Some("text/javascript; charset=utf-8"));
    let plain = get(&bench, "/assets/plain.css", &[]);
    assert_eq!(header(&plain, "Cache-Control"), Some("no-cache"));
    let etag = header(&plain, "ETag").expect("a tag").to_owned();
    let again = get(&bench, "/assets/plain.css", &[("if-none-match", &format!("\"x\", W/{etag}"))]);
    assert_eq!((again.status, text(again)), (304, String::new()));
    let other = get(&bench, "/assets/plain.css", &[("if-none-match", "\"x\"")]);
    assert_eq!(other.status, 200);
}

#[test]
fn large_texts_are_compressed_for_those_who_ask() {
    let bench = bench();
    let plain = get(&bench, "/assets/main-3F2A9C1B.js", &[("accept-encoding", "br, gzip;q=0")]);
    assert_eq!(header(&plain, "Content-Encoding"), None);
    assert_eq!(header(&plain, "Vary"), Some("Accept-Encoding"));
    let gzip = get(&bench, "/assets/main-3F2A9C1B.js", &[("accept-encoding", "br, gzip;q=0.8")]);
    assert_eq!(header(&gzip, "Content-Encoding"), Some("gzip"));
    assert_ne!(header(&gzip, "ETag"), header(&plain, "ETag"));
    let Body::Bytes(bytes) = gzip.body else { panic!("no bytes") };
    let mut inflated = Vec::new();
    let mut decoder = flate2::read::GzDecoder::new(bytes.as_slice());
    decoder.read_to_end(&mut inflated).expect("gzip");
    assert_eq!(inflated, SCRIPT);
}

#[test]
fn no_answer_to_a_stranger_is_long() {
    let mut bench = Bench::new();
    let long = "function f() {}\n".repeat(10_000);
    bench.app.site = Site::new(&[("/assets/long-3F2A9C1B.js", long.as_bytes())]);
    let length = |response: Response| match response.body {
        Body::Bytes(bytes) => bytes.len(),
        Body::Stream(_) => usize::MAX,
    };
    for accepted in ["identity", "gzip;q=0", "gzip"] {
        let response = get(&bench, "/assets/long-3F2A9C1B.js", &[("accept-encoding", accepted)]);
        assert_eq!(header(&response, "Content-Encoding"), Some("gzip"), "{accepted}");
        assert!(length(response) <= SHORT_BODY_BYTES);
    }
    let description = get(&bench, "/api/v1/openapi.json", &[]);
    assert!(length(description) <= SHORT_BODY_BYTES, "send it compressed");
    // The pages of this build, if it has them.
    bench.app.site = Site::embedded();
    for path in Site::embedded_paths() {
        assert!(length(get(&bench, path, &[])) <= SHORT_BODY_BYTES, "{path}: split it");
    }
}

#[test]
fn a_build_without_pages_says_what_to_do() {
    let mut bench = Bench::new();
    bench.app.site = Site::new(&[]);
    let response = get(&bench, "/", &[]);
    assert_eq!(response.status, 503);
    assert!(text(response).contains("run ci/web"));
}

#[test]
fn every_answer_protects_itself() {
    let mut bench = bench();
    for path in ["/", "/assets/plain.css", "/api/v1/me", "/api/v1/nothing", "/healthz"] {
        let response = get(&bench, path, &[]);
        let policy = header(&response, "Content-Security-Policy").expect("a policy");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(header(&response, "X-Content-Type-Options"), Some("nosniff"));
        assert_eq!(header(&response, "Referrer-Policy"), Some("no-referrer"));
        assert_eq!(header(&response, "Strict-Transport-Security"), None);
        if path.starts_with("/api/") {
            assert_eq!(header(&response, "Cache-Control"), Some("no-store"), "{path}");
        }
    }
    bench.app.hsts = true;
    assert!(header(&get(&bench, "/", &[]), "Strict-Transport-Security").is_some());
}

#[test]
fn a_method_that_a_path_does_not_know_is_refused_with_those_it_knows() {
    let bench = bench();
    let response = handle(&bench.app, &request("DELETE", "/api/v1/tokens", vec![], ""));
    assert_eq!(header(&response, "Allow"), Some("GET, POST"));
    assert_eq!(error(response).0, 405);
}

#[test]
fn health_and_metrics_are_for_this_machine_and_for_tokens() {
    let bench = bench();
    let ask = |peer: &str, is_forwarded, target: &str, headers: &[(&str, &str)]| {
        let headers = headers.iter().map(|&(n, v)| (n.to_owned(), v.to_owned())).collect();
        let mut request = request("GET", target, headers, "");
        request.peer = peer.parse().expect("an address");
        request.is_forwarded = is_forwarded;
        handle(&bench.app, &request)
    };
    let from =
        |peer: &str, target: &str, headers: &[(&str, &str)]| ask(peer, false, target, headers);
    for target in ["/healthz", "/metrics"] {
        for local in ["127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(from(local, target, &[]).status, 200, "{local}");
        }
        assert_eq!(error(from("192.0.2.1:1", target, &[])).0, 403);
        assert_eq!(error(ask("127.0.0.1:1", true, target, &[])).0, 403);
        let us = bench.log_in(&bench.ours.viewer);
        assert_eq!(from("192.0.2.1:1", target, &[("cookie", &us.cookie)]).status, 200);
    }
    let all = text(from("127.0.0.1:1", "/metrics", &[]));
    for line in [
        "# TYPE ringside_sensors gauge",
        "ringside_sensors{customer=\"Ours\",online=\"false\"} 1",
        "ringside_sensors{customer=\"Theirs\",online=\"true\"} 0",
        "ringside_channels{customer=\"Ours\"} 0",
        "ringside_http_responses_total{status=\"4xx\"} 4",
        "ringside_logins_failed_total 0",
        "ringside_cdrs_expired_total{customer=\"Theirs\"} 0",
    ] {
        assert!(all.lines().any(|there| there == line), "{line}\n{all}");
    }
    let us = bench.log_in(&bench.ours.viewer);
    let ours = text(from("192.0.2.1:1", "/metrics", &[("cookie", &us.cookie)]));
    assert!(ours.contains("Ours") && !ours.contains("Theirs") && !ours.contains("logins"));
}
