//! What was acknowledged is there after SIGKILL.
//!
//! The test starts itself as a child that stores batches and prints a line for each
//! acknowledgement, kills it in the middle, and looks for every acknowledged record.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use ringside_cloud::db::{Customer, Db};
use ringside_protocol::cdr::{Boot, Cdr, Fingerprint};
use ringside_protocol::message::Batch;
use ringside_protocol::time::UnixMicros;

const FOLDER: &str = "RINGSIDE_KILL_TEST_FOLDER";
const NOW: UnixMicros = UnixMicros(1_795_009_600_000_000);
const DEVICE: Fingerprint = Fingerprint([1; 16]);
const BATCH: u64 = 10;

fn batch(number: u64) -> Batch {
    let call = |number| Cdr { number, first_at: NOW, ..Cdr::default() };
    Batch::new(Boot([2; 16]), (number * BATCH..(number + 1) * BATCH).map(call))
}

/// The child: stores until it is killed. Does nothing when it is run as a test of its own.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let db = Db::open(Path::new(&folder)).expect("a database");
    let known = db.customers().expect("asked").first().map(|row| row.customer);
    let customer =
        known.unwrap_or_else(|| db.create_customer("Acme", NOW).expect("made").expect("new"));
    let mut out = std::io::stdout();
    for number in 0..1_000_000 {
        db.store_batch(customer, DEVICE, &batch(number), NOW).expect("stored");
        writeln!(out, "\nacknowledged {number}").expect("a pipe");
        out.flush().expect("a pipe");
    }
}

/// The numbers of batches that the child acknowledged before it was killed.
fn run_and_kill(folder: &Path, after: usize) -> Vec<u64> {
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "child", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let mut acknowledged = Vec::new();
    while let Some(Ok(line)) = lines.next() {
        if let Some(number) = line.strip_prefix("acknowledged ") {
            acknowledged.push(number.parse().expect("a number"));
            if acknowledged.len() == after {
                child.kill().expect("killed");
            }
        }
    }
    child.wait().expect("gone");
    acknowledged
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let folder = std::env::temp_dir().join(format!("ringside-kill-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    for after in [1, 7, 40] {
        let acknowledged = run_and_kill(&folder, after);
        let db = Db::open(&folder).expect("opens after a kill");
        let customer: Customer = db.customers().expect("asked")[0].customer;
        for number in &acknowledged {
            let ack = db.store_batch(customer, DEVICE, &batch(*number), NOW).expect("stored");
            assert_eq!((ack.stored, ack.known), (0, 10), "batch {number} of {acknowledged:?}");
        }
        assert!(acknowledged.len() >= after);
        let rows: u64 = db
            .reader()
            .query_row("SELECT count(*) FROM cdr_20261118", [], |row| row.get(0))
            .expect("a count");
        assert_eq!(rows % BATCH, 0, "no batch is half there");
        db.drop_day("cdr_20261118").expect("the next round begins anew");
    }
    std::fs::remove_dir_all(&folder).expect("cleaned up");
}
