//! The uplink behind the [front](crate::front): HTTP requests to messages and back.

use ringside_protocol::time::UnixMicros;

use super::claim::CLAIMS_PER_DEVICE;
use super::poll::POLLS_PER_SENSOR;
use super::{Answer, Request, Uplink};
use crate::events::Waker;
use crate::front::Wakes;
use crate::server::{Request as HttpRequest, Response};

impl Waker for Wakes {
    fn wake(&self, key: &str) {
        Self::wake(self, key);
    }

    fn generation(&self, key: &str) -> u64 {
        Self::generation(self, key)
    }
}

impl Uplink {
    /// Answers one HTTP request of the sensors' listener.
    #[must_use]
    pub fn respond(&self, request: &HttpRequest, now: UnixMicros) -> Response {
        if request.method != "POST" {
            let sentence = "this port is for ringside-sensor; people connect to the web port";
            return Response::text(405, sentence).with_header("Allow", "POST");
        }
        let bearer =
            request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let answer = self.handle(&Request {
            path: &request.path,
            bearer,
            peer: request.peer,
            body: &request.body,
            woken: request.woken,
            waited: request.waited,
            now,
        });
        match answer {
            Answer::Message(envelope) => Response::bytes(200, "application/octet-stream", envelope),
            Answer::Pour(key) => Response::poured(key),
            Answer::Park { key, wait, generation } => {
                // Of a sensor's polls, or of a device's claims.
                const _: () = assert!(POLLS_PER_SENSOR == CLAIMS_PER_DEVICE);
                Response::parked(key.clone(), generation, wait).within_share(key, POLLS_PER_SENSOR)
            }
            Answer::Status(status, sentence) => Response::text(status, &sentence),
        }
    }
}
