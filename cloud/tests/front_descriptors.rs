//! No file descriptor left: the listener waits a little, counts, and goes on. A process of its own,
//! since the limit is the process's.

mod front_support;

use std::fs::File;
use std::net::TcpStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use front_support::{echo, start};
use ringside_cloud::front::Limits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const CLIENTS: usize = 8;

/// All file descriptors taken but some. One test at a time.
struct Shortage {
    before: Rlimit,
    fill: Vec<File>,
    _alone: MutexGuard<'static, ()>,
}

impl Shortage {
    /// Waits for the other test, if it is first.
    fn turn() -> MutexGuard<'static, ()> {
        static TURN: Mutex<()> = Mutex::new(());
        TURN.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(left: usize, alone: MutexGuard<'static, ()>) -> Self {
        let before = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum: before.maximum }).unwrap();
        let mut fill: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        fill.truncate(fill.len() - left);
        Self { before, fill, _alone: alone }
    }
}

impl Drop for Shortage {
    fn drop(&mut self) {
        self.fill.clear();
        setrlimit(Resource::Nofile, self.before).unwrap();
    }
}

#[test]
fn a_listener_without_file_descriptors_does_not_spin_and_recovers() {
    let turn = Shortage::turn();
    let service = start(Limits::people(), echo);
    // Some are left for the clients' own ends of the connections. The threads that begin may have
    // held one for a moment, so not every connection must fail to be accepted.
    let shortage = Shortage::begin(CLIENTS, turn);
    let start_at = Instant::now();
    let connect = |_| TcpStream::connect(service.address()).ok();
    let clients: Vec<_> = (0..CLIENTS).map_while(connect).collect();
    service.wait("accepting fails again and again", |stats| stats.accept_errors >= 4);
    assert!(start_at.elapsed() >= Duration::from_millis(300));
    drop(shortage);
    let all = clients.len() as u64;
    service.wait("the connections are accepted", |stats| stats.accepted == all);
    assert_eq!(service.connect().get("/").status, 200);
}

#[test]
fn workers_whose_listener_found_no_file_descriptor_are_reached_again() {
    let turn = Shortage::turn();
    let service = start(Limits::people(), echo);
    let mut client = service.connect();
    // One is left: the front's end of the connection to the workers takes it, tiny_http's finds
    // none, and its listener is gone for good.
    let shortage = Shortage::begin(1, turn);
    let answer = client.get("/");
    drop(shortage);
    assert!(matches!(answer.status, 200 | 502), "{answer:?}");
    service.wait("requests are served again", |_| service.connect().get("/").status == 200);
}
