//! A PBX sends what it sees by HEP: registrations, peers and calls come out of the API, without any
//! interface being captured from.

use std::net::{SocketAddr, TcpListener, UdpSocket};

use ringside_tests::cloud::Cloud;
use ringside_tests::processes::wait_for;
use ringside_tests::sensor::Sensor;
use serde_json::Value;

const PHONE: ([u8; 4], u16) = ([10, 1, 0, 17], 5061);
const PBX: ([u8; 4], u16) = ([10, 9, 0, 1], 5061);

/// A HEP3 message of a SIP datagram from `src` to `dst`.
fn hep3(src: ([u8; 4], u16), dst: ([u8; 4], u16), text: &str) -> Vec<u8> {
    let (src_port, dst_port) = (src.1.to_be_bytes(), dst.1.to_be_bytes());
    let chunks: [(u8, &[u8]); 8] = [
        (1, &[2]),
        (2, &[6]),
        (3, &src.0),
        (4, &dst.0),
        (7, &src_port),
        (8, &dst_port),
        (11, &[1]),
        (15, text.as_bytes()),
    ];
    let mut body = Vec::new();
    for (kind, value) in chunks {
        let len = u16::try_from(6 + value.len()).expect("short").to_be_bytes();
        body.extend([0, 0, 0, kind, len[0], len[1]]);
        body.extend(value);
    }
    let len = u16::try_from(6 + body.len()).expect("short").to_be_bytes();
    [b"HEP3", &len[..], &body].concat()
}

fn sip(start: &str, id: &str, cseq: &str, tag: &str, more: &str) -> String {
    format!(
        "{start}\r\nVia: SIP/2.0/TLS 10.1.0.17;branch=z9hG4bK{}\r\nFrom: <sip:4711@pbx.example>;tag=a\r\n\
         To: <sip:4711@pbx.example>{tag}\r\nCall-ID: {id}\r\nCSeq: {cseq}\r\n{more}\
         Content-Length: 0\r\n\r\n",
        cseq.replace(' ', "")
    )
}

fn free_port() -> u16 {
    let taken = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    taken.expect("a port is free").port()
}

#[test]
fn a_wrong_password_and_a_call_that_a_pbx_sends_by_hep_are_in_the_api() {
    let cloud = Cloud::start();
    let port = free_port();
    let sensor = Sensor::joined("by-hep", &cloud.token())
        .without("interface")
        .with("hep", "yes")
        .with("hep_bind_ip", "127.0.0.1")
        .with("hep_bind_port", &port.to_string());
    let process = sensor.run(None, "");
    _ = process.wait_for_line("capturing from HEP on 127.0.0.1");
    _ = process.wait_for_line("accepted: connected to");
    let agent = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    let listener = SocketAddr::from(([127, 0, 0, 1], port));
    let send = |is_phone: bool, text: &str| {
        let (src, dst) = if is_phone { (PHONE, PBX) } else { (PBX, PHONE) };
        agent.send_to(&hep3(src, dst, text), listener).expect("sent");
    };
    let contact = "Contact: <sip:4711@10.1.0.17:5061;transport=tls>\r\n";
    let credentials =
        format!("{contact}Authorization: Digest username=\"4711\", response=\"0\"\r\n");
    let start = "REGISTER sip:pbx.example SIP/2.0";
    send(true, &sip(start, "reg", "1 REGISTER", "", contact));
    send(false, &sip("SIP/2.0 401 Unauthorized", "reg", "1 REGISTER", ";tag=r", ""));
    send(true, &sip(start, "reg", "2 REGISTER", "", &credentials));
    send(false, &sip("SIP/2.0 401 Unauthorized", "reg", "2 REGISTER", ";tag=r", ""));
    send(false, &sip("OPTIONS sip:4711@10.1.0.17 SIP/2.0", "ping", "1 OPTIONS", "", ""));
    send(true, &sip("SIP/2.0 200 OK", "ping", "1 OPTIONS", ";tag=p", "Server: Phone 1\r\n"));
    send(true, &sip("MESSAGE sip:305@pbx.example SIP/2.0", "text", "1 MESSAGE", "", ""));
    send(false, &sip("SIP/2.0 404 Not Found", "text", "1 MESSAGE", ";tag=m", ""));
    send(true, &sip("INVITE sip:200@pbx.example SIP/2.0", "call-by-hep", "1 INVITE", "", ""));
    send(false, &sip("SIP/2.0 486 Busy Here", "call-by-hep", "1 INVITE", ";tag=b", ""));

    let api = cloud.api();
    let registration = wait_for("the registration", || api.registrations().into_iter().next());
    let id = registration["id"].as_str().expect("an id");
    let whole: Value = api.get(&format!("/registrations/{id}"));
    assert_eq!(whole["state"], "failing", "{whole}");
    assert_eq!((&whole["is_wrong_password"], &whole["transport"]), (&true.into(), &"TLS".into()));
    assert_eq!(whole["src"], "10.1.0.17:5061");
    let said = whole["findings"][0]["sentence"].as_str().expect("a sentence");
    assert!(said.starts_with("The password is wrong"), "{said}");
    let peers = wait_for("both peers", || Some(api.peers()).filter(|peers| peers.len() == 2));
    let peer = |method: &str| peers.iter().find(|it| it["method"] == method).expect("a record");
    let ping = peer("OPTIONS");
    assert_eq!((&ping["state"], &ping["peer_agent"]), (&"answering".into(), &"Phone 1".into()));
    assert_eq!((&ping["src"], &ping["dst"]), (&"10.9.0.1:5061".into(), &"10.1.0.17:5061".into()));
    let whole: Value =
        api.get(&format!("/peers/{}", peer("MESSAGE")["id"].as_str().expect("an id")));
    let said = whole["findings"][0]["sentence"].as_str().expect("a sentence");
    assert!(said.starts_with("MESSAGE from 4711 to 4711 was refused with 404"), "{said}");
    let call = wait_for("the call", || api.calls().into_iter().next());
    assert_eq!((&call["call_id"], &call["status_code"]), (&"call-by-hep".into(), &486.into()));
    assert_ne!(call["id"], registration["id"], "one sequence of numbers");
}
