//! Entries made durable per second, and fdatasyncs per entry, by commit size and number of groups.
//!
//! `cargo bench -p holdfast-raft --bench group_commit`. Guards the promise that a sync is shared by all groups: syncs
//! per entry must fall with the commit size and must not rise with the number of groups.

use std::time::Duration;

use holdfast_raft::measure::{LogKind, PAYLOAD_BYTES, group_commit};

const DURATION: Duration = Duration::from_secs(1);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), String> {
    // `cargo test` runs benchmarks too, to see that they work; a moment per cell is enough for that.
    let measured = std::env::args().any(|argument| argument == "--bench");
    let duration = if measured {
        DURATION
    } else {
        Duration::from_millis(20)
    };
    println!("{PAYLOAD_BYTES}-byte entries, {duration:?} a cell");
    println!("groups  entries/commit  entries/s  syncs/entry  written/payload  p50 µs  p99 µs");
    for groups in [1, 100] {
        for entries in [1, 16, 64, 256] {
            let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
            let sample = group_commit(
                dir.path(),
                LogKind::RaftEngine,
                groups,
                entries,
                duration,
                u64::MAX,
            )
            .await?;
            println!(
                "{groups:>6}  {entries:>14}  {:>9.0}  {:>11.4}  {:>15.2}  {:>6}  {:>6}",
                sample.entries_per_second,
                sample.syncs_per_entry,
                sample.written_per_payload_ratio,
                sample.round_p50.as_micros(),
                sample.round_p99.as_micros(),
            );
        }
    }
    Ok(())
}
