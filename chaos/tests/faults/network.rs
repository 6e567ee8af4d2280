//! Networks in pieces, and slow ones.

use holdfast_chaos::fault::Targets;
use holdfast_region_config::RegionId;

use super::*;

/// Ways cut now.
fn cut(stage: &Stage) -> Vec<(RegionId, RegionId)> {
    let partitions = stage.lab.cluster.wan().unwrap().partitions();
    partitions.iter().cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn networks_fall_apart_and_are_whole_again() {
    let mut stage = Stage::set().await;
    let silent = "holdfast_silent_nodes";

    let alone = stage.start("kind = \"isolate-node\"\nnode = \"n2\"").await;
    stage.until_metric("n1", silent, |count| count == 1.0).await;
    stage.until_metric("n2", silent, |count| count == 2.0).await;
    stage.heal(alone).await;
    for name in ["n1", "n2"] {
        stage.until_metric(name, silent, |count| count == 0.0).await;
    }

    let region = stage
        .start("kind = \"isolate-region\"\nregion = \"leader\"")
        .await;
    assert_eq!(cut(&stage).len(), 4);
    let inside = region.report().nodes[0].to_string();
    stage
        .until_metric(&inside, silent, |count| count == 2.0)
        .await;
    // A second fault undoes only what it did itself.
    let halves = stage.start("kind = \"halves\"").await;
    stage.heal(halves).await;
    assert_eq!(cut(&stage).len(), 4);
    stage.heal(region).await;
    assert_eq!(cut(&stage), []);
    stage
        .until_metric(&inside, silent, |count| count == 0.0)
        .await;

    let shapes = [
        ("kind = \"halves\"", 4),
        ("kind = \"bridge\"", 2),
        ("kind = \"majorities-ring\"", 3),
        ("kind = \"one-way\"\nfrom = \"leader\"\nto = \"other\"", 1),
    ];
    for (text, ways) in shapes {
        let running = stage.start(text).await;
        assert_eq!(cut(&stage).len(), ways, "{text}");
        stage.heal(running).await;
        assert_eq!(cut(&stage), [], "{text}");
    }

    let flapping = stage
        .start("kind = \"flapping\"\na = \"eastus\"\nb = \"other\"\nperiod_ms = 100")
        .await;
    for wanted in [2, 0, 2] {
        let until = Instant::now() + PATIENCE;
        while cut(&stage).len() != wanted {
            assert!(Instant::now() < until, "never {wanted} ways cut");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    stage.heal(flapping).await;
    assert_eq!(cut(&stage), []);
    stage.lab.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_way_makes_a_far_hold_slow_and_leaves_the_others_alone() {
    let mut stage = Stage::set().await;
    let show = stage.lab.show(0);
    let far = stage.lab.guest(1).await.unwrap();
    let mut number = 0;
    let mut took = async || {
        number += 1;
        let seat = format!("A-1-{number}");
        let began = Instant::now();
        let hold = far.hold(&show, &[&seat], &seat).await;
        assert_eq!(hold.status, 201, "{:?}", hold.body);
        began.elapsed()
    };
    let calm = took().await;
    let slow = "kind = \"slow-link\"\nfrom = \"eastus\"\nto = \"westeurope\"\nlatency_ms = 400\njitter_ms = 20";
    let fault: FaultSpec = toml::from_str(slow).unwrap();
    let Targets { regions, .. } = fault.targets(stage.lab.cluster.topology());
    assert_eq!(regions.len(), 2);
    let running = stage.start(slow).await;
    // There and back, each at least 380 ms more.
    let slowed = took().await;
    assert!(
        slowed >= Duration::from_millis(760),
        "{slowed:?}, calm {calm:?}"
    );
    stage.heal(running).await;
    let until = Instant::now() + PATIENCE;
    loop {
        // One hold may be late for other reasons.
        let after = took().await;
        if after < Duration::from_millis(760) {
            break;
        }
        assert!(Instant::now() < until, "{after:?}, calm {calm:?}");
    }
    stage.lab.stop().await;
}
