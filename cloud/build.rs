//! Tells the program which commit and target it was built from.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=RINGSIDE_COMMIT");
    println!("cargo::rerun-if-changed=../.git/HEAD");
    println!("cargo::rerun-if-changed=../.git/logs/HEAD");
    let commit = std::env::var("RINGSIDE_COMMIT").ok().or_else(head_commit);
    println!("cargo::rustc-env=RINGSIDE_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
    let target = std::env::var("TARGET").unwrap_or_default();
    println!("cargo::rustc-env=RINGSIDE_TARGET={target}");
}

fn head_commit() -> Option<String> {
    let output = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
