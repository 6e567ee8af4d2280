//! What a door lets in, and when there is none.

use holdfast_raft::ManualClock;
use tempfile::TempDir;

use super::*;
use crate::config::Overrides;

const NOW_MS: u64 = 1_000_000;
/// A bound against hanging.
const PATIENCE: Duration = Duration::from_secs(30);

fn config(listen: &str) -> Config {
    let overrides = Overrides {
        node_id: Some(1),
        data_dir: Some("unused".into()),
        topology: Some("unused".into()),
        grpc_listen: Some(listen.to_owned()),
        ..Overrides::default()
    };
    Config::load(None, overrides).unwrap()
}

fn door(path: &Path) -> FaultDoor {
    let clock = Arc::new(ManualClock::at(NOW_MS));
    FaultDoor::open(path, &config("127.0.0.1:0"), clock).unwrap()
}

#[tokio::test]
async fn a_node_that_others_can_reach_gets_no_door() {
    let clock = Arc::new(ManualClock::at(NOW_MS));
    let opened = FaultDoor::open(Path::new("faults"), &config("0.0.0.0:7400"), clock);
    let error = opened.err().unwrap().to_string();
    assert!(
        error.contains("grpc_listen") && error.contains("0.0.0.0"),
        "{error}"
    );
}

#[tokio::test]
async fn without_a_file_nothing_is_wrong() {
    let dir = TempDir::new().unwrap();
    let door = door(&dir.path().join("faults.toml"));
    assert_eq!(door.clock().now_ms(), NOW_MS);
    assert_eq!(door.disk().now(), DiskTrouble::NONE);
}

#[tokio::test]
async fn a_file_is_obeyed_while_it_changes_and_garbage_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("faults.toml");
    std::fs::write(&path, "clock_offset_ms = -5000\ndisk_free_mib = 3\n").unwrap();
    let door = door(&path);
    let (clock, disk) = (door.clock(), door.disk());
    assert_eq!(clock.now_ms(), NOW_MS - 5_000);
    assert_eq!(disk.now().free_bytes, Some(3 << 20));
    let task = door.watch();
    let until = |wanted: DiskTrouble| {
        let disk = Arc::clone(&disk);
        async move {
            while disk.now() != wanted {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    };
    std::fs::write(&path, "disk_full = true\ndisk_delay_ms = 7\n").unwrap();
    let full = DiskTrouble {
        full: true,
        delay_ms: 7,
        ..DiskTrouble::NONE
    };
    tokio::time::timeout(PATIENCE, until(full)).await.unwrap();
    assert_eq!(clock.now_ms(), NOW_MS);
    // Garbage, then something valid: had the garbage been taken for "no faults", the delay would be gone first.
    std::fs::write(&path, "disk_fool = true\n").unwrap();
    tokio::time::sleep(3 * READ_EVERY).await;
    assert_eq!(disk.now(), full);
    std::fs::remove_file(&path).unwrap();
    tokio::time::timeout(PATIENCE, until(DiskTrouble::NONE))
        .await
        .unwrap();
    task.abort();
}
