//! No file descriptor left: the listener waits a little, counts, and goes on.

mod front_support;

use std::net::TcpStream;
use std::time::{Duration, Instant};

use front_support::{Shortage, echo, start};
use ringside_cloud::front::Limits;

const CLIENTS: usize = 8;

#[test]
fn a_listener_without_file_descriptors_does_not_spin_and_recovers() {
    let service = start(Limits::people(), echo);
    // Some are left for the clients' own ends of the connections. The threads that begin may have
    // held one for a moment, so not every connection must fail to be accepted.
    let shortage = Shortage::begin(CLIENTS);
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
