//! Root's rights, given up.
//!
//! Capture needs one right of root's, CAP_NET_RAW: to open an interface, and to open it again when
//! it was away. It is kept, permitted and effective, not inheritable: a program that the sensor
//! starts does not get it. Promiscuous mode as libpcap sets it (a membership of the capture's own
//! socket) needs nothing more.
//!
//! The kernel keeps user and rights for each thread apart. So this comes first in `main`, while
//! there is only one: threads that are started later are born without the rights.

use core::fmt;
use std::fs;

use rustix::io::Errno;
use rustix::process::{Gid, Uid, geteuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, set_capabilities, set_keep_capabilities, set_no_new_privs,
    set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

/// What is kept.
const KEPT: CapabilitySet = CapabilitySet::NET_RAW;

const PASSWD: &str = "/etc/passwd";

/// Why rights cannot be given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrivilegeError {
    /// There is no such user.
    NoSuchUser(String),
    /// The user is root.
    Root,
    /// Threads are running that would keep their rights.
    Threads,
    /// The system refuses.
    Refused {
        /// What it refuses.
        step: &'static str,
        /// Its reason.
        errno: Errno,
    },
}

impl fmt::Display for PrivilegeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchUser(user) => {
                write!(f, "there is no user {user} in {PASSWD}; add it: useradd --system {user}")
            }
            Self::Root => write!(f, "root has every right; name another user, or none"),
            Self::Threads => {
                write!(f, "rights must be given up before threads are started (a fault of ours)")
            }
            Self::Refused { step, errno } => {
                write!(f, "the system refuses to {step}: {errno}; start the sensor as root")
            }
        }
    }
}

impl std::error::Error for PrivilegeError {}

/// Becomes `user` for good, keeping only the right to capture. Does nothing when the process is
/// not root's.
///
/// # Errors
/// There is no such user, threads are running, or the system refuses: the process must then end,
/// for some rights may be gone and others not.
pub fn drop_to(user: &str) -> Result<(), PrivilegeError> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let passwd = fs::read_to_string(PASSWD).unwrap_or_default();
    let user = find(&passwd, user).ok_or_else(|| PrivilegeError::NoSuchUser(user.to_owned()))?;
    if user.uid.is_root() {
        return Err(PrivilegeError::Root);
    }
    if !fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1) {
        return Err(PrivilegeError::Threads);
    }
    become_user(user)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct User {
    uid: Uid,
    gid: Gid,
}

/// Looks a user up: `name:password:uid:gid:…`.
fn find(passwd: &str, name: &str) -> Option<User> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        let uid = fields.nth(1)?.parse().ok().filter(|&id| id != u32::MAX)?;
        let gid = fields.next()?.parse().ok().filter(|&id| id != u32::MAX)?;
        Some(User { uid: Uid::from_raw(uid), gid: Gid::from_raw(gid) })
    })
}

/// Changes the calling thread.
fn become_user(User { uid, gid }: User) -> Result<(), PrivilegeError> {
    let refused = |step| move |errno| PrivilegeError::Refused { step, errno };
    set_thread_groups(&[gid]).map_err(refused("leave root's groups"))?;
    set_thread_res_gid(gid, gid, gid).map_err(refused("change the group"))?;
    set_keep_capabilities(true).map_err(refused("keep the right to capture"))?;
    set_thread_res_uid(uid, uid, uid).map_err(refused("change the user"))?;
    let kept =
        CapabilitySets { effective: KEPT, permitted: KEPT, inheritable: CapabilitySet::empty() };
    set_capabilities(None, kept).map_err(refused("keep only the right to capture"))?;
    set_keep_capabilities(false).map_err(refused("let go of the other rights"))?;
    set_no_new_privs(true).map_err(refused("rule out new rights"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::interface::{self, InterfaceSettings};

    const SOME_USERS: &str = "root:x:0:0:root:/root:/bin/bash\n\
                              broken\nhalf:x:12\n\
                              nobody:x:65534:65533:nobody:/nonexistent:/usr/sbin/nologin\n";

    #[test]
    fn a_user_is_found_with_its_group() {
        let nobody = find(SOME_USERS, "nobody").expect("there");
        assert_eq!((nobody.uid.as_raw(), nobody.gid.as_raw()), (65_534, 65_533));
        assert!(find(SOME_USERS, "root").expect("there").uid.is_root());
        for missing in ["", "nobod", "broken", "half", "x"] {
            assert_eq!(find(SOME_USERS, missing), None, "{missing}");
        }
    }

    #[test]
    fn what_cannot_be_done_is_told() {
        if !geteuid().is_root() {
            println!("skipped: only root has rights to give up");
            return;
        }
        assert_eq!(drop_to("root"), Err(PrivilegeError::Root));
        let error = drop_to("nobody-there").expect_err("no such user");
        assert!(error.to_string().contains("useradd --system nobody-there"));
        assert_eq!(drop_to("nobody"), Err(PrivilegeError::Threads), "tests run in threads");
    }

    #[test]
    fn the_right_to_capture_stays_and_others_go() {
        if !geteuid().is_root() {
            println!("skipped: only root has rights to give up");
            return;
        }
        // Users and rights belong to a thread: the others of the test keep theirs.
        let thread = std::thread::spawn(|| {
            let user = find(SOME_USERS, "nobody").expect("there");
            become_user(user).expect("root may");
            assert!(!geteuid().is_root());
            assert!(fs::read("/etc/shadow").is_err(), "root's files are closed");
            assert!(set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).is_err(), "no way back");
            let settings =
                InterfaceSettings { snap_len: 96, promiscuous: true, ring_mib: 1, filter: None };
            interface::open("lo", &settings).map(|_| ()).expect("capture works on");
        });
        thread.join().expect("all of it holds");
    }
}
