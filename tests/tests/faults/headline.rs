//! The headline, small: what `bin/faults` does with 10,000 tasks; and the control, which proves that its check can fail.

use std::{path::Path, process::Output};

use tokio::process::Command;

/// Runs the program with few tasks and a few faults of every sort.
async fn faults(logs: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_faults"));
    command.args(["--tasks", "300", "--spread", "15", "--limit", "120", "--workers", "3"]);
    command.args(["--worker-kills", "4", "--redis-kills", "2", "--postgres-stops", "1", "--zombies", "3"]);
    let output = command.arg("--logs").arg(logs).args(more).kill_on_drop(true).output().await;
    output.expect("the faults program")
}

#[tokio::test]
async fn nothing_is_lost_wrong_or_done_twice_in_a_storm_of_faults() {
    let logs = tempfile::tempdir().expect("a folder");
    let output = faults(logs.path(), &[]).await;
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("300 of 300 accepted, 300 ended: 0 lost, 0 wrong, 0 double"));
    assert!(!said.contains(" 0 late words"), "nobody was fenced");
}

#[cfg(debug_assertions)]
#[tokio::test]
async fn without_the_fence_the_same_storm_fails_the_check() {
    let logs = tempfile::tempdir().expect("a folder");
    let output = faults(logs.path(), &["--unfenced"]).await;
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("300 of 300 accepted, 300 ended: 0 lost, "), "it failed in another way");
    assert!(said.contains("has the result of another attempt"));
    assert!(said.contains("succeeded before, or without, the attempt that is said to have done it"));
}
