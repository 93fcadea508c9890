//! Replaces this program by a signed one, proves it, or puts the old one back.
//!
//! ```text
//!  ringside-sensor    -> ringside-sensor.A     a link to a slot that has proved itself
//!  ringside-sensor.A, ringside-sensor.B        the slots
//!  data_dir/upgrade/slots                      the variables (ringside_protocol::slot)
//!  data_dir/upgrade/report.json                how the last upgrade ended
//!  data_dir/upgrade/pushed                     what the cloud has ordered (pushed.rs)
//!  data_dir/health.json                        what the running sensor has come to
//! ```
//!
//! `upgrade` ([`install`]) fills the slot that does not run and has the sensor restarted. Whatever
//! starts a sensor starts the link, and so a program that has proved itself. When that one finds
//! the other slot on trial ([`launch`]), it starts it as its child, watches it, and decides: healthy
//! in time, or ended and replaced by itself. So the program on trial needs no help from the one that
//! it replaces, nor from systemd, and the link never leads to a program that has not proved itself.
//!
//! A box keeps kernel and root in its slots; there the boot loader starts what is on trial, and
//! [`blocks`] carries the same events to the variables that it reads.

pub mod blocks;
#[cfg(test)]
mod cut_tests;
pub mod elf;
pub mod install;
pub mod launch;
pub mod package;
pub mod program;
pub mod pushed;
pub mod report;
pub mod service;
pub mod setup;
pub mod signs;
pub mod state;
pub mod tarball;

/// Called before each change on disk, with what comes next. An error there stops everything, as a
/// power cut would: tests stop an upgrade at every one of them.
pub type Steps<'a> = &'a dyn Fn(&'static str) -> std::io::Result<()>;

/// [`Steps`] that stop nothing.
///
/// # Errors
/// None.
pub const fn uninterrupted(_: &'static str) -> std::io::Result<()> {
    Ok(())
}
