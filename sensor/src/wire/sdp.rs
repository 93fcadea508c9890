//! Session descriptions (RFC 8866) as offer and answer use them (RFC 3264).

use core::fmt;
use core::net::{IpAddr, Ipv4Addr};
use core::str;

use super::rtp::{RtpMap, static_payload_type};

/// Media lines that are read; further ones are passed over.
pub const MAX_MEDIA_LINES: usize = 8;
/// Payload types of a media line that are read.
pub const MAX_FORMATS: usize = 24;

/// Why bytes are no session description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// It does not begin with a version line.
    Version,
    /// A media line has no port or protocol (RFC 8866 §5.14).
    Media,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Version => "no v= line at the start (RFC 8866 §5.1)",
            Self::Media => "media line has no port or protocol (RFC 8866 §5.14)",
        })
    }
}

impl core::error::Error for Error {}

/// What a media line carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `audio`.
    Audio,
    /// `video`.
    Video,
    /// `image`: T.38.
    Image,
    /// Any other.
    Other,
}

/// `a=sendrecv` and its like (RFC 8866 §6.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Both ways, the default.
    #[default]
    SendRecv,
    /// The describer only sends.
    SendOnly,
    /// The describer only receives.
    RecvOnly,
    /// Neither.
    Inactive,
}

/// One media line with its attributes.
#[derive(Clone, Debug)]
pub struct Media<'a> {
    /// What it carries.
    pub kind: Kind,
    /// 0: refused or removed.
    pub port: u16,
    /// As written, for example `RTP/AVP`.
    pub protocol: &'a [u8],
    /// Payload types, preferred first.
    pub formats: heapless::Vec<u8, MAX_FORMATS>,
    /// Where to send; inherited from the session.
    pub connection: Option<IpAddr>,
    /// Inherited from the session.
    pub direction: Direction,
    /// `a=rtcp` (RFC 3605).
    pub rtcp_port: Option<u16>,
    /// `a=rtcp-mux` (RFC 5761).
    pub rtcp_mux: bool,
    /// SAVP, a crypto line, or a DTLS fingerprint.
    pub encrypted: bool,
    /// `a=ptime`, ms.
    pub ptime: Option<u16>,
    /// The first rtpmap of each of the formats.
    maps: heapless::Vec<(u8, RtpMap<'a>), MAX_FORMATS>,
}

/// A whole description.
#[derive(Clone, Debug)]
pub struct Session<'a> {
    /// The media lines in order.
    pub media: heapless::Vec<Media<'a>, MAX_MEDIA_LINES>,
}

impl<'a> Session<'a> {
    /// Reads a description; lines that it does not know are passed over.
    ///
    /// # Errors
    /// Any [`Error`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        if !bytes.trim_ascii_start().starts_with(b"v=") {
            return Err(Error::Version);
        }
        let mut session = Self { media: heapless::Vec::new() };
        let (mut connection, mut direction, mut encrypted) = (None, Direction::default(), false);
        let mut left = bytes;
        while !left.is_empty() {
            let end = left.iter().position(|&byte| byte == b'\n').map_or(left.len(), |at| at + 1);
            let (line, rest) = left.split_at(end);
            left = rest;
            let [name, b'=', value @ ..] = line else { continue };
            let value = value.trim_ascii();
            if *name == b'm' {
                let mut media = Media::parse(value)?;
                media.connection = connection;
                media.direction = direction;
                media.encrypted |= encrypted;
                if session.media.push(media).is_err() {
                    break;
                }
            } else if let Some(media) = session.media.last_mut() {
                media.read(*name, value);
            } else {
                match *name {
                    b'c' => connection = address(value),
                    b'a' => {
                        direction = direction_of(value).unwrap_or(direction);
                        encrypted |= value.starts_with(b"fingerprint:");
                    }
                    _ => {}
                }
            }
        }
        Ok(session)
    }
}

impl<'a> Media<'a> {
    fn parse(value: &'a [u8]) -> Result<Self, Error> {
        let mut words = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let kind = words.next().ok_or(Error::Media)?;
        let port = words.next().ok_or(Error::Media)?;
        let port = port.split(|&byte| byte == b'/').next().and_then(number).ok_or(Error::Media)?;
        let protocol = words.next().ok_or(Error::Media)?;
        let mut formats = heapless::Vec::new();
        for format in words.filter_map(number) {
            if formats.push(format).is_err() {
                break;
            }
        }
        let kind = if kind.eq_ignore_ascii_case(b"audio") {
            Kind::Audio
        } else if kind.eq_ignore_ascii_case(b"video") {
            Kind::Video
        } else if kind.eq_ignore_ascii_case(b"image") {
            Kind::Image
        } else {
            Kind::Other
        };
        let encrypted = protocol.windows(4).any(|part| part.eq_ignore_ascii_case(b"SAVP"));
        Ok(Self {
            kind,
            port,
            protocol,
            formats,
            connection: None,
            direction: Direction::default(),
            rtcp_port: None,
            rtcp_mux: false,
            encrypted,
            ptime: None,
            maps: heapless::Vec::new(),
        })
    }

    fn read(&mut self, name: u8, value: &'a [u8]) {
        if name == b'c' {
            self.connection = address(value).or(self.connection);
        }
        if name != b'a' {
            return;
        }
        self.direction = direction_of(value).unwrap_or(self.direction);
        if let Some((payload_type, map)) = value.strip_prefix(b"rtpmap:").and_then(rtpmap) {
            let is_known = self.maps.iter().any(|&(known, _)| known == payload_type);
            if !is_known && self.formats.contains(&payload_type) {
                // At most one for each format: there is room.
                let _ = self.maps.push((payload_type, map));
            }
        }
        if let Some(rtcp) = value.strip_prefix(b"rtcp:") {
            self.rtcp_port = rtcp.split(u8::is_ascii_whitespace).next().and_then(number);
        }
        if let Some(ptime) = value.strip_prefix(b"ptime:") {
            self.ptime = number(ptime);
        }
        self.rtcp_mux |= value == b"rtcp-mux";
        self.encrypted |= value.starts_with(b"crypto:") || value.starts_with(b"fingerprint:");
    }

    /// Whether the address is one that nobody can send to: the hold of RFC 2543.
    #[must_use]
    pub fn is_unspecified(&self) -> bool {
        self.connection.is_some_and(|address| address.is_unspecified())
    }

    /// Whether this is fax (T.38 over UDPTL).
    #[must_use]
    pub const fn is_t38(&self) -> bool {
        matches!(self.kind, Kind::Image)
    }

    /// What a payload type stands for: by its rtpmap, else by RFC 3551.
    #[must_use]
    pub fn rtpmap(&self, payload_type: u8) -> Option<RtpMap<'a>> {
        let described = self.maps.iter().find(|&&(known, _)| known == payload_type);
        described.map(|&(_, map)| map).or_else(|| static_payload_type(payload_type))
    }
}

/// `PT NAME/CLOCK[/CHANNELS]` (RFC 8866 §6.6).
fn rtpmap(value: &[u8]) -> Option<(u8, RtpMap<'_>)> {
    let mut words = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let payload_type = words.next().and_then(number)?;
    let mut parts = words.next()?.split(|&byte| byte == b'/');
    let encoding_name = str::from_utf8(parts.next()?).ok()?;
    let clock_rate = parts.next().and_then(number).filter(|&rate| rate > 0)?;
    let channels = parts.next().and_then(number).unwrap_or(1);
    Some((payload_type, RtpMap { encoding_name, clock_rate, channels }))
}

/// The address of a connection line (RFC 8866 §5.7).
fn address(value: &[u8]) -> Option<IpAddr> {
    let mut words = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let text = str::from_utf8(words.nth(2)?).ok()?;
    let text = text.split('/').next()?;
    text.parse().ok().or_else(|| leading_zeros(text))
}

/// `192.000.002.001`, which some devices write.
fn leading_zeros(text: &str) -> Option<IpAddr> {
    let mut octets = [0; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        *octet = parts.next()?.parse().ok()?;
    }
    parts.next().is_none().then_some(IpAddr::V4(Ipv4Addr::from(octets)))
}

const fn direction_of(value: &[u8]) -> Option<Direction> {
    match value {
        b"sendrecv" => Some(Direction::SendRecv),
        b"sendonly" => Some(Direction::SendOnly),
        b"recvonly" => Some(Direction::RecvOnly),
        b"inactive" => Some(Direction::Inactive),
        _ => None,
    }
}

fn number<T: str::FromStr>(bytes: &[u8]) -> Option<T> {
    str::from_utf8(bytes).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &[u8] = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\n\
        t=0 0\r\na=sendonly\r\nm=audio 4000/1 RTP/AVP 8 96 101\r\n\
        a=rtpmap:96 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\n\
        m=video 4002 RTP/SAVP 97\r\nc=IN IP6 2001:db8::1\r\na=sendrecv\r\na=rtcp:5555\r\n\
        a=rtpmap:97 H264/90000\r\na=rtcp-mux\r\n";

    #[test]
    fn media_inherit_from_the_session_and_override_it() {
        let session = Session::parse(OFFER).unwrap();
        let [audio, video] = session.media.as_slice() else { panic!("two media lines") };
        assert_eq!(audio.kind, Kind::Audio);
        assert_eq!((audio.port, audio.direction), (4000, Direction::SendOnly));
        assert_eq!(audio.connection, Some("192.0.2.1".parse().unwrap()));
        assert_eq!(audio.formats.as_slice(), [8, 96, 101]);
        assert_eq!(audio.ptime, Some(20));
        assert!(!audio.encrypted);
        assert_eq!(video.connection, Some("2001:db8::1".parse().unwrap()));
        assert_eq!((video.direction, video.rtcp_port), (Direction::SendRecv, Some(5555)));
        assert!(video.encrypted && video.rtcp_mux);
    }

    #[test]
    fn rtpmap_belongs_to_its_media_line() {
        let session = Session::parse(OFFER).unwrap();
        let audio = &session.media[0];
        let opus = RtpMap { encoding_name: "opus", clock_rate: 48_000, channels: 2 };
        assert_eq!(audio.rtpmap(96), Some(opus));
        assert_eq!(audio.rtpmap(8), static_payload_type(8));
        assert_eq!(audio.rtpmap(97), None);
    }

    #[test]
    fn the_first_rtpmap_that_can_be_read_holds() {
        let sdp = b"v=0\nm=audio 1 RTP/AVP 96\na=rtpmap:96 opus\na=rtpmap:96 AMR/8000\n\
            a=rtpmap:96 G722/8000\n";
        let session = Session::parse(sdp).unwrap();
        let amr = RtpMap { encoding_name: "AMR", clock_rate: 8_000, channels: 1 };
        assert_eq!(session.media[0].rtpmap(96), Some(amr));
    }

    #[test]
    fn hold_of_rfc_2543_and_leading_zeros() {
        let sdp = b"v=0\nc=IN IP4 0.0.0.0\nm=audio 1 RTP/AVP 0\nm=audio 2 RTP/AVP 0\n\
            c=IN IP4 192.000.002.001\n";
        let session = Session::parse(sdp).unwrap();
        assert!(session.media[0].is_unspecified());
        assert_eq!(session.media[1].connection, Some("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn a_hostile_description_is_bounded() {
        let mut sdp = b"v=0\n".to_vec();
        for _ in 0..5000 {
            sdp.extend(b"m=audio 1 RTP/AVP");
            sdp.extend(b" 0".repeat(200));
            sdp.push(b'\n');
        }
        let session = Session::parse(&sdp).unwrap();
        assert_eq!(session.media.len(), MAX_MEDIA_LINES);
        assert_eq!(session.media[0].formats.len(), MAX_FORMATS);
        assert!(matches!(Session::parse(b"m=audio"), Err(Error::Version)));
        assert!(matches!(Session::parse(b"v=0\nm=audio x RTP/AVP"), Err(Error::Media)));
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>, cut in 0usize..OFFER.len()) {
            let mut mixed = OFFER[..cut].to_vec();
            mixed.extend(bytes);
            if let Ok(session) = Session::parse(&mixed) {
                for media in &session.media {
                    for payload_type in 0..=127 {
                        let _ = media.rtpmap(payload_type);
                    }
                }
            }
        }
    }
}
