//! A gateway whose region's nodes are gone goes on serving through other regions, and sessions keep what they have seen.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use holdfast_chaos::buyer::{http_client, insist};
use holdfast_chaos::lab::{Lab, LabOptions};
use holdfast_chaos::season::GridShow;
use holdfast_region_config::NodeId;
use serde_json::Value;

/// For things that only have to happen at all.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);

struct Looked {
    status: u16,
    index: u64,
    route: String,
    session: Option<String>,
}

async fn look(gateway: &str, show: &str, session: Option<&str>) -> Looked {
    let mut request = http_client().get(format!("{gateway}/v1/shows/{show}/seats?fields=state"));
    if let Some(session) = session {
        request = request.header("x-holdfast-session", session);
    }
    let answer = request.send().await.unwrap();
    let header = |name: &str| {
        let value = answer.headers().get(name)?;
        value.to_str().ok().map(str::to_owned)
    };
    Looked {
        status: answer.status().as_u16(),
        index: header("holdfast-index")
            .and_then(|i| i.parse().ok())
            .unwrap_or(0),
        route: header("x-holdfast-route").unwrap_or_default(),
        session: header("x-holdfast-session"),
    }
}

async fn explain(gateway: &str, query: &str) -> Value {
    let url = format!("{gateway}/v1/route/explain?{query}");
    let answer = http_client().get(url).send().await.unwrap();
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

/// Asks until `holds` says yes; gives the last answer.
async fn until<F: Future<Output = T>, T>(
    mut ask: impl FnMut() -> F,
    holds: impl Fn(&T) -> bool,
) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let answer = ask().await;
        if holds(&answer) || tokio::time::Instant::now() >= deadline {
            return answer;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_outlives_its_regions_nodes() {
    let hall = GridShow::new("near", "eastus", 10, 12);
    // With the network's delays: where all regions are equally near, a choice stays where it is.
    let mut lab = Lab::start(LabOptions::wide(vec![hall])).await.unwrap();
    let (show, near, far) = (lab.show(0), lab.gateway(0), lab.gateway(2));
    let home = lab.region(0).to_string();
    let at_home = until(
        || look(&near, &show, None),
        |l| l.route.contains(&format!("served-by={home}")),
    )
    .await;
    assert_eq!(at_home.status, 200);
    assert!(
        at_home.route.contains(&format!("served-by={home}")),
        "{}",
        at_home.route
    );

    lab.cluster.kill("n1").await.unwrap();
    let buyer = lab.guest(0).await.unwrap();
    let looked = until(
        || look(&near, &show, None),
        |l| {
            l.status == 200
                && l.route.contains("served-by=")
                && !l.route.contains(&format!("served-by={home}"))
        },
    )
    .await;
    assert_eq!(looked.status, 200);
    assert!(
        !looked.route.contains(&format!("served-by={home}")),
        "{}",
        looked.route
    );
    // A map needs no leader, a hold does.
    let hold = insist(PATIENCE, || buyer.hold(&show, &["A-1-1"], "after")).await;
    assert_eq!(hold.status, 201, "{:?}", hold.body);

    let seen = look(&near, &show, None).await;
    let session = seen.session.expect("it has seen something");
    let elsewhere = look(&far, &show, Some(&session)).await;
    assert_eq!(elsewhere.status, 200);
    assert!(
        elsewhere.index >= seen.index,
        "{} < {}",
        elsewhere.index,
        seen.index
    );

    let about = format!("show={show}");
    // Both at once: while regions are looked at in turn, one may be left before it is called dead, or another miss a look.
    let dead = |e: &Value| {
        let all = e["serving"]["candidates"].as_array().unwrap().iter();
        let dead = all.filter(|candidate| candidate["health"] == "dead");
        dead.map(|candidate| candidate["region"].clone())
            .collect::<Vec<_>>()
    };
    let left = |e: &Value| e["serving"]["region"] != home.as_str() && dead(e) == [home.as_str()];
    let told = until(|| explain(&near, &about), left).await;
    assert!(left(&told), "{told}");

    lab.cluster.spawn("n1").unwrap();
    lab.cluster.wait_ready("n1", PATIENCE).await.unwrap();
    // Requests go home at once; new users only when the region has been well for a while. Where nobody answers in time, all are
    // tried with the nearest first: being led home counts only once home is well.
    let at_home = |e: &Value| ["serving", "entry"].map(|of| e[of]["region"] == home.as_str());
    let well = |e: &Value| e["serving"]["candidates"][0]["health"] == "commits";
    let back = until(
        || explain(&near, ""),
        |e| well(e) && at_home(e) == [true, true],
    )
    .await;
    assert!(well(&back) && at_home(&back) == [true, true], "{back}");

    lab.operate(NodeId::new(2), &format!("region evacuate {home}"))
        .await
        .unwrap();
    // The directory says so to both, and each looks there in its own time.
    let drained = until(|| explain(&near, ""), |e| at_home(e) == [false, false]).await;
    assert_eq!(at_home(&drained), [false, false], "{drained}");
    lab.stop().await;
}
