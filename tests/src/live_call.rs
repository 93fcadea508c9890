//! A call that is really made: SIP and RTP in UDP datagrams on the loopback interface.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

const PTIME: Duration = Duration::from_millis(20);

/// Two phones on 127.0.0.1.
#[derive(Debug)]
pub struct Phones {
    caller: UdpSocket,
    callee: UdpSocket,
    caller_media: UdpSocket,
    callee_media: UdpSocket,
}

/// One call between them.
#[derive(Debug)]
pub struct LiveCall<'a> {
    phones: &'a Phones,
    /// Its Call-ID.
    pub call_id: String,
    packets: u16,
}

impl Phones {
    /// Two phones, each with a port for SIP and one for media.
    ///
    /// # Panics
    /// Where no port is free.
    #[must_use]
    pub fn new() -> Self {
        let socket = || UdpSocket::bind("127.0.0.1:0").expect("a port is free");
        Self { caller: socket(), callee: socket(), caller_media: socket(), callee_media: socket() }
    }

    /// The ports that SIP is on, as `sipport` takes them.
    #[must_use]
    pub fn sip_ports(&self) -> String {
        format!("{},{}", address(&self.caller).port(), address(&self.callee).port())
    }

    /// Rings and answers.
    #[must_use]
    pub fn call(&self, call_id: &str) -> LiveCall<'_> {
        let call = LiveCall { phones: self, call_id: call_id.to_owned(), packets: 0 };
        let offer = sdp(address(&self.caller_media));
        let answer = sdp(address(&self.callee_media));
        let invite = format!("INVITE sip:bob@{} SIP/2.0", address(&self.callee));
        call.send(true, &invite, "1 INVITE", &offer);
        call.send(false, "SIP/2.0 180 Ringing", "1 INVITE", "");
        call.send(false, "SIP/2.0 200 OK", "1 INVITE", &answer);
        call.send(true, &format!("ACK sip:bob@{} SIP/2.0", address(&self.callee)), "1 ACK", "");
        call
    }
}

impl Default for Phones {
    fn default() -> Self {
        Self::new()
    }
}

impl LiveCall<'_> {
    /// Both talk for so many packets of 20 ms.
    pub fn talk(&mut self, packets: u16) {
        let began = Instant::now();
        for number in 0..packets {
            let due = began + PTIME * u32::from(number);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let Phones { caller_media, callee_media, .. } = self.phones;
            send(caller_media, callee_media, &rtp(0xa11ce, self.packets));
            send(callee_media, caller_media, &rtp(0xb0b, self.packets));
            self.packets += 1;
        }
    }

    /// The caller hangs up; answers how many packets each has sent.
    #[must_use]
    pub fn hang_up(self) -> u16 {
        self.send(
            true,
            &format!("BYE sip:bob@{} SIP/2.0", address(&self.phones.callee)),
            "2 BYE",
            "",
        );
        self.send(false, "SIP/2.0 200 OK", "2 BYE", "");
        self.packets
    }

    fn send(&self, is_caller: bool, start: &str, cseq: &str, body: &str) {
        let Phones { caller, callee, .. } = self.phones;
        let (from, to) = if is_caller { (caller, callee) } else { (callee, caller) };
        let caller = address(caller);
        let to_tag = if start.starts_with("INVITE") { "" } else { ";tag=b" };
        let content = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let text = format!(
            "{start}\r\nVia: SIP/2.0/UDP {caller};branch=z9hG4bK{}\r\nFrom: <sip:alice@{caller}>;\
             tag=a\r\nTo: <sip:bob@a.example>{to_tag}\r\nCall-ID: {}\r\nCSeq: {cseq}\r\n\
             Max-Forwards: 70\r\n{content}Content-Length: {}\r\n\r\n{body}",
            cseq.replace(' ', ""),
            self.call_id,
            body.len()
        );
        send(from, to, text.as_bytes());
    }
}

fn address(socket: &UdpSocket) -> SocketAddr {
    socket.local_addr().expect("it is bound")
}

fn send(from: &UdpSocket, to: &UdpSocket, payload: &[u8]) {
    from.send_to(payload, address(to)).expect("loopback takes it");
    // So that the receiver's buffer never fills.
    to.recv(&mut [0; 2048]).expect("loopback brings it");
}

fn sdp(media: SocketAddr) -> String {
    let (ip, port) = (media.ip(), media.port());
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8\r\n\
         a=rtpmap:8 PCMA/8000\r\n"
    )
}

/// 20 ms of G.711 (RFC 3550 §5.1).
fn rtp(ssrc: u32, number: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 8];
    packet.extend(number.to_be_bytes());
    packet.extend((u32::from(number) * 160).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend([0xd5; 160]);
    packet
}
