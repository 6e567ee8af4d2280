//! A host that stops with more replicas in memory than are stopped at a time.

use std::sync::Arc;

use holdfast_inventory::command::{Command, Entry, Envelope};
use holdfast_inventory::ids::{RequestId, ShowId};
use tempfile::TempDir;
use tokio::time::timeout;

use super::*;
use crate::directory::{DirectoryCommand, DirectoryOutcome, sample};
use crate::disk::faults::DiskFaults;
use crate::group::Role;
use crate::handles::ShowGroup;
use crate::host::env::lone::lone_host;

/// A bound against hanging; nothing here is timed.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(10);
const SHOWS: usize = 2 * STOPPING_MAX;

/// Creates the shows in one entry of the directory.
async fn create_shows(host: &Host) -> Vec<ShowId> {
    let voters = vec![host.node()];
    let show = |n: usize| DirectoryCommand::CreateShow {
        show: Box::new(sample::show(&format!("tides-{n}"), "r1")),
        leader_preference: voters.clone(),
        voters: voters.clone(),
        learners: Vec::new(),
    };
    let mut commands = vec![
        DirectoryCommand::ImportPlan(Box::new(sample::plan("harbour", 8))),
        DirectoryCommand::CreateEvent(sample::event()),
    ];
    commands.extend((0..SHOWS).map(show));
    let outcomes = loop {
        if let Ok((_, outcomes)) = host.directory().propose_all(&commands).await {
            break outcomes;
        }
        tokio::time::sleep(POLL).await;
    };
    let shows = outcomes.into_iter().filter_map(|outcome| match outcome {
        DirectoryOutcome::Show { show_id, .. } => Some(show_id),
        _ => None,
    });
    shows.collect()
}

/// Commits `command` once the show is here and led.
async fn commit(host: &Host, show: ShowId, request: RequestId, command: Command) -> ShowGroup {
    let entry = Entry {
        now_ms: 1,
        commands: vec![Envelope { request, command }],
    };
    loop {
        if let Ok(group) = host.open_show(show).await
            && group.propose(&entry).await.is_ok()
        {
            return group;
        }
        tokio::time::sleep(POLL).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_stopped_has_no_replica_that_runs_and_a_log_with_all_that_it_acknowledged() {
    let dir = TempDir::new().unwrap();
    let faults = Arc::<DiskFaults>::default();
    let host = lone_host(dir.path(), &faults).await;
    let created = timeout(PATIENCE, create_shows(&host)).await;
    let shows = created.expect("the directory is led");
    assert_eq!(shows.len(), SHOWS);
    for show in &shows {
        let (set_up, _) = host.directory().read(|d| d.show_set_up(*show));
        let command = Command::SetUpShow(Box::new(set_up.expect("it is known")));
        let request = RequestId::internal("set-up", show.get());
        let group = timeout(PATIENCE, commit(&host, *show, request, command)).await;
        let group = group.expect("the show is led");
        assert!(group.read(|state| state.is_set_up()).0);
    }

    let loaded = host.inner.table.all_loaded();
    assert!(loaded.len() > STOPPING_MAX, "{}", loaded.len());
    let stopped = timeout(PATIENCE, host.stop_at_once()).await;
    stopped.expect("it ends");
    for core in &loaded {
        assert_eq!(core.status().role, Role::Shutdown, "{}", core.group);
    }
    assert_eq!(host.inner.log.stats().queue_depth, 0);
    // A second call finds nothing left to stop.
    let again = timeout(PATIENCE, host.stop_at_once()).await;
    again.expect("it ends at once");
    drop((loaded, host));

    let host = lone_host(dir.path(), &faults).await;
    for show in shows {
        let request = RequestId::internal("tick", show.get());
        let led = timeout(PATIENCE, commit(&host, show, request, Command::Tick)).await;
        let group = led.expect("the show is led again");
        let (is_set_up, _) = group.read(|state| state.is_set_up());
        assert!(is_set_up, "{show} has lost what was acknowledged");
    }
    timeout(PATIENCE, host.shutdown()).await.expect("it ends");
}
