//! tiny_http's listener ends for good when it finds no file descriptor: the front makes another.

mod front_support;

use front_support::{Shortage, echo, start};
use ringside_cloud::front::Limits;

#[test]
fn workers_whose_listener_has_ended_are_reached_again() {
    let service = start(Limits::people(), echo);
    let mut client = service.connect();
    // One is left: the front's end of the connection to the workers takes it, and tiny_http's finds
    // none. A thread that begins may have held one for a moment and given it back since, or have
    // taken the last: then there is nothing to repair, or the front is told that it has none.
    let mut shortage = Shortage::begin();
    shortage.leave_one();
    let answer = client.get("/");
    drop(shortage);
    assert!(matches!(answer.status, 200 | 502 | 503), "{answer:?}");
    service.wait("requests are served again", |_| service.connect().get("/").status == 200);
}
