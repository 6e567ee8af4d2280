//! Bytes that are not the ones that were written.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn damaged_snapshots_are_found_and_nothing_is_lost_with_them() {
    let mut stage = Stage::with_node_limits(vec![("snapshot_every_entries", 20)]).await;
    let (show, show_id) = (stage.lab.show(0), stage.lab.shows[0].show_id);
    let buyer = stage.lab.guest(0).await.unwrap();
    for n in 0..30 {
        let held = buyer.hold(&show, &["A-1-1"], &format!("hold-{n}")).await;
        assert_eq!(held.status, 201, "{:?}", held.body);
        let given_back = buyer.release(&held.id(), &format!("release-{n}")).await;
        assert_eq!(given_back.status, 200, "{:?}", given_back.body);
    }
    let damaged = stage
        .start("kind = \"damaged-snapshots\"\nnode = \"n2\"")
        .await;
    // They are read when somebody wants the show.
    let last = buyer.hold(&show, &["A-1-2"], "last").await;
    assert_eq!(last.status, 201, "{:?}", last.body);
    let found = "holdfast_snapshots_damaged_total";
    stage.until_metric("n2", found, |count| count >= 1.0).await;
    stage.lab.replicas_agree(show_id, PATIENCE).await.unwrap();
    stage.heal(damaged).await;
    stage.lab.stop().await;
}
