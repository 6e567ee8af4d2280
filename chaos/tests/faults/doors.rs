//! Clocks and disks, through the nodes' fault doors.

use super::*;

const DISK: &str = "holdfast_disk_state";
const AHEAD: &str = "holdfast_clock_ahead_seconds";
/// Three replicas, one of which may have trouble.
const NODES: [&str; 3] = ["n1", "n2", "n3"];

#[tokio::test(flavor = "multi_thread")]
async fn disks_are_slow_full_or_do_not_sync_and_recover() {
    let mut stage = Stage::set().await;
    let show = stage.lab.show(0);
    let buyer = stage.lab.guest(0).await.unwrap();
    let hold = async |seat: &str| {
        let held = holdfast_chaos::buyer::insist(PATIENCE, || {
            let (buyer, show, seat) = (buyer.clone(), show.clone(), seat.to_owned());
            async move { buyer.hold(&show, &[&seat], &seat).await }
        });
        let held = held.await;
        assert_eq!(held.status, 201, "{seat}: {:?}", held.body);
    };
    // A majority is slow, so every commit is.
    let mut slow = Vec::new();
    for name in NODES {
        let text = format!("kind = \"slow-disk\"\nnode = \"{name}\"\ndelay_ms = 300");
        slow.push(stage.start(&text).await);
    }
    let began = Instant::now();
    hold("A-1-1").await;
    assert!(began.elapsed() >= Duration::from_millis(300));
    for running in slow {
        stage.heal(running).await;
    }

    let nearly = stage
        .start("kind = \"full-disk\"\nnode = \"n2\"\nfree_mib = 1")
        .await;
    stage.until_metric("n2", DISK, |state| state == 1.0).await;
    stage.heal(nearly).await;
    stage.until_metric("n2", DISK, |state| state == 0.0).await;

    for (text, seat) in [
        ("kind = \"full-disk\"\nnode = \"leader\"", "A-2-1"),
        ("kind = \"sync-errors\"\nnode = \"leader\"", "A-2-2"),
    ] {
        let running = stage.start(text).await;
        let name = running.report().nodes[0].to_string();
        // The others go on selling; that the disk does not work is found by a write.
        hold(seat).await;
        stage.until_metric(&name, DISK, |state| state > 0.0).await;
        stage.heal(running).await;
        stage.until_metric(&name, DISK, |state| state == 0.0).await;
        stage.ready(&name).await;
    }
    stage.lab.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_clock_is_outvoted_and_ends_no_hold_early() {
    let mut stage = Stage::set().await;
    let show = stage.lab.show(0);
    let buyer = stage.lab.guest(0).await.unwrap();
    let first = buyer.hold(&show, &["A-1-1"], "before").await;
    assert_eq!(first.status, 201, "{:?}", first.body);
    let ends_ms = first.body["expires_at_ms"].as_u64().unwrap();

    // An hour: six times the life of a hold.
    let skewed = stage
        .start("kind = \"clock-skew\"\nnode = \"leader\"\noffset_ms = 3600000")
        .await;
    let name = skewed.report().nodes[0].to_string();
    stage.until_metric(&name, AHEAD, |s| s > 3_500.0).await;
    let second = buyer.hold(&show, &["A-1-2"], "while").await;
    assert_eq!(second.status, 201, "{:?}", second.body);
    let later_ms = second.body["expires_at_ms"].as_u64().unwrap();
    // Both live for ten minutes from when they were made, longer by up to five seconds that differ from hold to hold, and this
    // test is not a quarter of an hour long.
    assert!(
        later_ms + 5_000 >= ends_ms && later_ms < ends_ms + 900_000,
        "{ends_ms} then {later_ms}"
    );
    let other = stage.lab.guest(0).await.unwrap();
    let taken = other.hold(&show, &["A-1-1"], "thief").await;
    assert_eq!(
        taken.status, 409,
        "the first hold ended early: {:?}",
        taken.body
    );
    stage.heal(skewed).await;
    stage.until_metric(&name, AHEAD, |s| s == 0.0).await;

    let jumps = "kind = \"clock-jumps\"\nnode = \"n2\"\noffset_ms_max = 600000\nevery_ms = 200";
    let jumping = stage.start(jumps).await;
    stage.until_metric("n2", AHEAD, |s| s > 1.0).await;
    stage.until_metric("n2", AHEAD, |s| s < -1.0).await;
    stage.heal(jumping).await;
    stage.until_metric("n2", AHEAD, |s| s == 0.0).await;
    stage.lab.stop().await;
}
