//! Which page.

use std::time::Instant;

use super::bundle;
use super::page;
use super::pin::{Pin, Verdict};
use super::request::{Method, Request, field};
use super::server::Answer;
use super::snapshot::Sources;
use crate::uplink::Watch;
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
            ("/claim", false) => Answer::html(200, page::claim(self.pin.is_set(), None)),
            ("/claim", true) => self.claim(request),
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
        let (status, says) = match self.wrong_pin(&given("pin")) {
            None => match enrol(given("token").trim(), None, self.sources.settings.clone()) {
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
            },
            Some(wrong) => wrong,
        };
        Answer::html(status, page::join(self.pin.is_set(), Some(&says)))
    }

    /// Shows the claim code to whoever has the PIN.
    fn claim(&self, request: &Request) -> Answer {
        let given = field(&request.body, "pin").unwrap_or_default();
        if let Some((status, says)) = self.wrong_pin(&given) {
            return Answer::html(status, page::claim(self.pin.is_set(), Some(&says)));
        }
        match self.sources.uplink.as_ref().and_then(Watch::claim_code) {
            Some(shown) => {
                log::info!("the claim code was shown on the status page ({})", request.from);
                Answer::html(200, page::claim_code(&shown, &self.sources.fingerprint))
            }
            None => {
                let says = "There is none at this moment: this device belongs to somebody, has a \
                            token to join with, or does not reach its cloud. The status page says \
                            which.";
                Answer::html(409, page::message("No claim code", says))
            }
        }
    }

    /// What is wrong with a PIN; `None` for the right one.
    fn wrong_pin(&self, given: &str) -> Option<(u16, String)> {
        match self.pin.check(given, Instant::now()) {
            Verdict::Right => None,
            Verdict::Wrong => {
                Some((403, "That is not the PIN: it is on the device's label.".to_owned()))
            }
            Verdict::TooOften(seconds) => {
                Some((429, format!("Too many wrong PINs: try again in {seconds} s.")))
            }
            Verdict::NoPin => Some((
                403,
                "No PIN is set, so nothing can be changed here: run `ringside-sensor enrol`, or \
                 set status_pin_file."
                    .to_owned(),
            )),
        }
    }
}
