//! Buyers who never ask twice: what fails them is a failed request.
//!
//! Owns: six of them and what went wrong. Must never: repeat a request; the gateway's own retries are its business.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use holdfast_chaos::buyer::Buyer;
use holdfast_chaos::lab::Lab;
use tokio::task::JoinSet;
use tokio::time::Instant;

const PATIENCE: Duration = Duration::from_secs(60);

/// Buyers who hold and release a seat each, again and again, at these gateways in turn.
pub(crate) struct Rush {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    buyers: JoinSet<Vec<String>>,
}

impl Rush {
    pub(crate) async fn start(lab: &Lab, show: &str, gateways: &[usize]) -> Self {
        let (stop, done) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let mut buyers = JoinSet::new();
        for (number, gateway) in (0..6).zip(gateways.iter().cycle()) {
            let buyer = lab.guest(*gateway).await.unwrap();
            let seat = format!("A-{}-1", number + 1);
            let (show, stop, done) = (show.to_owned(), Arc::clone(&stop), Arc::clone(&done));
            buyers.spawn(async move {
                let mut failed = Vec::new();
                for round in 0_u64.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    match hold_and_release(&buyer, &show, &seat, round).await {
                        Ok(()) => _ = done.fetch_add(1, Ordering::Relaxed),
                        Err(what) => failed.push(format!("buyer {number}, round {round}: {what}")),
                    }
                }
                failed
            });
        }
        Self { stop, done, buyers }
    }

    /// Waits until `more` rounds more went well.
    pub(crate) async fn goes_on(&self, more: u64) {
        let enough = self.done.load(Ordering::Relaxed) + more;
        let until = Instant::now() + PATIENCE;
        while self.done.load(Ordering::Relaxed) < enough {
            assert!(Instant::now() < until, "the rush has come to a stop");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn end(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        let failed = self.buyers.join_all().await;
        failed.into_iter().flatten().collect()
    }
}

/// One request each: the gateway may try several times, the buyer does not.
async fn hold_and_release(buyer: &Buyer, show: &str, seat: &str, round: u64) -> Result<(), String> {
    let hold = buyer.hold(show, &[seat], &format!("hold-{round}")).await;
    if hold.status != 201 {
        return Err(format!("hold: {} {}", hold.status, hold.body));
    }
    let key = format!("release-{round}");
    let release = buyer.release(&hold.id(), &key).await;
    if release.status != 200 {
        return Err(format!("release: {} {}", release.status, release.body));
    }
    Ok(())
}
