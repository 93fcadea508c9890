use super::*;
use crate::auth::scope_of_admin;
use crate::db::packages::{Announced, announce, take_piece};
use crate::db::tests::Folder;

const NOW: UnixMicros = UnixMicros(1_795_420_859_000_000);

struct Bench {
    _folder: Folder,
    db: Db,
    scope: Scope,
    package: Package,
}

impl Bench {
    fn new() -> Self {
        let folder = Folder::new();
        let db = folder.open();
        let customer = db.create_customer("Acme", NOW).expect("made").expect("new");
        let announced = Announced {
            version: "0.2.0".to_owned(),
            target: "x86_64".to_owned(),
            bytes: 3,
            sha256: [1; 32],
            signature: "signed".to_owned(),
        };
        let id = announce(&db, Some(customer), "eva", &announced, NOW).expect("asked");
        take_piece(&db, id.expect("made"), 0, b"abc").expect("taken");
        let scope = scope_of_admin(customer);
        let package = packages::list(&db, &scope).expect("asked").remove(0);
        Self { _folder: folder, db, scope, package }
    }

    fn begin(&self, many: u8, in_rings: bool) -> i64 {
        let devices: Vec<_> = (0..many).map(device).collect();
        let admin = self.scope.admin().expect("an administrator");
        let begun = begin(&self.db, &admin, &self.package, &devices, in_rings, NOW);
        begun.expect("asked").expect("begun")
    }

    fn tell(&self, number: u8, progress: &Progress) -> Vec<Fingerprint> {
        let order = self.db.order_for(device(number)).expect("asked").expect("an order");
        let (stands, next) =
            self.db.note_progress(device(number), order.order, progress, NOW).expect("noted");
        assert!(stands);
        next
    }

    fn shown(&self) -> (String, Vec<&'static str>) {
        let rollout = list(&self.db, &self.scope).expect("asked").remove(0);
        (rollout.state, rollout.orders.iter().map(|order| order.state.name()).collect())
    }
}

fn device(number: u8) -> Fingerprint {
    Fingerprint([number; 16])
}

#[test]
fn rings_of_one_a_tenth_and_the_rest() {
    let rings = |all: usize| (0..all).map(|place| ring(place, all)).collect::<Vec<_>>();
    assert_eq!(rings(1), [0]);
    assert_eq!(rings(3), [0, 1, 2]);
    let count = |ring: u8| rings(30).iter().filter(|it| **it == ring).count();
    assert_eq!((count(0), count(1), count(2)), (1, 3, 26));
}

#[test]
fn a_ring_opens_when_the_one_before_is_done() {
    let bench = Bench::new();
    bench.begin(4, true);
    assert_eq!(bench.db.order_for(device(1)).expect("asked"), None, "not its turn");
    assert_eq!(bench.tell(0, &Progress::Checking), []);
    assert_eq!(bench.tell(0, &Progress::OnTrial), []);
    assert_eq!(bench.tell(0, &Progress::Done), [device(1)]);
    assert_eq!(bench.tell(1, &Progress::Done), [device(2), device(3)]);
    assert_eq!(bench.tell(2, &Progress::Done), []);
    assert_eq!(bench.shown().0, "running");
    bench.tell(3, &Progress::Done);
    assert_eq!(bench.shown(), ("done".to_owned(), vec!["done"; 4]));
}

#[test]
fn a_failure_pauses_until_somebody_lets_it_go_on() {
    let bench = Bench::new();
    let id = bench.begin(3, true);
    let why = || "it did not reach the cloud".to_owned();
    assert_eq!(bench.tell(0, &Progress::RolledBack { why: why() }), []);
    let (state, orders) = bench.shown();
    assert_eq!((state.as_str(), orders), ("paused", vec!["rolled_back", "waiting", "waiting"]));
    let admin = bench.scope.admin().expect("an administrator");
    assert!(resume(&bench.db, &admin, id, NOW).expect("asked"));
    assert_eq!(bench.tell(1, &Progress::Done), [device(2)], "that one is forgiven");
    bench.tell(2, &Progress::Refused { why: why() });
    assert_eq!(bench.shown().0, "done");
    assert!(!resume(&bench.db, &admin, id + 1, NOW).expect("asked"));
}

#[test]
fn what_is_cancelled_is_no_longer_told() {
    let bench = Bench::new();
    let id = bench.begin(2, false);
    bench.tell(0, &Progress::OnTrial);
    let order = bench.db.order_for(device(1)).expect("asked").expect("an order");
    let admin = bench.scope.admin().expect("an administrator");
    assert!(cancel(&bench.db, &admin, id, NOW).expect("asked"));
    assert_eq!(bench.db.order_for(device(1)).expect("asked"), None);
    let (piece, _) = bench.db.fetch_piece(device(1), order.order, 0, NOW).expect("asked");
    assert!(piece.is_empty());
    let noted = bench.db.note_progress(device(1), order.order, &Progress::Done, NOW);
    assert_eq!(noted.expect("asked"), (false, Vec::new()));
    bench.tell(0, &Progress::Done);
    assert_eq!(bench.shown(), ("cancelled".to_owned(), vec!["done", "cancelled"]));
}

#[test]
fn a_sensor_has_one_order_at_a_time_and_gets_no_other_s_pieces() {
    let bench = Bench::new();
    bench.begin(1, false);
    let admin = bench.scope.admin().expect("an administrator");
    let again = begin(&bench.db, &admin, &bench.package, &[device(0)], false, NOW);
    assert_eq!(again.expect("asked"), Err(device(0)));
    let order = bench.db.order_for(device(0)).expect("asked").expect("an order");
    let fetch = |of: u8, offset| bench.db.fetch_piece(device(of), order.order, offset, NOW);
    assert_eq!(fetch(0, 0).expect("asked"), (b"abc".to_vec(), true));
    assert_eq!(fetch(0, 0).expect("asked"), (b"abc".to_vec(), false));
    assert!(fetch(0, 1).expect("asked").0.is_empty(), "no piece begins there");
    assert!(fetch(7, 0).expect("asked").0.is_empty());
}

#[test]
fn old_rollouts_leave() {
    let bench = Bench::new();
    for _ in 0..MAX_ROLLOUTS + 5 {
        bench.begin(1, false);
        bench.tell(0, &Progress::Done);
    }
    assert_eq!(list(&bench.db, &bench.scope).expect("asked").len(), MAX_ROLLOUTS);
}
