//! A throw-away server of PostgreSQL's, and this program's tests over it.
//!
//! The tests of everything that asks the database are run a second time, in a process of their own
//! whose [`URL`] names the server. Where Debian's `postgresql` is not installed, that is said.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, getuid, kill_process};

use super::Folder;

/// The variable that names the server over which the tests run.
pub(crate) const URL: &str = "RINGSIDE_TEST_DATABASE";

/// The tests that ask the database.
const ASKING: [&str; 8] =
    ["admin::", "auth::", "db::", "identity::", "relay::", "retention::", "routes::", "uplink::"];

/// The user and group that the server runs as where the tests are root's: `nobody`.
const NOBODY: u32 = 65_534;

/// A server while it runs, on a Unix socket in a folder of its own.
pub(crate) struct Cluster {
    programs: PathBuf,
    folder: Folder,
    server: Option<Child>,
}

impl Cluster {
    /// Makes one and starts it; `None` where PostgreSQL is not installed.
    pub(crate) fn start() -> Option<Self> {
        let programs = programs()?;
        let folder = Folder::new();
        if getuid().is_root() {
            chown(&folder.0, Some(NOBODY), Some(NOBODY)).expect("given away");
        }
        let mut cluster = Self { programs, folder, server: None };
        let made = cluster
            .command("initdb")
            .args(["--username=ringside", "--auth=trust", "--encoding=UTF8", "--locale=C"])
            .args(["--no-sync", "--pgdata"])
            .arg(cluster.data())
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        cluster.begin();
        Some(cluster)
    }

    /// Starts the server and waits until it answers.
    pub(crate) fn begin(&mut self) {
        let log = fs::File::create(self.folder.0.join("log")).expect("a log");
        let server = self
            .command("postgres")
            .arg("-D")
            .arg(self.data())
            .arg("-k")
            .arg(&self.folder.0)
            // A test's server need not survive a power cut.
            .args(["-c", "listen_addresses=", "-c", "fsync=off"])
            .stderr(log)
            .spawn()
            .expect("the server starts");
        self.server = Some(server);
        let ready = self.folder.0.join("data/postmaster.pid");
        let is_ready = || fs::read_to_string(&ready).is_ok_and(|text| text.contains("ready"));
        crate::db::tests::wait_for("the server", is_ready);
    }

    /// Ends the server at once, as if its machine had lost power.
    pub(crate) fn end(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        let pid = i32::try_from(server.id()).ok().and_then(Pid::from_raw).expect("a process");
        kill_process(pid, Signal::QUIT).expect("told to end");
        server.wait().expect("it ends");
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        format!("postgresql:///postgres?user=ringside&host={}", self.folder.0.display())
    }

    /// The database of `folder` on this server.
    pub(crate) fn server(&self, folder: &Folder) -> crate::db::Server {
        folder.server(&self.url())
    }

    fn data(&self) -> PathBuf {
        self.folder.0.join("data")
    }

    /// One of PostgreSQL's programs, which refuse to run as root.
    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.current_dir(&self.folder.0).stdout(Stdio::null()).stderr(Stdio::piped());
        if getuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.end();
    }
}

/// Where Debian puts the programs of its newest version.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<_> = versions
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|path| path.join("initdb").exists())
        .collect();
    found.sort();
    let found = found.pop();
    if found.is_none() {
        println!("skipped: no PostgreSQL under {}", Path::new("/usr/lib/postgresql").display());
    }
    found
}

#[test]
fn the_tests_that_ask_the_database_pass_on_postgresql_too() {
    if super::is_postgres() {
        return;
    }
    let Some(cluster) = Cluster::start() else { return };
    let tests = std::env::current_exe().expect("this program");
    let ran = Command::new(tests)
        .args(ASKING)
        .args(["--skip", "db::tests::cluster", "--skip", "db::sqlite", "--skip", "db::several"])
        .env(URL, cluster.url())
        .output()
        .expect("the tests run");
    let said = String::from_utf8_lossy(&ran.stdout);
    println!("{}", said.lines().last().unwrap_or_default());
    assert!(ran.status.success(), "{said}\n{}", String::from_utf8_lossy(&ran.stderr));
}
