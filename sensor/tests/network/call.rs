//! SIP messages, and a call that behaves well.

use core::net::SocketAddr;

use ringside_protocol::cdr::EndedBy;

use super::{SECOND, Tap, address, rtp};

/// One SIP message with its Content-Length.
pub(crate) fn sip(start: &str, id: &str, cseq: &str, to_tag: &str, body: &str) -> String {
    let content_type = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{start}\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{branch}\r\n\
         From: \"Ann\" <sip:ann@example.net>;tag=a\r\nTo: <sip:bob@example.net>{to_tag}\r\n\
         Call-ID: {id}\r\nCSeq: {cseq}\r\n{content_type}Content-Length: {len}\r\n\r\n{body}",
        branch = cseq.replace(' ', ""),
        len = body.len(),
    )
}

/// A description of one PCMA stream.
pub(crate) fn sdp(media: SocketAddr) -> String {
    let ip = media.ip();
    let version = if ip.is_ipv4() { 4 } else { 6 };
    format!(
        "v=0\r\no=- 1 1 IN IP{version} {ip}\r\ns=-\r\nc=IN IP{version} {ip}\r\nt=0 0\r\n\
         m=audio {} RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n",
        media.port()
    )
}

/// A call of two directions, 50 packets a second each.
pub(crate) struct Call {
    pub(crate) id: String,
    signalling: [SocketAddr; 2],
    pub(crate) media: [SocketAddr; 2],
    pub(crate) ssrc: u32,
    pub(crate) packets: u16,
}

impl Call {
    /// The call of this number; up to 16,000 share nothing with each other.
    pub(crate) fn new(id: &str, number: u16) -> Self {
        let [high, low] = number.to_be_bytes();
        let host = |side| [10, side, high, low];
        Self {
            id: id.to_owned(),
            signalling: [address(host(1), 5060), address(host(2), 5060)],
            media: [address(host(1), 10_000 + number), address(host(2), 30_000 + number)],
            ssrc: 0x1234_0000 + u32::from(number),
            packets: 0,
        }
    }

    /// INVITE, 180, 200, ACK.
    pub(crate) fn begin(&self, tap: &mut Tap) {
        let [a, b] = self.signalling;
        let (offer, answer) = (sdp(self.media[0]), sdp(self.media[1]));
        let message = |start, cseq, tag, body| sip(start, &self.id, cseq, tag, body);
        let invite = message("INVITE sip:bob@example.net SIP/2.0", "1 INVITE", "", &offer);
        tap.udp(a, b, invite.as_bytes());
        tap.udp(b, a, message("SIP/2.0 180 Ringing", "1 INVITE", ";tag=b", "").as_bytes());
        tap.udp(b, a, message("SIP/2.0 200 OK", "1 INVITE", ";tag=b", &answer).as_bytes());
        let ack = message("ACK sip:bob@example.net SIP/2.0", "1 ACK", ";tag=b", "");
        tap.udp(a, b, ack.as_bytes());
    }

    /// The next packet of both directions.
    pub(crate) fn packets(&mut self) -> [Vec<u8>; 2] {
        let [a, b] = self.media;
        let timestamp = u32::from(self.packets) * 160;
        let frames = [
            super::udp(a, b, &rtp(self.ssrc, self.packets, timestamp)),
            super::udp(b, a, &rtp(!self.ssrc, self.packets, timestamp)),
        ];
        self.packets = self.packets.wrapping_add(1);
        frames
    }

    /// One packet each way, and 20 ms.
    pub(crate) fn talk(&mut self, tap: &mut Tap) {
        for frame in self.packets() {
            tap.frame(&frame);
        }
        tap.pass(SECOND / 50);
    }

    /// BYE and its answer.
    pub(crate) fn end(&self, tap: &mut Tap) {
        let [a, b] = self.signalling;
        let bye = sip("BYE sip:bob@example.net SIP/2.0", &self.id, "2 BYE", ";tag=b", "");
        tap.udp(a, b, bye.as_bytes());
        tap.udp(b, a, sip("SIP/2.0 200 OK", &self.id, "2 BYE", ";tag=b", "").as_bytes());
        tap.pass(SECOND);
    }

    /// The record says what happened, and nothing of what happened beside it.
    pub(crate) fn assert_recorded(&self, tap: &Tap) {
        let records: Vec<_> = tap.records.iter().filter(|it| it.call_id == self.id).collect();
        let [record] = records[..] else { panic!("{} records of {}", records.len(), self.id) };
        assert_eq!((record.ended_by, record.flags), (EndedBy::Caller, 0), "{}", self.id);
        assert_eq!(record.status.as_ref().map(|status| status.code), Some(200));
        assert_eq!((record.sip.len(), record.retransmissions, record.sip_omitted), (6, 0, 0));
        let figures: Vec<_> = record
            .streams
            .iter()
            .map(|stream| (stream.packets, stream.lost, stream.duplicates, stream.reordered))
            .collect();
        let sent = u32::from(self.packets);
        assert_eq!(figures, [(sent, 0, 0, 0); 2], "{}", self.id);
    }
}
