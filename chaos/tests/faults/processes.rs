//! Processes that end, stand still, and come back.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn processes_end_stand_still_and_come_back() {
    let mut stage = Stage::set().await;

    let killed = stage.start("kind = \"kill\"\nnode = \"leader\"").await;
    let name = killed.report().nodes[0].to_string();
    assert_eq!(stage.pid(&name), None);
    stage.heal(killed).await;
    stage.ready(&name).await;

    let paused = stage.start("kind = \"pause\"\nnode = \"n2\"").await;
    assert!(!stage.answers("n2").await, "a paused node answers");
    assert!(stage.pid("n2").is_some(), "a paused node is dead");
    stage.heal(paused).await;
    stage.ready("n2").await;

    let stopped = stage.start("kind = \"stop\"\nnode = \"n3\"").await;
    let log = std::fs::read_to_string(&stage.lab.cluster.member("n3").unwrap().log).unwrap();
    assert!(log.contains("node stopped"), "it was killed instead");
    stage.heal(stopped).await;
    stage.ready("n3").await;

    let gateway = stage
        .start("kind = \"gateway-gone\"\nregion = \"westeurope\"")
        .await;
    assert_eq!(stage.pid("gateway-westeurope"), None);
    stage.heal(gateway).await;
    stage.ready("gateway-westeurope").await;

    throttled_gateways_go_on_when_healed_and_when_they_are_told_to_end(&mut stage).await;

    let gone = stage
        .start("kind = \"region-gone\"\nregion = \"other\"")
        .await;
    let region = gone.report().regions[0].clone();
    let names = stage.lab.cluster.names_in(&region);
    assert!(names.iter().all(|name| stage.pid(name).is_none()));
    stage.heal(gone).await;
    for name in &names {
        stage.ready(name).await;
    }
    stage.lab.stop().await;
}

async fn throttled_gateways_go_on_when_healed_and_when_they_are_told_to_end(stage: &mut Stage) {
    const NAME: &str = "gateway-westeurope";
    let turns =
        "kind = \"gateway-throttled\"\nregion = \"westeurope\"\nrun_us = 500\nstand_ms = 200";
    let throttled = stage.start(turns).await;
    stage.until_stands(NAME).await;
    stage.heal(throttled).await;
    assert!(!stage.stands(NAME), "it was left standing");
    stage.ready(NAME).await;

    // Its end is asked for while it stands: it goes on and ends in order, and whoever has its number next is let alone.
    let throttled = stage.start(turns).await;
    stage.until_stands(NAME).await;
    stage.lab.cluster.terminate(NAME).await.unwrap();
    let log = std::fs::read_to_string(&stage.lab.cluster.member(NAME).unwrap().log).unwrap();
    assert!(log.contains("gateway stopped"), "it was killed instead");
    stage.heal(throttled).await;
    stage.lab.cluster.spawn(NAME).unwrap();
    stage.ready(NAME).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_comes_back_and_is_restarted_one_at_a_time() {
    let mut stage = Stage::set().await;
    let names = stage.lab.cluster.names();
    let gone = stage.start("kind = \"everything-gone\"").await;
    assert!(names.iter().all(|name| stage.pid(name).is_none()));
    stage.heal(gone).await;
    stage.lab.cluster.wait_all_ready(|_| {}).await.unwrap();

    let pids = |stage: &Stage| names.iter().map(|name| stage.pid(name)).collect::<Vec<_>>();
    let before = pids(&stage);
    let rolling = stage.start("kind = \"rolling-restart\"").await;
    let after = pids(&stage);
    assert!(
        before
            .iter()
            .zip(&after)
            .all(|(old, new)| new.is_some() && old != new)
    );
    stage.heal(rolling).await;

    // These binaries stand for a previous release's: what is tried is the way there and back.
    let bin_dir = holdfast_chaos::lab::build_siblings().unwrap();
    let upgrade = format!(
        "kind = \"upgrade\"\nprevious_bin_dir = {:?}",
        bin_dir.display().to_string()
    );
    let upgraded = stage.start(&upgrade).await;
    let newest = pids(&stage);
    let is_node = |name: &str| !name.starts_with("gateway");
    for (name, (old, new)) in names.iter().zip(after.iter().zip(&newest)) {
        assert_eq!(old != new, is_node(name), "{name}");
    }
    stage.heal(upgraded).await;

    let nowhere: FaultSpec =
        toml::from_str("kind = \"upgrade\"\nprevious_bin_dir = \"/nowhere\"").unwrap();
    let skipped = nowhere.start(&mut stage.lab, &mut stage.rng).await.unwrap();
    let said = skipped.report().skipped.clone().unwrap();
    assert!(said.contains("no previous binaries"), "{said}");
    assert_eq!(pids(&stage), newest);

    let emptied = stage
        .start("kind = \"empty-disk\"\nnode = \"follower\"")
        .await;
    let node = emptied.report().nodes[0];
    assert!(!stage.lab.cluster.node_dir(node).exists());
    stage.heal(emptied).await;
    let until = Instant::now() + PATIENCE;
    while !stage.lab.cluster.node_dir(node).exists() {
        assert!(
            Instant::now() < until,
            "{node} does not start on an empty disk"
        );
        tokio::time::sleep(POLL).await;
    }
    stage.lab.stop().await;
}
