//! What 1000 capture rules cost a SIP message: 900 on addresses and numbers, 80 on headers, 20 with
//! a regular expression. Goal: under 10 microseconds (SPECIFICATION.md).
//!
//! ```text
//! cargo bench -p ringside-sensor --bench rules
//! ```

use std::hint::black_box;
use std::time::Instant;

use ringside_protocol::rule::{Place, Rule};
use ringside_sensor::rules::{NumberedRule, Phase, RuleBook, Shown};

const MESSAGE: &str = "INVITE sip:+4930555123@192.0.2.20:5060;user=phone SIP/2.0\r\n\
    Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK776asdhds;rport\r\n\
    Max-Forwards: 70\r\n\
    From: \"Anna\" <sip:+4940123456@carrier.example>;tag=1928301774\r\n\
    To: <sip:+4930555123@pbx.example>\r\n\
    Call-ID: a84b4c76e66710@192.0.2.10\r\n\
    CSeq: 314159 INVITE\r\n\
    Contact: <sip:+4940123456@192.0.2.10:5060>\r\n\
    User-Agent: Yealink SIP-T46S 66.85.0.5\r\n\
    Allow: INVITE, ACK, CANCEL, BYE, REFER, NOTIFY, OPTIONS, INFO, UPDATE, PRACK\r\n\
    Supported: replaces, timer, 100rel\r\n\
    X-Trunk: gate-7.carrier.example\r\n\
    P-Asserted-Identity: <sip:+4940123456@carrier.example>\r\n\
    Content-Type: application/sdp\r\n\
    Content-Length: 0\r\n\r\n";

fn rules() -> Vec<NumberedRule> {
    let mut texts = Vec::new();
    for n in 0..300 {
        texts.push(format!("keep sip, rtp when address = 10.{}.{}.0/24", n / 16, n % 16));
        texts.push(format!("keep sip, rtp when caller = +4930{n:03}*"));
        texts.push(format!("keep sip when callee = +49405{n:03} or caller = *{n:03}?9"));
    }
    for n in 0..40 {
        texts.push(format!("keep sip when header X-Trunk = \"gate-{n}.test\""));
        texts.push(format!("keep sip when agent contains \"Phone {n}/\""));
    }
    for n in 0..20 {
        let header = ["P-Asserted-Identity", "X-Trunk", "User-Agent", "Contact"][n % 4];
        texts.push(format!("keep rtp when header {header} ~ /^<?(sip|tel):[+]?4{n}[0-9]+@/"));
    }
    assert_eq!(texts.len(), 1000);
    let parse = |text: &String| Rule::parse(text).expect("a rule");
    (1..).zip(texts.iter().map(parse)).map(|(id, rule)| NumberedRule { id, rule }).collect()
}

/// Everything that rules ask of the first message of a call.
fn first_message(book: &RuleBook, shown: &mut Shown) {
    shown.clear();
    book.show_numbers(b"+4940123456", [b"+4930555123", b"+4930555123"], shown);
    for host in [&b"carrier.example"[..], b"pbx.example", b"192.0.2.20:5060"] {
        book.show_host(host, shown);
    }
    every_message(book, shown);
    black_box(book.decide(shown, Phase::Ringing, |_| true));
}

/// And of each one that follows.
fn every_message(book: &RuleBook, shown: &mut Shown) {
    book.show_address([192, 0, 2, 10].into(), Place::Signalling, shown);
    book.show_address([192, 0, 2, 20].into(), Place::Signalling, shown);
    book.show_headers(black_box(MESSAGE.as_bytes()), shown);
    if shown.take_changed() {
        black_box(book.decide(shown, Phase::Ringing, |_| true));
    }
}

fn main() {
    let book = RuleBook::compile(rules()).expect("compiles");
    let mut shown = book.nothing_shown();
    let mut measure = |name: &str, look: fn(&RuleBook, &mut Shown)| {
        const TIMES: u32 = 20_000;
        let best = (0..10)
            .map(|_| {
                let start = Instant::now();
                (0..TIMES).for_each(|_| look(&book, &mut shown));
                start.elapsed() / TIMES
            })
            .min();
        println!("{name:<28}{:>8.2} us", best.unwrap_or_default().as_secs_f64() * 1e6);
    };
    measure("a call's first message", first_message);
    measure("each further message", every_message);
}
