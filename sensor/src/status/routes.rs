//! Which page.

use std::time::Instant;

use super::bundle;
use super::page;
use super::pin::{Pin, Verdict};
use super::server::Answer;
use super::snapshot::Sources;
use crate::http::request::{Method, Request, field};
use crate::uplink::enrol::enrol;

const STYLE: &str = include_str!("style.css");

/// All pages.
pub(super) struct Site {
    sources: Sources,
    pin: Pin,
}

impl Site {
    pub(super) fn new(sources: Sources) -> Self {
        let pin = Pin::new(sources.loaded.config.status_pin_file.clone().map(Into::into));
        Self { sources, pin }
    }

    pub(super) fn answer(&self, request: &Request) -> Answer {
        let is_post = request.method == Method::Post;
        match (request.path.as_str(), is_post) {
            ("/", false) => {
                Answer::html(200, page::status(&self.sources.look(), self.pin.is_set()))
            }
            ("/join", false) => Answer::html(200, page::join(self.pin.is_set(), None)),
            ("/join", true) => self.join(request),
            ("/status.json", false) => Answer {
                status: 200,
                content_type: "application/json",
                file_name: None,
                body: self.sources.look().json().to_string().into_bytes(),
            },
            ("/style.css", false) => Answer {
                status: 200,
                content_type: "text/css; charset=utf-8",
                file_name: None,
                body: STYLE.as_bytes().to_vec(),
            },
            ("/support.tar.gz", false) => Answer {
                status: 200,
                content_type: "application/gzip",
                file_name: Some("ringside-support.tar.gz"),
                body: bundle::make(&self.sources),
            },
            (_, true) => Answer::html(
                405,
                page::message("Nothing is changed here", "Go back to the status page."),
            ),
            _ => Answer::html(
                404,
                page::message(
                    "There is no such page",
                    "The status page has the way to all others.",
                ),
            ),
        }
    }

    /// Joins a customer with a token, as `ringside-sensor enrol` does.
    fn join(&self, request: &Request) -> Answer {
        let given = |name| field(&request.body, name).unwrap_or_default();
        let (status, says) = match self.pin.check(&given("pin"), Instant::now()) {
            Verdict::Right => {
                match enrol(given("token").trim(), None, self.sources.settings.clone()) {
                    Ok(enrolled) => {
                        log::info!(
                            "joined {} from the status page ({})",
                            enrolled.customer,
                            request.from
                        );
                        let says = format!("This sensor belongs to {} now.", enrolled.customer);
                        return Answer::html(200, page::message("Joined", &says));
                    }
                    Err(error) => (502, error.to_string()),
                }
            }
            Verdict::Wrong => (403, "That is not the PIN: it is on the device's label.".to_owned()),
            Verdict::TooOften(seconds) => {
                (429, format!("Too many wrong PINs: try again in {seconds} s."))
            }
            Verdict::NoPin => (
                403,
                "No PIN is set, so nothing can be changed here: run `ringside-sensor enrol`, or \
                 set status_pin_file."
                    .to_owned(),
            ),
        };
        Answer::html(status, page::join(self.pin.is_set(), Some(&says)))
    }
}
