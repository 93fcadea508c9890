use ringside_protocol::cdr::Boot;

use super::*;

const T0: UnixMicros = UnixMicros(1_795_420_859_000_000);
const US: Customer = Customer(1);
const DEVICE: Fingerprint = Fingerprint([3; 16]);

fn wanted(customer: Customer, device: u8) -> Wanted {
    let device = Fingerprint([device; 16]);
    Wanted {
        customer,
        customer_name: "Acme".to_owned(),
        who: "eva".to_owned(),
        call: CallId { device, boot: Boot([1; 16]), number: 7 },
        action: Action::Packets,
        browser_key: [4; PUBLIC_KEY_BYTES],
    }
}

fn sign(ticket: &Ticket) -> Option<SignedTicket> {
    let ticket = postcard::to_stdvec(ticket).ok()?;
    Some(SignedTicket { ticket, signature: [0; 64] })
}

fn number(n: u8) -> Number {
    [n; 16]
}

fn after(seconds: u64) -> UnixMicros {
    T0.plus(seconds * MICROS_PER_SECOND)
}

/// Asks for transfers 1 to `count` of one sensor.
fn table(count: u8) -> Table {
    let mut table = Table::default();
    for n in 1..=count {
        assert!(table.add(number(n), wanted(US, 3), None, T0));
    }
    table
}

fn due(table: &mut Table, now: UnixMicros) -> Vec<u8> {
    table.due(DEVICE, &sign, now).0.iter().map(|retrieve| retrieve.transfer[0]).collect()
}

#[test]
fn a_sensor_is_told_as_many_as_it_may_send_and_the_others_wait_in_turn() {
    let mut table = table(4);
    assert_eq!(due(&mut table, T0), [1, 2]);
    assert_eq!(due(&mut table, T0), [0; 0], "said once");
    assert_eq!(table.look(US, "eva", number(4), T0), (Look::Queued(1), None));
    assert!(table.begin(US, DEVICE, number(1), T0));
    assert!(table.refuse(US, DEVICE, number(2), Refusal::LetGo));
    assert_eq!(table.look(US, "eva", number(2), T0).0, Look::Refused(Refusal::LetGo));
    let (look, poke) = table.look(US, "eva", number(3), T0);
    assert_eq!((look, poke), (Look::Queued(0), Some(DEVICE)), "there is room: tell the sensor");
    assert_eq!(due(&mut table, T0), [3]);
    assert_eq!(table.counts(), (1, 2));
}

#[test]
fn a_lost_answer_is_said_again_and_a_silent_sensor_is_given_up() {
    let mut table = table(1);
    let first = table.due(DEVICE, &sign, T0);
    assert_eq!(first.0.len(), 1);
    assert_eq!(table.due(DEVICE, &sign, after(3)), first, "with the same ticket");
    table.tidy(after(16), &|_| None);
    assert_eq!(table.look(US, "eva", number(1), after(16)).0, Look::Silent);
    assert!(!table.begin(US, DEVICE, number(1), after(16)), "it is too late");
}

#[test]
fn a_transfer_belongs_to_who_asked_and_to_the_call_s_sensor() {
    let mut table = table(1);
    assert_eq!(due(&mut table, T0), [1]);
    for (customer, who) in [(Customer(2), "eva"), (US, "otto")] {
        assert_eq!(table.look(customer, who, number(1), T0).0, Look::Unknown);
        assert!(!table.cancel(customer, who, number(1)));
    }
    assert!(!table.begin(Customer(2), DEVICE, number(1), T0));
    assert!(!table.begin(US, Fingerprint([4; 16]), number(1), T0));
    assert!(table.begin(US, DEVICE, number(1), T0));
    assert!(!table.begin(US, DEVICE, number(1), T0), "it begins once");
    assert!(table.rows(Customer(2)).is_empty());
}

#[test]
fn limits_are_reached() {
    let mut table = Table::default();
    let most = u8::try_from(MAX_PER_CUSTOMER).expect("few");
    for n in 0..most {
        assert!(table.add(number(n), wanted(US, n), None, T0));
    }
    assert!(!table.add(number(most), wanted(US, most), None, T0));
    assert!(table.add(number(most), wanted(Customer(2), most), None, T0));
    assert!(table.cancel(US, "eva", number(0)));
    assert!(table.add(number(200), wanted(US, 200), None, T0));
}

#[test]
fn many_customers_share_what_the_service_may_have_under_way() {
    let mut table = Table::default();
    let most = u8::try_from(MAX_UNDER_WAY).expect("few");
    for n in 0..=most {
        assert!(table.add(number(n), wanted(Customer(n.into()), n), None, T0));
    }
    let told = (0..=most).filter(|n| !table.due(Fingerprint([*n; 16]), &sign, T0).0.is_empty());
    assert_eq!(told.count(), MAX_UNDER_WAY);
}

/// Number `n`, of more than a byte can count.
fn many(n: usize) -> Number {
    let mut number = [0; 16];
    number[..8].copy_from_slice(&n.to_be_bytes());
    number
}

#[test]
fn a_customer_s_own_oldest_that_is_over_leaves_and_nobody_else_s() {
    let mut table = Table::default();
    assert!(table.add(number(255), wanted(Customer(2), 9), None, T0));
    assert!(table.cancel(Customer(2), "eva", number(255)));
    for n in 0..=MAX_OVER_OF_CUSTOMER {
        assert!(table.add(many(n), wanted(US, 3), None, T0));
        assert!(table.cancel(US, "eva", many(n)));
    }
    assert_eq!(table.transfers.len(), MAX_OVER_OF_CUSTOMER + 1);
    assert_eq!(table.look(US, "eva", many(0), T0).0, Look::Unknown);
    assert_eq!(table.look(US, "eva", many(1), T0).0, Look::Over);
    assert_eq!(table.look(Customer(2), "eva", number(255), T0).0, Look::Over);
    table.tidy(after(SESSION_SECONDS + 1), &|_| None);
    assert!(table.transfers.is_empty());
}

#[test]
fn when_many_customers_fill_the_table_the_oldest_that_is_over_leaves() {
    let mut table = Table::default();
    for n in 0..=MAX_REMEMBERED {
        let customer = Customer(i64::try_from(n / 32).expect("few"));
        assert!(table.add(many(n), wanted(customer, 3), None, T0));
        assert!(table.cancel(customer, "eva", many(n)));
    }
    assert_eq!(table.transfers.len(), MAX_REMEMBERED);
    assert_eq!(table.look(Customer(0), "eva", many(0), T0).0, Look::Unknown);
    assert_eq!(table.look(Customer(0), "eva", many(1), T0).0, Look::Over);
}

#[test]
fn the_pipe_says_how_it_ended() {
    let mut table = table(2);
    assert_eq!(due(&mut table, T0).len(), 2);
    for n in [1, 2] {
        assert!(table.begin(US, DEVICE, number(n), T0));
    }
    let pipe = |number: Number| {
        let ended = Some(number[0] == 1);
        Some(PipeState { drawn: 9, is_poured: true, ended, ..PipeState::default() })
    };
    let mut ended = table.tidy(T0, &pipe);
    ended.sort_unstable();
    assert_eq!(ended, [number(1), number(2)]);
    let states: Vec<_> = table.rows(US).iter().map(|row| (row.state, row.bytes)).collect();
    assert_eq!(states, [("done", 9), ("broken", 9)]);
    assert_eq!(table.look(US, "eva", number(1), T0).0, Look::Over, "it comes once");
}

#[test]
fn a_connection_that_never_poured_and_a_browser_that_went_are_not_waited_for() {
    let mut table = table(3);
    assert_eq!(due(&mut table, T0), [1, 2]);
    assert!(table.begin(US, DEVICE, number(1), T0));
    table.tidy(after(31), &|_| Some(PipeState::default()));
    let states: Vec<_> = table.rows(US).iter().map(|row| row.state).collect();
    assert_eq!(states, ["broken", "refused", "broken"]);
}

#[test]
fn no_transfer_takes_longer_than_an_hour() {
    let mut table = table(1);
    assert_eq!(due(&mut table, T0), [1]);
    assert!(table.begin(US, DEVICE, number(1), T0));
    let pipe = |_| Some(PipeState { is_poured: true, ..PipeState::default() });
    assert!(table.tidy(after(3600), &pipe).is_empty());
    assert_eq!(table.tidy(after(3601), &pipe), [number(1)]);
    assert_eq!(table.rows(US).len(), 0, "its session is over, too");
}

#[test]
fn a_ticket_is_resumed_by_the_same_person_for_the_same_thing_only() {
    let mut table = table(1);
    assert_eq!(due(&mut table, T0), [1]);
    let same = wanted(US, 3);
    let ticket = table.ticket_of(&same, number(1), after(60)).expect("a ticket");
    for other in [
        Wanted { who: "otto".to_owned(), ..same.clone() },
        Wanted { action: Action::Audio, ..same.clone() },
        wanted(Customer(2), 3),
        wanted(US, 4),
    ] {
        assert_eq!(table.ticket_of(&other, number(1), after(60)), None);
    }
    assert_eq!(table.ticket_of(&same, number(1), after(SESSION_SECONDS + 1)), None);
    table.cancel(US, "eva", number(1));
    let resume = Resume { offset: 5, proof: [1; 32] };
    let resumed = Some((number(1), ticket.clone(), resume.clone()));
    assert!(table.add(number(2), same, resumed, after(60)));
    let again = table.due(DEVICE, &sign, after(60)).0.remove(0);
    assert_eq!((again.ticket, again.resume), (ticket, Some(resume)));
}

/// Begins what a sensor was told, and answers whose place was taken for it.
fn begin(table: &mut Table, customer: Customer, device: u8, now: UnixMicros) -> Vec<u8> {
    let device = Fingerprint([device; 16]);
    let (told, ended) = table.due(device, &sign, now);
    for retrieve in told {
        assert!(table.begin(customer, device, retrieve.transfer, now));
    }
    ended.iter().map(|number| number[0]).collect()
}

#[test]
fn a_slow_reader_goes_on_as_long_as_something_of_it_is_taken() {
    let mut table = table(1);
    let same = wanted(US, 3);
    assert!(begin(&mut table, US, 3, T0).is_empty());
    let pours = |drawn| move |_| Some(PipeState { drawn, is_poured: true, ..PipeState::default() });
    for minute in 1..60 {
        table.tidy(after(60 * minute), &pours(minute));
    }
    assert_eq!(table.tidy(after(3601), &pours(60)), [number(1)], "its hour is over");
    let ticket = table.ticket_of(&same, number(1), after(3602)).expect("it goes on");
    // What resumes it keeps the first one's session open.
    let resume = Resume { offset: 5, proof: [1; 32] };
    let resumed = Some((number(1), ticket, resume));
    assert!(table.add(number(2), same.clone(), resumed, after(3602)));
    assert!(begin(&mut table, US, 3, after(3602)).is_empty());
    for minute in 1..30 {
        table.tidy(after(3602 + 60 * minute), &pours(minute));
    }
    let late = 3602 + 60 * 29;
    assert!(table.ticket_of(&same, number(1), after(late + SESSION_SECONDS)).is_some());
    assert!(table.ticket_of(&same, number(1), after(late + SESSION_SECONDS + 1)).is_none());
    let end = after(LONGEST_SESSION_SECONDS + 1);
    table.tidy(end, &pours(40));
    assert!(table.ticket_of(&same, number(1), end).is_none(), "once it must end");
}

#[test]
fn customers_that_hold_every_place_give_some_to_one_that_waits() {
    let mut table = Table::default();
    let (customers, each) = (MAX_UNDER_WAY / MAX_PER_CUSTOMER, MAX_PER_CUSTOMER / 2);
    let mut n = 0;
    for customer in 0..customers {
        let customer = Customer(i64::try_from(customer).expect("few"));
        for _ in 0..each {
            for transfer in [n, n + 100] {
                assert!(table.add(number(transfer), wanted(customer, n), None, T0));
            }
            assert!(begin(&mut table, customer, n, T0).is_empty());
            n += 1;
        }
    }
    let other = Customer(99);
    assert!(table.add(number(250), wanted(other, 250), None, T0));
    let just_before = UnixMicros(T0.0 + TURN - 1);
    assert!(begin(&mut table, other, 250, just_before).is_empty());
    assert_eq!(table.look(other, "eva", number(250), just_before).1, None);
    let turn = T0.plus(TURN);
    let (look, poke) = table.look(other, "eva", number(250), turn);
    assert_eq!((look, poke), (Look::Queued(0), Some(Fingerprint([250; 16]))));
    let ended = begin(&mut table, other, 250, turn);
    assert_eq!(ended.len(), 1, "one of those gives way");
    let loser = Customer(i64::from(ended[0] % 100) / i64::try_from(each).expect("few"));
    assert_eq!(table.look(other, "eva", number(250), turn).0, Look::Begun(ticket_250(&table)));
    // It has one and the others more: nobody of them takes it back.
    assert!(table.add(number(251), wanted(loser, 251), None, turn));
    assert!(begin(&mut table, loser, 251, T0.plus(LONG_TURN - 1)).is_empty());
}

fn ticket_250(table: &Table) -> SignedTicket {
    table.transfers[&number(250)].ticket.clone().expect("a ticket")
}

#[test]
fn of_a_sensor_s_places_each_person_has_a_share() {
    let mut table = table(2);
    assert!(begin(&mut table, US, 3, T0).is_empty());
    let of = |who: &str| Wanted { who: who.to_owned(), ..wanted(US, 3) };
    assert!(table.add(number(3), of("eva"), None, T0));
    assert!(begin(&mut table, US, 3, after(3000)).is_empty(), "they are all hers");
    assert!(table.cancel(US, "eva", number(3)));
    assert!(table.add(number(4), of("otto"), None, T0));
    assert_eq!(begin(&mut table, US, 3, T0.plus(TURN)).len(), 1, "two are more than none");
    assert!(table.add(number(5), of("anna"), None, T0));
    assert!(begin(&mut table, US, 3, T0.plus(LONG_TURN - 1)).is_empty());
    assert_eq!(begin(&mut table, US, 3, T0.plus(TURN + LONG_TURN)).len(), 1, "in turns");
}
