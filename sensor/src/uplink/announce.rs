//! What the log says about the uplink: each change once, not each retry.

use log::Level;
use ringside_protocol::step::Failure;
use ringside_protocol::time::UnixMicros;

use super::status::Status;
use crate::identity::Server;

/// Failures that are remembered as told; with more servers than that some are told again.
const MAX_TOLD: usize = 16;

/// Remembers what it has said.
#[derive(Debug, Default)]
pub(super) struct Announcer {
    connected_since: Option<UnixMicros>,
    last_failure_at: Option<UnixMicros>,
    /// Server and kind of failure, since the last success.
    told: Vec<(Option<Server>, &'static str)>,
}

impl Announcer {
    /// The line for the log, if `status` says something new.
    pub(super) fn news(&mut self, status: &Status) -> Option<(Level, String)> {
        if status.connected_since.is_some() && status.connected_since != self.connected_since {
            self.connected_since = status.connected_since;
            self.told.clear();
            return Some((Level::Info, connected(status)));
        }
        let (at, failure) = status.last_failure.as_ref()?;
        if self.last_failure_at == Some(*at) {
            return None;
        }
        self.last_failure_at = Some(*at);
        self.is_new(status.server.as_ref(), failure).then(|| (Level::Warn, failure.to_string()))
    }

    fn is_new(&mut self, server: Option<&Server>, failure: &Failure) -> bool {
        let key = (server.cloned(), failure.code());
        // A failure that replaces another of the same server is told when it comes back.
        if self.told.contains(&key) {
            return false;
        }
        self.told.retain(|(other, _)| *other != key.0);
        if self.told.len() == MAX_TOLD {
            self.told.remove(0);
        }
        self.told.push(key);
        true
    }
}

fn connected(status: &Status) -> String {
    let server = status.server.as_ref().map(ToString::to_string).unwrap_or_default();
    let customer = status.customer.as_deref().unwrap_or_default();
    let id = status.id_sensor.unwrap_or_default();
    format!("accepted: connected to {server} as sensor {id} of {customer}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failing(at: u64, host: &str, failure: Failure) -> Status {
        Status {
            server: Some(Server { host: host.to_owned(), port: 1 }),
            last_failure: Some((UnixMicros(at), failure)),
            ..Status::default()
        }
    }

    fn busy() -> Failure {
        Failure::Busy { limit: "sessions".to_owned() }
    }

    #[test]
    fn a_failure_is_told_once_however_often_it_is_retried() {
        let mut announcer = Announcer::default();
        let told: Vec<_> = (1..=5)
            .filter_map(|at| announcer.news(&failing(at, "a", Failure::NotEnrolled)))
            .collect();
        assert_eq!(told, [(Level::Warn, Failure::NotEnrolled.to_string())]);
        assert!(announcer.news(&failing(6, "a", busy())).is_some(), "another one");
        assert!(announcer.news(&failing(7, "a", Failure::NotEnrolled)).is_some(), "and back");
    }

    #[test]
    fn each_server_s_failure_is_told_once() {
        let mut announcer = Announcer::default();
        let told = (1..=6).filter(|&at| {
            let host = if at % 2 == 0 { "a" } else { "b" };
            let failure = if at % 2 == 0 { busy() } else { Failure::NotEnrolled };
            announcer.news(&failing(at, host, failure)).is_some()
        });
        assert_eq!(told.count(), 2);
    }

    #[test]
    fn more_servers_than_are_remembered_are_told_again() {
        let mut announcer = Announcer::default();
        let round = |announcer: &mut Announcer, round: u64, servers: usize| {
            let tell = |number: usize| {
                let at = round * 100 + number as u64;
                announcer.news(&failing(at, &number.to_string(), Failure::NotEnrolled)).is_some()
            };
            (0..servers).map(tell).filter(|&told| told).count()
        };
        assert_eq!(round(&mut announcer, 1, MAX_TOLD), MAX_TOLD);
        assert_eq!(round(&mut announcer, 2, MAX_TOLD), 0);
        assert_eq!(round(&mut announcer, 3, MAX_TOLD + 1), 1);
        assert!(round(&mut announcer, 4, MAX_TOLD + 1) > 0);
        assert_eq!(announcer.told.len(), MAX_TOLD);
    }

    #[test]
    fn a_connection_is_told_and_what_failed_before_it_is_told_again_afterwards() {
        let mut announcer = Announcer::default();
        announcer.news(&failing(1, "a", busy()));
        let mut status = failing(1, "a", busy());
        status.connected_since = Some(UnixMicros(2));
        status.customer = Some("Example".to_owned());
        status.id_sensor = Some(7);
        let (level, words) = announcer.news(&status).expect("told");
        assert_eq!(level, Level::Info);
        assert_eq!(words, "accepted: connected to a:1 as sensor 7 of Example");
        assert_eq!(announcer.news(&status), None);
        assert!(announcer.news(&failing(3, "a", busy())).is_some());
    }
}
