//! SIP torture messages (RFC 4475): messages that are right and look wrong, and the other way
//! round. Some are written here after its sections; all of them are read from `../shared/captures`
//! where that is there.

use std::path::{Path, PathBuf};

use ringside_protocol::counters::Counter;

use crate::network::{Call, Segment, Tap, address};

/// The headers that every message here has unless it says otherwise.
const REST: &str = "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n";

/// Messages that are read, by the section that they are written after.
fn valid() -> Vec<(&'static str, String)> {
    let plain = |start: &str, headers: &str| format!("{start}\r\n{headers}{REST}");
    vec![
        (
            "3.1.1.1: folds, compact names, any case",
            plain(
                "INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0",
                "TO :\r\n sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n\r\n\
                 from   : \"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com>\r\n  ;\r\n  \
                 tag = 98asjd8\r\nMaX-fOrWaRdS: 0068\r\nCall-ID: wsinv.ndaksdj@192.0.2.1\r\n\
                 cseq: 0009\r\n  INVITE\r\nVia  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw\r\n\
                 s :\r\nNewFangledHeader:   newfangled value\r\n continued newfangled value\r\n",
            ),
        ),
        (
            "3.1.1.2: every character that a token may have",
            plain(
                "!interesting-Method0123456789_*+`.%indeed'~ sip:1_unusual.URI~(to-be!sure)&isn't+it$/\
                 crazy?,/;;*@example.com SIP/2.0",
                "Via: SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~\r\n\
                 To: \"BEL:\\\x07 NUL:\\\x01 DEL:\\\x7f\" <sip:1_unusual@example.com>\r\n\
                 From: token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;tag=_token~1'+`*%!-.\r\n\
                 Call-ID: intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{\r\n\
                 CSeq: 139122385 !interesting-Method0123456789_*+`.%indeed'~\r\n",
            ),
        ),
        (
            "3.1.1.3: escapes in URIs",
            plain(
                "INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0",
                "To: sip:%75se%72@example.com\r\nFrom: <sip:I%20have%20spaces@example.net>;tag=938\r\n\
                 Call-ID: esc01.239409asdfakjkn23onasd0-3234\r\nCSeq: 234234 INVITE\r\n\
                 Via: SIP/2.0/UDP host5.example.net;branch=z9hG4bKkdjuw\r\n",
            ),
        ),
        (
            "3.1.1.6: no white space between name and bracket",
            plain(
                "OPTIONS sip:user@example.com SIP/2.0",
                "To: sip:user@example.com\r\nFrom: caller<sip:caller@example.com>;tag=323\r\n\
                 Call-ID: lwsdisp.1234abcd@funky.example.com\r\nCSeq: 60 OPTIONS\r\n\
                 Via: SIP/2.0/UDP funky.example.com;branch=z9hG4bKkdjuw\r\n",
            ),
        ),
        (
            "3.1.1.7: long values",
            plain(
                "INVITE sip:user@example.com SIP/2.0",
                &format!(
                    "To: \"I have {} name\" <sip:user@example.com:6000;unknownparam1={}>\r\n\
                     F: sip:{}@example.net;tag=12982424{}\r\nCall-ID: longreq.one{}call-id\r\n\
                     CSeq: 3882340 INVITE\r\nUnknown{}: x\r\nv: SIP/2.0/TCP sip33.example.com\r\n\
                     v: SIP/2.0/TCP sip32.example.com;branch=z9hG4bK{}\r\n",
                    "a very ".repeat(20),
                    "very".repeat(30),
                    "amazinglylong".repeat(20),
                    "2424".repeat(60),
                    "really".repeat(100),
                    "-Long".repeat(50),
                    "kdjuw".repeat(100),
                ),
            ),
        ),
        (
            "3.1.1.12: a reason phrase in another alphabet",
            plain(
                "SIP/2.0 200 = 2**3 * 5**2 \u{43d}\u{43e} \u{441}\u{442}\u{43e}",
                "Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923\r\nCall-ID: unreason.1234ksdfak3j2erwedfsASdf\r\n\
                 CSeq: 35 INVITE\r\nFrom: sip:user@example.com;tag=11141343\r\n\
                 To: sip:user@example.edu;tag=2229\r\n",
            ),
        ),
        (
            "3.1.1.13: no reason phrase",
            plain(
                "SIP/2.0 100 ",
                "Via: SIP/2.0/UDP 192.0.2.105;branch=z9hG4bK2398ndaoe\r\nCall-ID: noreason.asndj203insdf99223ndf\r\n\
                 CSeq: 35 INVITE\r\nFrom: <sip:user@example.com>;tag=39ansfi3\r\n\
                 To: <sip:user@example.edu>;tag=902jndnke3\r\n",
            ),
        ),
    ]
}

/// Messages that are no SIP, or have a number that is none.
fn invalid() -> Vec<(&'static str, String)> {
    let headers = "Via: SIP/2.0/UDP host.example.com;branch=z9hG4bK1\r\nTo: sip:a@example.com\r\n\
                   From: sip:b@example.net;tag=2\r\nCall-ID: invalid\r\n";
    let message = |start: &str, cseq: &str| format!("{start}\r\n{headers}CSeq: {cseq}\r\n{REST}");
    let invite = "INVITE sip:a@example.com SIP/2.0";
    vec![
        ("3.1.2.4: a CSeq that no 32 bits hold", message(invite, "36893488147419103232 INVITE")),
        (
            "3.1.2.16: a version that there is not",
            message("OPTIONS sip:t@example.com SIP/7.0", "1 OPTIONS"),
        ),
        (
            "3.1.2.19: a status code of four digits",
            message("SIP/2.0 4294967301 better not break", "1 INVITE"),
        ),
        (
            "3.3.1: no header that has to be there",
            format!("{invite}\r\nCSeq: 193942 INVITE\r\n{REST}"),
        ),
    ]
}

/// How many messages are read of one that comes by UDP and then by TCP; beside them a call talks.
fn read(messages: &[(String, Vec<u8>)]) -> Vec<(String, u64)> {
    let mut tap = Tap::new("well-behaved");
    let mut call = Call::new("well-behaved", 0);
    call.begin(&mut tap);
    let mut found = Vec::new();
    for (name, message) in messages {
        let before = tap.count(Counter::SipMessages);
        let (src, dst) = (address([10, 9, 0, 1], 5060), address([10, 9, 0, 2], 5060));
        tap.udp(src, dst, message);
        // A connection of its own for each.
        let src = address([10, 9, 0, 1], 40_000 + u16::try_from(found.len()).unwrap());
        for (sequence_number, payload) in (0..).step_by(100).zip(message.chunks(100)) {
            tap.tcp(src, dst, Segment { sequence_number, payload, ..Segment::default() });
        }
        let sequence_number = u32::try_from(message.len()).unwrap();
        tap.tcp(src, dst, Segment { sequence_number, fin: true, ..Segment::default() });
        call.talk(&mut tap);
        found.push((name.clone(), tap.count(Counter::SipMessages) - before));
    }
    call.end(&mut tap);
    let record = tap.records.iter().find(|it| it.call_id == call.id).expect("its record");
    assert!(record.streams.iter().all(|stream| stream.packets == u32::from(call.packets)));
    tap.finish();
    assert_eq!(tap.analysis.table().in_progress(), 0);
    found
}

fn named(messages: Vec<(&'static str, String)>) -> Vec<(String, Vec<u8>)> {
    messages.into_iter().map(|(name, text)| (name.to_owned(), text.into_bytes())).collect()
}

#[test]
fn messages_that_are_right_are_read() {
    for (name, count) in read(&named(valid())) {
        assert_eq!(count, 2, "{name}");
    }
}

#[test]
fn messages_that_are_wrong_are_not() {
    for (name, count) in read(&named(invalid())) {
        assert_eq!(count, 0, "{name}");
    }
}

#[test]
fn every_message_of_the_rfc() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/captures");
    let Ok(expected) = std::fs::read_to_string(shared.join("rfc4475-open.expect.tsv")) else {
        println!("skipped: there are no messages of RFC 4475 in {}", shared.display());
        return;
    };
    let folder: PathBuf = shared.join("rfc4475-dat");
    let mut messages = Vec::new();
    let mut is_valid = Vec::new();
    for line in expected.lines().skip(1) {
        let [_, file, _, class, ..] = line.split('\t').collect::<Vec<_>>()[..] else { continue };
        let Ok(message) = std::fs::read(folder.join(file)) else { continue };
        messages.push((file.to_owned(), message));
        is_valid.push(class.starts_with("valid"));
    }
    assert!(messages.len() > 20);
    for ((name, count), is_valid) in read(&messages).into_iter().zip(is_valid) {
        println!("{name}: {count} of 2");
        assert!(!is_valid || count == 2, "{name} is valid and was not read: {count}");
    }
}
