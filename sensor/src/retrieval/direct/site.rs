//! Which page, and for whom.
//!
//! | | |
//! | --- | --- |
//! | `/` | the page that takes the ticket out of its own address |
//! | `POST /session` | the ticket: answers where the call is, and sets its cookie |
//! | `/call/N` | the call |
//! | `/call/N/packets.pcapng` | its packets |
//! | `/call/N/sound.wav`, `/call/N/overview` | its sound, and what is shown of it |
//!
//! `N` is the ticket's number. The cookie is of that call alone, so that two calls can be open at
//! once.

use std::io;
use std::sync::{Arc, Mutex};

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use ringside_protocol::retrieval::{Action, Refusal, SESSION_SECONDS, Ticket};

use super::super::content::{self, Content};
use super::super::places::{Place, Places};
use super::super::session::Print;
use super::super::{Retrieval, SLOWED_BY, lock};
use super::range::{self, Part};
use super::server::{Answer, Body};
use super::stream::{Stream, count};
use super::{MAX_STREAMS, Opened, page};
use crate::http::request::{Method, Request};

const STATUS_STYLE: &str = include_str!("../../status/style.css");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Files up to this are counted before they are sent, so that a browser shows how far it is: a tenth
/// of a second. Longer ones only where a part is asked for.
const COUNTED_BELOW: u64 = 32 << 20;

/// Lengths of files that are remembered.
const MAX_LENGTHS: usize = 32;

/// All pages.
pub(super) struct Site {
    retrieval: Arc<Retrieval>,
    sensor: String,
    places: Arc<Places>,
    /// Of what was counted.
    lengths: Mutex<Vec<(Print, u64)>>,
}

/// What is not given, and why.
enum No {
    /// There is nothing at this address.
    Nothing,
    /// Nobody's session, or one whose time is over.
    Closed,
    /// The store does not give it.
    Refused(Refusal),
    /// The disk fails.
    Failed(io::Error),
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<io::Error> for No {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

impl Site {
    pub(super) fn new(retrieval: Arc<Retrieval>, sensor: String) -> Self {
        let places = Places::new(MAX_STREAMS);
        Self { retrieval, sensor, places, lengths: Mutex::default() }
    }

    pub(super) fn answer(&self, request: &Request) -> Answer {
        let found = match (request.method == Method::Post, request.path.as_str()) {
            (true, "/session") => return self.open(&request.body),
            (true, _) => {
                return page::notice(
                    405,
                    "Nothing is changed here",
                    "Go back to the cloud's page.",
                )
                .with("Allow", "GET, HEAD");
            }
            (false, "/") => Ok(Answer::html(200, page::door(&self.sensor))),
            (false, "/style.css") => {
                let style = [STATUS_STYLE, STYLE].concat();
                Ok(Answer::bytes(200, "text/css; charset=utf-8", style))
            }
            (false, "/page.js") => Ok(Answer::bytes(200, "text/javascript; charset=utf-8", SCRIPT)),
            (false, path) => match path.strip_prefix("/call/") {
                Some(rest) => self.call(request, rest),
                None => Err(No::Nothing),
            },
        };
        found.unwrap_or_else(refused)
    }

    /// Redeems a ticket.
    fn open(&self, text: &[u8]) -> Answer {
        let text = str::from_utf8(text).unwrap_or_default().trim();
        match self.retrieval.redeem_direct(text) {
            Ok(Opened { ticket, secret }) => {
                log::info!(
                    "{} of call {} opened for {} on the page for calls' packets",
                    ticket.action.name(),
                    ticket.call,
                    ticket.user
                );
                let number = HEXLOWER.encode(&ticket.number);
                let cookie = format!(
                    "{}={}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age={SESSION_SECONDS}",
                    cookie_name(&number),
                    BASE64URL_NOPAD.encode(&secret)
                );
                let page = serde_json::json!({ "page": format!("/call/{number}") });
                Answer::bytes(200, "application/json", page.to_string()).with("Set-Cookie", cookie)
            }
            Err(refusal) => {
                log::info!("a ticket is refused on the page for calls' packets: {refusal}");
                let said = serde_json::json!({
                    "code": refusal.code(),
                    "sentence": sentence(refusal),
                });
                Answer::bytes(status(refusal), "application/json", said.to_string())
            }
        }
    }

    /// Something of a call.
    fn call(&self, request: &Request, rest: &str) -> Result<Answer, No> {
        let (name, what) = rest.split_once('/').unwrap_or((rest, ""));
        let number = HEXLOWER.decode(name.as_bytes()).ok();
        let number: [u8; 16] = number.and_then(|it| it.try_into().ok()).ok_or(No::Nothing)?;
        let cookie = request.cookie(&cookie_name(name)).ok_or(No::Closed)?;
        let secret = BASE64URL_NOPAD.decode(cookie.as_bytes()).map_err(|_| No::Closed)?;
        let ticket = self.retrieval.direct_session(&number, &secret).ok_or(No::Closed)?;
        let answer = match (what, ticket.action) {
            ("", _) => self.page(&ticket),
            ("packets.pcapng", Action::Packets) | ("sound.wav", Action::Audio) => {
                self.file(request, &ticket)
            }
            ("overview", Action::Audio) => self.overview(&ticket),
            _ => Err(No::Nothing),
        }?;
        // The browser is to hold on to its cookie as long as the session lasts.
        let cookie = format!(
            "{}={cookie}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age={SESSION_SECONDS}",
            cookie_name(name)
        );
        self.retrieval.touch_direct(&number);
        Ok(answer.with("Set-Cookie", cookie))
    }

    fn page(&self, ticket: &Ticket) -> Result<Answer, No> {
        let (stored, _) = self.retrieval.call_of(ticket)?;
        Ok(Answer::html(200, page::call(&self.sensor, ticket, &stored)))
    }

    fn overview(&self, ticket: &Ticket) -> Result<Answer, No> {
        let _place = self.place()?;
        let (stored, _) = self.retrieval.call_of(ticket)?;
        let mut content = content::open(Action::Audio, &ticket.call.to_string(), stored)?;
        let (mut overview, pressure) = (Vec::new(), self.retrieval.pressure());
        while !content.beside(&mut overview)? {
            if pressure() {
                std::thread::sleep(SLOWED_BY);
            }
        }
        Ok(Answer::bytes(200, "application/octet-stream", overview))
    }

    /// The file of the ticket's action, or the part of it that is asked for.
    fn file(&self, request: &Request, ticket: &Ticket) -> Result<Answer, No> {
        let place = self.place()?;
        let (stored, print) = self.retrieval.call_of(ticket)?;
        let about = stored.chunk_bytes();
        let content = self.content(ticket, stored)?;
        let etag = format!("\"{}\"", HEXLOWER.encode(&print[..16]));
        // What has changed meanwhile is sent from its beginning (RFC 9110 §13.1.5).
        let is_same = request.header("if-range").is_none_or(|theirs| theirs == etag);
        let range = request.header("range").filter(|_| is_same);
        let disposition = format!("attachment; filename=\"{}\"", content.name());
        let known = content.exact_bytes().or_else(|| self.known(&print));
        let length = match known {
            None if range.is_some() || about <= COUNTED_BELOW => Some(self.count(ticket, print)?),
            known => known,
        };
        let media_type = content.media_type();
        let pressure = self.retrieval.pressure();
        let part = length.map_or(Part::Whole, |length| range::part(range, length));
        let (status, from_to) = match part {
            Part::None => {
                let total = length.unwrap_or_default();
                let says = "That part of the file is not there.";
                return Ok(page::notice(416, "There is no such part", says)
                    .with("Content-Range", format!("bytes */{total}")));
            }
            Part::Whole => (200, (0, length.unwrap_or(u64::MAX))),
            Part::Of(from, to) => (206, (from, to)),
        };
        let stream = Box::new(Stream::new(content, from_to, pressure, place)?);
        let body = match length {
            Some(_) => Body::Stream(stream, from_to.1 - from_to.0),
            None => Body::Uncounted(stream),
        };
        let mut answer = Answer { status, content_type: media_type, headers: Vec::new(), body }
            .with("Accept-Ranges", "bytes")
            .with("ETag", etag)
            .with("Content-Disposition", disposition);
        if let (206, Some(length)) = (status, length) {
            let (from, to) = from_to;
            answer = answer.with("Content-Range", format!("bytes {from}-{}/{length}", to - 1));
        }
        Ok(answer)
    }

    fn content(
        &self,
        ticket: &Ticket,
        stored: crate::store::ring::reader::StoredCall,
    ) -> Result<Box<dyn Content>, No> {
        Ok(content::open(ticket.action, &ticket.call.to_string(), stored)?)
    }

    fn known(&self, print: &Print) -> Option<u64> {
        lock(&self.lengths).iter().find(|(known, _)| known == print).map(|(_, length)| *length)
    }

    fn count(&self, ticket: &Ticket, print: Print) -> Result<u64, No> {
        let (stored, _) = self.retrieval.call_of(ticket)?;
        let length = count(self.content(ticket, stored)?)?;
        let mut lengths = lock(&self.lengths);
        if lengths.len() >= MAX_LENGTHS {
            lengths.remove(0);
        }
        lengths.push((print, length));
        Ok(length)
    }

    fn place(&self) -> Result<Place, No> {
        let place = self.places.queue().and_then(super::super::places::Waiting::place);
        place.ok_or(No::Refused(Refusal::Busy))
    }
}

/// `__Host-`: a browser takes it from this host alone, over TLS, for all paths.
fn cookie_name(number: &str) -> String {
    format!("__Host-ringside-{}", &number[..number.len().min(16)])
}

fn refused(no: No) -> Answer {
    match no {
        No::Nothing => page::notice(404, "There is no such page", "Go back to the cloud's page."),
        No::Closed => page::notice(
            403,
            "This call is not open here any more",
            "Go back to the cloud's page and choose the call again: what it opens here lasts 15 \
             minutes from the last use.",
        ),
        No::Refused(Refusal::Busy) => {
            page::notice(503, "Try again in a moment", &sentence(Refusal::Busy))
                .with("Retry-After", "3")
        }
        No::Refused(refusal) => {
            page::notice(status(refusal), "This call cannot be had", &sentence(refusal))
        }
        No::Failed(error) => {
            log::error!("the store cannot be read: {error}");
            page::notice(500, "This call cannot be had", &sentence(Refusal::Disk))
        }
    }
}

/// What the sensor says of itself.
fn sentence(refusal: Refusal) -> String {
    match refusal {
        Refusal::Expired => "This page was opened more than a minute after the cloud let you: go \
                             back to the call's page and choose it again."
            .to_owned(),
        Refusal::Used => "What the cloud has given out for this page was used already: go back to \
                          the call's page and choose it again."
            .to_owned(),
        other => other.to_string(),
    }
}

const fn status(refusal: Refusal) -> u16 {
    match refusal {
        Refusal::Forged | Refusal::NotOurs | Refusal::Expired | Refusal::Used => 403,
        Refusal::LetGo => 410,
        Refusal::Busy => 503,
        Refusal::Disk => 500,
        _ => 409,
    }
}
