//! `data_dir/upgrade/report.json`: how the last upgrade ended, for log, `doctor`, status page and
//! cloud.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use ringside_protocol::message::UpgradeReport;
use ringside_protocol::time::UnixMicros;

use super::state::folder;
use crate::store::atomic;

const FILE: &str = "report.json";

/// An upgrade to `to` has ended just now.
#[must_use]
pub fn now(to: &str, running: &str, failure: Option<String>) -> UpgradeReport {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let at = UnixMicros(u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX));
    UpgradeReport { at, to: to.to_owned(), running: running.to_owned(), failure }
}

/// Keeps a report.
///
/// # Errors
/// The system's.
pub fn store(data_dir: &Path, report: &UpgradeReport) -> io::Result<()> {
    atomic::make_directory_for_owner(&folder(data_dir))?;
    let text = serde_json::to_vec(report)?;
    atomic::replace(&folder(data_dir).join(FILE), &text, 0o644)
}

/// The last report; `None` where there is none or it cannot be read.
#[must_use]
pub fn load(data_dir: &Path) -> Option<UpgradeReport> {
    let text = fs::read(folder(data_dir).join(FILE)).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Forgets the last report.
///
/// # Errors
/// The system's.
pub fn forget(data_dir: &Path) -> io::Result<()> {
    match fs::remove_file(folder(data_dir).join(FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::test_dir::TestDir;

    #[test]
    fn a_report_is_kept_and_forgotten() {
        let dir = TestDir::new();
        assert_eq!(load(dir.path()), None);
        let report = now("0.2.0", "0.1.0", Some("it did not reach the cloud".to_owned()));
        store(dir.path(), &report).expect("store");
        let words = "upgrade to 0.2.0 failed: it did not reach the cloud; 0.1.0 is running again";
        assert_eq!(load(dir.path()).expect("there").sentence(), words);
        forget(dir.path()).expect("forget");
        forget(dir.path()).expect("twice");
        assert_eq!(load(dir.path()), None);
    }
}
