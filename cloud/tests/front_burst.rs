//! tiny_http may have too few threads for connections that come at once: the front opens its own one
//! after the other.

mod front_support;

use front_support::{echo, start_with};
use ringside_cloud::front::{Limits, Wakes};

#[test]
fn of_requests_that_come_at_once_none_waits_for_a_connection_that_stays() {
    for _ in 0..20 {
        let service = start_with(Limits::people(), 6, Wakes::new(), echo);
        let mut clients: Vec<_> = (0..6).map(|_| service.connect()).collect();
        let together = std::sync::Barrier::new(clients.len());
        std::thread::scope(|scope| {
            for client in &mut clients {
                scope.spawn(|| {
                    together.wait();
                    assert_eq!(client.get("/").status, 200);
                });
            }
        });
    }
}
