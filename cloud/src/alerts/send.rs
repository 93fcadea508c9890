//! Sends one message to one target, and says how each step of it went.

mod smtp;
mod syslog;
mod webhook;

use std::time::Duration;

use serde_json::{Value, json};

pub use self::webhook::{DELIVERY, SIGNATURE, TIMESTAMP, signature};
use super::channel::{MailServer, Target};
use super::message::Message;
use super::reach::Reach;

/// A connection that is silent for so long is given up.
pub const TIMEOUT: Duration = Duration::from_secs(15);

/// How one step of sending went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendStep {
    /// `lookup`, `connect`, `login`, `send`.
    pub name: &'static str,
    /// Whether it went well.
    pub is_ok: bool,
    /// What was answered, or what to do.
    pub sentence: String,
}

impl SendStep {
    pub(super) fn ok(name: &'static str, sentence: impl Into<String>) -> Self {
        Self { name, is_ok: true, sentence: sentence.into() }
    }

    pub(super) fn failed(name: &'static str, sentence: impl Into<String>) -> Self {
        Self { name, is_ok: false, sentence: sentence.into() }
    }

    /// For the API.
    #[must_use]
    pub fn object(&self) -> Value {
        let state = if self.is_ok { "ok" } else { "failed" };
        json!({ "name": self.name, "state": state, "sentence": self.sentence })
    }
}

/// What sending needs to know of this service.
#[derive(Clone, Debug, Default)]
pub struct Sender {
    /// Which addresses may be connected to.
    pub reach: Reach,
    /// The service's mail server.
    pub mail: Option<MailServer>,
    /// This service's name, for greetings and logs.
    pub host: String,
}

impl Sender {
    /// Sends a message of alerts; the last step says whether it was taken.
    #[must_use]
    pub fn send(&self, target: &Target, message: &Message) -> Vec<SendStep> {
        match target {
            Target::Email { to, server } => smtp::send(self, (to, server.as_ref()), message),
            Target::Webhook { url, secret } => {
                webhook::post(self, (url, secret), &message.id, message.at, &message.json())
            }
            Target::Syslog { host, port, transport, facility } => {
                let lines = message.syslog(*facility, &self.host);
                syslog::send(self, (host, *port, *transport), &lines)
            }
        }
    }

    /// Posts JSON that is no message of alerts.
    #[must_use]
    pub fn post(&self, hook: (&str, &str), message: &Message, body: &Value) -> Vec<SendStep> {
        webhook::post(self, hook, &message.id, message.at, body)
    }
}

/// Why it was not taken; `None`: it was.
#[must_use]
pub fn failure(steps: &[SendStep]) -> Option<String> {
    match steps.iter().find(|step| !step.is_ok) {
        Some(step) => Some(step.sentence.clone()),
        None if steps.is_empty() => Some("Nothing was sent.".to_owned()),
        None => None,
    }
}
