//! No file descriptor left: the listener waits a little, counts, and goes on.

mod front_support;

use std::net::TcpStream;
use std::time::{Duration, Instant};

use front_support::{Shortage, echo, start};
use ringside_cloud::front::Limits;

#[test]
fn a_listener_without_file_descriptors_does_not_spin_and_recovers() {
    let service = start(Limits::people(), echo);
    let mut shortage = Shortage::begin();
    let start_at = Instant::now();
    let mut clients = Vec::new();
    service.wait("accepting fails again and again", |stats| {
        if stats.accepted == clients.len() as u64 {
            // The client's own end of the connection takes the last one.
            shortage.leave_one();
            clients.extend(TcpStream::connect(service.address()).ok());
        }
        stats.accept_errors >= 4
    });
    assert!(start_at.elapsed() >= Duration::from_millis(300));
    drop(shortage);
    let all = clients.len() as u64;
    service.wait("the connections are accepted", |stats| stats.accepted == all);
    assert_eq!(service.connect().get("/").status, 200);
}
