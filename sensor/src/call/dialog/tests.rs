use super::*;

const S: u64 = SECOND;

fn invite(branch: u64, cseq: u32) -> Signal {
    Signal::Invite { branch, cseq, has_credentials: false }
}

fn response(branch: u64, status_code: u16) -> Signal {
    Signal::Response {
        branch,
        cseq: 1,
        to_request_of: Side::Caller,
        status_code,
        to_tag: Some(u64::from(status_code > 100) * 7),
        has_sdp: false,
    }
}

fn bye(side: Side) -> Signal {
    Signal::Bye { side, callee_tag: Some(7) }
}

/// A call whose INVITE (branch 1, CSeq 1) was sent at 1 s.
fn calling() -> Dialog {
    let mut dialog = Dialog::new(S, 15 * S);
    dialog.handle(invite(1, 1), S);
    dialog
}

fn after(signals: &[(Signal, u64)]) -> Dialog {
    let mut dialog = calling();
    for &(signal, at) in signals {
        dialog.handle(signal, at);
    }
    dialog
}

#[test]
fn an_answered_call_ends_with_its_bye() {
    let dialog = after(&[
        (response(1, 100), 2 * S),
        (response(1, 180), 3 * S),
        (response(1, 200), 5 * S),
        (bye(Side::Callee), 9 * S),
        (bye(Side::Callee), 10 * S),
    ]);
    assert_eq!(dialog.first_response, Some(3 * S));
    assert_eq!(dialog.ringing, Some(3 * S));
    assert_eq!(dialog.answered, Some(5 * S));
    assert_eq!(dialog.status_code, Some(200));
    assert_eq!(dialog.ended, Some((9 * S, EndedBy::Callee)));
    assert_eq!((dialog.state(), dialog.deadline()), (State::Ended, 9 * S + LINGER));
}

#[test]
fn a_challenge_waits_for_credentials_and_one_call_goes_on() {
    let mut dialog = after(&[(response(1, 401), 2 * S)]);
    assert_eq!((dialog.state(), dialog.deadline()), (State::Refused, 2 * S + RETRY_WAIT));
    dialog.handle(Signal::Invite { branch: 2, cseq: 2, has_credentials: true }, 3 * S);
    assert_eq!(dialog.state(), State::Calling);
    assert_eq!((dialog.start, dialog.ended, dialog.status_code), (Some(S), None, None));
    assert!(dialog.is_authenticated);
}

#[test]
fn a_rejection_ends_the_call_after_its_ack() {
    let dialog = after(&[(response(1, 486), 2 * S)]);
    assert_eq!(dialog.ended, Some((2 * S, EndedBy::Rejected)));
    assert_eq!(dialog.deadline(), 2 * S + LINGER);
}

#[test]
fn a_cancelled_call_is_cancelled_and_not_rejected() {
    let dialog = after(&[
        (response(1, 180), 2 * S),
        (Signal::Cancel { branch: 1 }, 3 * S),
        (response(1, 487), 4 * S),
    ]);
    assert_eq!(dialog.ended, Some((4 * S, EndedBy::Cancelled)));
    assert_eq!(dialog.status_code, Some(487));
}

#[test]
fn a_cancel_that_crosses_the_answer_changes_nothing() {
    let dialog = after(&[(Signal::Cancel { branch: 1 }, 2 * S), (response(1, 200), 3 * S)]);
    assert_eq!((dialog.state(), dialog.ended), (State::Confirmed, None));
}

#[test]
fn a_busy_branch_of_a_fork_ends_nothing_while_another_rings() {
    let dialog = after(&[
        (invite(2, 1), S),
        (invite(3, 1), S),
        (response(2, 486), 2 * S),
        (response(3, 180), 2 * S),
    ]);
    assert_eq!((dialog.state(), dialog.ended), (State::Proceeding, None));
    let dialog = after(&[
        (invite(2, 1), S),
        (response(2, 486), 2 * S),
        (response(1, 200), 3 * S),
        (Signal::Cancel { branch: 3 }, 3 * S),
        (response(3, 487), 4 * S),
    ]);
    assert_eq!((dialog.state(), dialog.status_code), (State::Confirmed, Some(200)));
}

#[test]
fn a_tap_that_sees_only_the_branches_of_a_fork_waits_for_all_of_them() {
    let mut dialog = after(&[(invite(2, 1), S), (response(2, 486), 2 * S)]);
    assert!(dialog.is_in_progress());
    dialog.handle(response(1, 480), 3 * S);
    assert_eq!(dialog.ended, Some((3 * S, EndedBy::Rejected)));
    assert_eq!(dialog.status_code, Some(480));
}

#[test]
fn hanging_up_one_of_two_answers_leaves_the_other() {
    let answer = |tag| Signal::Response {
        branch: 1,
        cseq: 1,
        to_request_of: Side::Caller,
        status_code: 200,
        to_tag: Some(tag),
        has_sdp: true,
    };
    let hang_up = |tag| Signal::Bye { side: Side::Caller, callee_tag: Some(tag) };
    let mut dialog = after(&[(answer(1), 2 * S), (answer(2), 2 * S), (hang_up(2), 3 * S)]);
    assert!(dialog.is_forked);
    assert_eq!(dialog.state(), State::Confirmed);
    dialog.handle(hang_up(1), 4 * S);
    assert_eq!(dialog.ended, Some((4 * S, EndedBy::Caller)));
}

#[test]
fn a_refused_re_invite_does_not_end_the_call() {
    let refused = Signal::Response {
        branch: 9,
        cseq: 2,
        to_request_of: Side::Caller,
        status_code: 491,
        to_tag: Some(7),
        has_sdp: false,
    };
    let glare = Signal::Response {
        branch: 8,
        cseq: 1,
        to_request_of: Side::Callee,
        status_code: 491,
        to_tag: Some(5),
        has_sdp: false,
    };
    let dialog = after(&[(response(1, 200), 2 * S), (refused, 3 * S), (glare, 3 * S)]);
    assert_eq!((dialog.state(), dialog.status_code), (State::Confirmed, Some(200)));
}

#[test]
fn nobody_answers_in_time_and_ringing_lasts_as_long_as_timer_c() {
    assert_eq!(calling().deadline(), 16 * S);
    let mut dialog = after(&[(response(1, 100), 2 * S)]);
    assert_eq!(dialog.deadline(), 2 * S + PROCEEDING_WAIT);
    dialog.handle_deadline(2 * S);
    assert_eq!(dialog.ended, Some((2 * S, EndedBy::Timeout)));
}

#[test]
fn an_ack_tells_of_an_answer_that_was_not_seen() {
    let ack = |branch, side| Signal::Ack { branch, cseq: 1, side };
    let dialog = after(&[(ack(9, Side::Caller), 3 * S)]);
    assert_eq!((dialog.state(), dialog.answered), (State::Confirmed, Some(3 * S)));
    assert_eq!(dialog.status_code, None);
    let of_a_refusal = after(&[(ack(1, Side::Caller), 3 * S)]);
    assert_eq!((of_a_refusal.state(), of_a_refusal.answered), (State::Calling, None));
    let refused = after(&[(response(1, 486), 2 * S), (ack(9, Side::Caller), 3 * S)]);
    assert_eq!((refused.state(), refused.answered), (State::Refused, None));
}

#[test]
fn a_call_that_began_before_the_capture_has_no_start() {
    let mut dialog = Dialog::new(S, 15 * S);
    dialog.handle(Signal::Ack { branch: 1, cseq: 1, side: Side::Caller }, S);
    assert_eq!((dialog.state(), dialog.start), (State::Confirmed, None));
    let mut dialog = Dialog::new(S, 15 * S);
    dialog.handle(response(1, 200), S);
    assert_eq!((dialog.start, dialog.answered), (None, Some(S)));
    let mut dialog = Dialog::new(S, 15 * S);
    dialog.handle(bye(Side::Caller), S);
    assert_eq!(dialog.ended, Some((S, EndedBy::Caller)));
}
