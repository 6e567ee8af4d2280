//! A takeover that meets the leader itself.

use std::sync::Arc;

use holdfast_region_config::GroupId;
use tempfile::TempDir;

use super::*;
use crate::disk::faults::DiskFaults;
use crate::host::env::lone::lone_host;
use crate::types::Vote;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_refuses_a_takeover_until_it_has_asked_another_to_lead_in_its_term() {
    let dir = TempDir::new().unwrap();
    let host = lone_host(dir.path(), &Arc::<DiskFaults>::default()).await;
    let core = host.inner.table.loaded(GroupId::DIRECTORY).unwrap();
    let mut leadership = core.leadership.clone();
    let term = leadership.wait_for(|now| now.leads).await.unwrap().term;

    let takeover = VoteRequest::new(Vote::new(term + 1, 2), None);
    let refused = |standing| core.refusal(&takeover, standing).is_some();
    assert!(refused(Standing::Takeover), "it lives, and leads");
    assert!(!refused(Standing::Transfer), "its own wish");

    core.handing_over.store(term, Ordering::SeqCst);
    assert!(
        !refused(Standing::Takeover),
        "it may say nothing more, so nobody would lead"
    );
    core.handing_over.store(term - 1, Ordering::SeqCst);
    assert!(
        refused(Standing::Takeover),
        "what it asked in an earlier term is over"
    );
    host.shutdown().await;
}
