//! Answers: JSON, and errors as one sentence that says what to do.

use serde_json::{Value, json};

use crate::auth::Refusal;
use crate::db::DbError;
use crate::filter::Invalid;
use crate::server::Response;

/// Why a request gets no answer of its own kind.
#[derive(Debug)]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// For machines, stable.
    pub code: &'static str,
    /// For people.
    pub message: String,
    /// Of the answer, besides those of every answer.
    pub headers: Vec<(String, String)>,
}

impl ApiError {
    /// An error without headers of its own.
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), headers: Vec::new() }
    }

    /// A parameter that does not mean anything.
    pub fn parameter(name: &str, allowed: &str) -> Self {
        Self::new(400, "bad_parameter", format!("{name} must be {allowed}."))
    }

    /// A thing that is not there, or not the customer's.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, "not_found", message)
    }

    pub(super) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// As it goes out.
    #[must_use]
    pub fn response(self) -> Response {
        let body = json!({ "error": { "code": self.code, "message": self.message } });
        let mut response = json_response(self.status, &body);
        response.headers.extend(self.headers);
        response
    }
}

impl From<DbError> for ApiError {
    fn from(error: DbError) -> Self {
        log::error!("a request was not answered: {error}");
        if let Some(remedy) = error.remedy() {
            let message = format!("The service's database cannot be used: {remedy}.");
            return Self::new(503, "database_unusable", message);
        }
        Self::new(
            500,
            "database",
            "The database could not answer: try again; if this stays, ask the operator to look at \
             the log of ringside-cloud.",
        )
    }
}

impl From<Invalid> for ApiError {
    fn from(invalid: Invalid) -> Self {
        Self::parameter(&invalid.name, &invalid.allowed)
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let (status, code) = match &refusal {
            Refusal::NotLoggedIn => (401, "not_logged_in"),
            Refusal::SessionOver => (401, "session_over"),
            Refusal::BadToken => (401, "bad_token"),
            Refusal::WrongPassword => (401, "wrong_password"),
            Refusal::Disabled => (403, "disabled"),
            Refusal::TokenOnlyReads => (403, "token_only_reads"),
            Refusal::Foreign => (403, "foreign_origin"),
            Refusal::Csrf => (403, "csrf"),
            Refusal::TooMany { retry_after, .. } => {
                return Self::new(429, "too_many_attempts", refusal.to_string())
                    .with("Retry-After", retry_after.to_string());
            }
            Refusal::Crowd => {
                return Self::new(503, "crowd", refusal.to_string()).with("Retry-After", "5");
            }
            Refusal::NoRandom => (500, "no_random"),
            Refusal::Db(_) => (500, "database"),
        };
        match refusal {
            Refusal::Db(error) => error.into(),
            Refusal::NotLoggedIn | Refusal::BadToken => {
                Self::new(status, code, refusal.to_string()).with("WWW-Authenticate", "Bearer")
            }
            _ => Self::new(status, code, refusal.to_string()),
        }
    }
}

/// An answer in JSON.
pub(super) fn json_response(status: u16, body: &Value) -> Response {
    let mut bytes = body.to_string().into_bytes();
    bytes.push(b'\n');
    Response::bytes(status, "application/json", bytes)
}
