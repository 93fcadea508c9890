//! The two programs as processes: found, started, read, waited for, and killed with their test.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long anything may take that should happen at once; the machine may be loaded.
pub const SOON: Duration = Duration::from_secs(60);

/// Between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Waits until `condition` holds.
///
/// # Panics
/// After [`SOON`], naming `what`.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    wait_for(what, || condition().then_some(()));
}

/// Waits until `look` finds something.
///
/// # Panics
/// After [`SOON`], naming `what`.
pub fn wait_for<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    wait_for_within(SOON, what, look)
}

/// Waits until `look` finds something, at most `limit`.
///
/// # Panics
/// After that, naming `what`.
pub fn wait_for_within<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {} s for {what}", limit.as_secs());
        std::thread::sleep(LOOK_EVERY);
    }
}

/// `ringside-sensor` or `ringside-cloud`: what `RINGSIDE_SENSOR` or `RINGSIDE_CLOUD` names, or the
/// one of the test's own build.
///
/// # Panics
/// Where it is not there.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let variable = name.to_uppercase().replace('-', "_");
    let path = std::env::var_os(&variable).map_or_else(
        || {
            // target/PROFILE/deps/TEST
            let test = std::env::current_exe().expect("a test has a path");
            let profile = test.ancestors().nth(2).expect("a test is in target/PROFILE/deps");
            profile.join(name)
        },
        PathBuf::from,
    );
    assert!(
        path.is_file(),
        "{} is not there: run `cargo build --workspace` first, or name the program with {variable}",
        path.display()
    );
    path
}

/// What a process has written, both streams, line by line.
#[derive(Debug, Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    changed: Condvar,
}

impl Log {
    fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fill(self: &Arc<Self>, stream: impl Read + Send + 'static) {
        let log = Arc::clone(self);
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                log.lines().push(line);
                log.changed.notify_all();
            }
        });
    }
}

/// A running program; killed when it is dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: Arc<Log>,
    started: Instant,
}

impl Process {
    /// Starts a command; `name` is for messages.
    ///
    /// # Panics
    /// Where it cannot be started.
    #[must_use]
    pub fn start(name: &str, command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let log = Arc::new(Log::default());
        log.fill(child.stdout.take().expect("its output is piped"));
        log.fill(child.stderr.take().expect("its output is piped"));
        Self { name: name.to_owned(), child, log, started: Instant::now() }
    }

    /// Since its start.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Everything that it has written so far.
    #[must_use]
    pub fn written(&self) -> String {
        self.log.lines().join("\n")
    }

    /// Waits for a line that holds `text`, from its start on.
    ///
    /// # Panics
    /// After [`SOON`], with everything that it has written.
    #[must_use]
    pub fn wait_for_line(&self, text: &str) -> String {
        self.wait_for(&format!("a line with {text:?}"), |line| line.contains(text))
    }

    /// Waits for a line that `is_it` accepts, from its start on.
    ///
    /// # Panics
    /// After [`SOON`], with everything that it has written.
    #[must_use]
    pub fn wait_for(&self, what: &str, is_it: impl Fn(&str) -> bool) -> String {
        self.wait_from(0, SOON, what, is_it).0
    }

    /// Waits for a line that `is_it` accepts from the line `first` on, at most `limit`; answers it and
    /// the number of the next.
    ///
    /// # Panics
    /// After that, with everything that it has written.
    #[must_use]
    pub fn wait_from(
        &self,
        first: usize,
        limit: Duration,
        what: &str,
        is_it: impl Fn(&str) -> bool,
    ) -> (String, usize) {
        let deadline = Instant::now() + limit;
        let mut lines = self.log.lines();
        let mut looked = first;
        loop {
            let found = lines.iter().enumerate().skip(looked).find(|(_, line)| is_it(line));
            if let Some((at, found)) = found {
                return (found.clone(), at + 1);
            }
            looked = lines.len();
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                let name = &self.name;
                panic!("{name} did not write {what}, but:\n{}", lines.join("\n"));
            };
            let waited = self.log.changed.wait_timeout(lines, left);
            lines = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    ///
    /// # Panics
    /// Where the system cannot tell.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child can be waited for").is_none()
    }

    /// SIGKILL, and waits for its end.
    ///
    /// # Panics
    /// Where it cannot be killed.
    pub fn kill(&mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be waited for");
    }

    /// SIGTERM.
    ///
    /// # Panics
    /// Where it cannot be sent.
    pub fn terminate(&self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let sent = kill_process(pid.expect("a process has an id"), Signal::TERM);
        sent.expect("a child can be told to end");
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// After [`SOON`], with everything that it has written.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + SOON;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return status;
            }
            let name = &self.name;
            assert!(Instant::now() < deadline, "{name} does not end:\n{}", self.written());
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            let written = self.written();
            let lines: Vec<_> = written.lines().collect();
            let tail = lines[lines.len().saturating_sub(30)..].join("\n  ");
            eprintln!("{} wrote at last:\n  {tail}", self.name);
        }
    }
}

/// Runs a command to its end.
///
/// # Panics
/// Where it cannot be started.
pub fn run<A: AsRef<OsStr>>(name: &str, arguments: &[A], input: &str) -> Output {
    use std::io::Write;
    let mut child = Command::new(program(name))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
    let mut stdin = child.stdin.take().expect("its input is piped");
    // One that reads nothing may have ended already.
    drop(stdin.write_all(input.as_bytes()));
    drop(stdin);
    child.wait_with_output().expect("its output can be read")
}
