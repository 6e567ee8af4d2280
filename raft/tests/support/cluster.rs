//! A cluster of three hosts for tests: own directories, own ports, stopped and started one by one.
#![allow(dead_code, reason = "each test file uses its part of it")]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_inventory::command::{Command, Entry, Envelope, PlaceHold, Wanted};
use holdfast_inventory::ids::{BuyerId, HoldId, RequestId, RequestKey, SeatNo, ShowId};
use holdfast_inventory::outcome::Outcome;
use holdfast_inventory::show::{SaleRules, SingleSeatRule};
use holdfast_raft::directory::{DirectoryCommand, DirectoryOutcome, NewEvent, NewPlan, NewShow};
use holdfast_raft::{
    DiskFaults, Host, HostOptions, IdleOptions, ShowGroup, SnapshotOptions, SystemClock,
};
use holdfast_region_config::{NodeId, Topology};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

#[path = "../../src/directory/sample.rs"]
mod sample;

const NODES: usize = 3;
/// Elections here take one to two seconds; a machine that is busy with other tests may take several times that.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const POLL: Duration = Duration::from_millis(20);

struct Running {
    host: Host,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

pub(crate) struct Cluster {
    dirs: Vec<tempfile::TempDir>,
    addrs: Vec<SocketAddr>,
    topology: Arc<Topology>,
    running: Vec<Option<Running>>,
    idle: IdleOptions,
    regions: Vec<usize>,
    replace_after: Duration,
    /// Trouble of each node's disk: none, until a test says so.
    pub(crate) disks: Vec<Arc<DiskFaults>>,
}

/// One node for each entry of `regions`, which are numbered from 1.
fn topology(addrs: &[SocketAddr], regions: &[usize]) -> Topology {
    let mut text = "cluster = \"test\"\n".to_owned();
    let all: BTreeSet<usize> = regions.iter().copied().collect();
    for region in &all {
        text += &format!(
            "[[region]]\nid = \"r{region}\"\nname = \"r{region}\"\nlat = 0.0\nlon = 0.0\n"
        );
    }
    for (n, (addr, region)) in addrs.iter().zip(regions).enumerate() {
        let id = n + 1;
        text += &format!("[[node]]\nid = {id}\nregion = \"r{region}\"\naddr = \"{addr}\"\n");
    }
    text += "[rtt]\nsource = \"one machine\"\nlocal_ms = 1.0\n";
    for from in &all {
        text += &format!("[rtt.ms.r{from}]\n");
        for to in all.iter().filter(|to| *to != from) {
            text += &format!("r{to} = 1.0\n");
        }
    }
    Topology::parse(&text).unwrap_or_else(|e| panic!("{e:?}\n{text}"))
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        Self::start_with(IdleOptions::default()).await
    }

    pub(crate) async fn start_with(idle: IdleOptions) -> Self {
        Self::start_in(&[1, 2, 3], NODES, idle, Duration::ZERO).await
    }

    /// A topology with one node for each entry of `regions`, of which the first `running` are started and know of no more.
    pub(crate) async fn start_in(
        regions: &[usize],
        running: usize,
        idle: IdleOptions,
        replace_after: Duration,
    ) -> Self {
        let mut listeners = Vec::new();
        for _ in regions {
            listeners.push(TcpListener::bind("127.0.0.1:0").await.expect("a free port"));
        }
        let addrs: Vec<_> = listeners
            .iter()
            .map(|l| l.local_addr().expect("bound"))
            .collect();
        let mut cluster = Self {
            dirs: regions
                .iter()
                .map(|_| tempfile::tempdir().expect("a directory"))
                .collect(),
            topology: Arc::new(topology(&addrs[..running], &regions[..running])),
            regions: regions.to_vec(),
            addrs,
            running: regions.iter().map(|_| None).collect(),
            idle,
            replace_after,
            disks: regions.iter().map(|_| Arc::default()).collect(),
        };
        for (n, listener) in listeners.into_iter().enumerate().take(running) {
            cluster.run(n, listener).await;
        }
        cluster
    }

    async fn run(&mut self, n: usize, listener: TcpListener) {
        let options = || HostOptions {
            node: self.node_id(n),
            topology: Arc::clone(&self.topology),
            data_dir: self.dir(n),
            snapshots: SnapshotOptions {
                every_entries: 100,
                keep_entries: 20,
            },
            idle: self.idle,
            replace_after: self.replace_after,
            disk_reserve_bytes: holdfast_raft::DISK_RESERVE_BYTES_DEFAULT,
        };
        let deadline = Instant::now() + PATIENCE;
        let host = loop {
            let disk = Some(Arc::clone(&self.disks[n]));
            match Host::start_with(options(), Arc::new(SystemClock), disk).await {
                Ok(host) => break host,
                // In one process what still waits for a lost peer holds the directory for seconds; the end of a process frees it.
                Err(e) => assert!(Instant::now() < deadline, "the host starts: {e}"),
            }
            tokio::time::sleep(POLL).await;
        };
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let router = tonic::transport::Server::builder().add_routes(host.peer_service());
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        let server = tokio::spawn(async move {
            router
                .serve_with_incoming_shutdown(incoming, stopped)
                .await
                .expect("serves");
        });
        self.running[n] = Some(Running { host, stop, server });
    }

    /// The first `count` nodes are in the topology now; those that run read it again.
    pub(crate) fn widen(&mut self, count: usize) {
        let wider = topology(&self.addrs[..count], &self.regions[..count]);
        self.topology = Arc::new(wider);
        for running in self.running.iter().flatten() {
            let topology = Arc::clone(&self.topology);
            running.host.reload_topology(topology).expect("it is wider");
        }
    }

    fn dir(&self, n: usize) -> PathBuf {
        self.dirs[n].path().join("node")
    }

    pub(crate) fn node_id(&self, n: usize) -> NodeId {
        NodeId::new(n as u64 + 1)
    }

    pub(crate) fn host(&self, n: usize) -> &Host {
        &self.running[n].as_ref().expect("the node runs").host
    }

    /// Any host that runs.
    pub(crate) fn running_host(&self) -> &Host {
        let mut running = self.running.iter().flatten();
        &running.next().expect("a node runs").host
    }

    pub(crate) async fn stop(&mut self, n: usize) {
        let running = self.running[n].take().expect("the node runs");
        running.stop.cancel();
        running.host.shutdown().await;
        running.server.abort();
        drop(running.host);
    }

    /// Takes a node away without a word to the others.
    pub(crate) async fn kill(&mut self, n: usize) {
        let running = self.running[n].take().expect("the node runs");
        running.server.abort();
        running.host.stop_at_once().await;
    }

    /// Waits until `is_so` for every running host.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(&Host) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !self.running.iter().flatten().all(|r| is_so(&r.host)) {
            assert!(Instant::now() < deadline, "in vain: {what}{}", self.seen());
            tokio::time::sleep(POLL).await;
        }
    }

    /// What every running host says of the directory, for who waits in vain.
    fn seen(&self) -> String {
        let hosts = self.running.iter().flatten();
        hosts
            .map(|r| format!("\n{:?}", r.host.directory().status()))
            .collect()
    }

    /// Which running node claims the show by the word of every running node; opens nothing.
    pub(crate) async fn claimed_leader(&self, show: ShowId) -> usize {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let claims: Vec<Option<NodeId>> = self
                .running
                .iter()
                .flatten()
                .map(|r| {
                    let mut all = r.host.replicas().into_iter();
                    all.find(|replica| replica.group.get() == show.get() && replica.leader_alive)
                        .and_then(|replica| replica.leader)
                })
                .collect();
            if let Some(leader) = claims[0]
                && claims.iter().all(|claim| *claim == Some(leader))
            {
                let leader = usize::try_from(leader.get()).expect("small") - 1;
                // A node that was killed just now is still believed alive.
                if self.running[leader].is_some() {
                    return leader;
                }
            }
            assert!(
                Instant::now() < deadline,
                "{show} has no leader: {claims:?}"
            );
            tokio::time::sleep(POLL).await;
        }
    }

    pub(crate) async fn restart(&mut self, n: usize) {
        let deadline = Instant::now() + PATIENCE;
        let listener = loop {
            match TcpListener::bind(self.addrs[n]).await {
                Ok(listener) => break listener,
                Err(e) if Instant::now() > deadline => panic!("port is not free again: {e}"),
                Err(_) => tokio::time::sleep(POLL).await,
            }
        };
        self.run(n, listener).await;
    }

    pub(crate) async fn shutdown(mut self) {
        for n in 0..self.running.len() {
            if self.running[n].is_some() {
                self.stop(n).await;
            }
        }
    }

    pub(crate) async fn directory(&self, command: DirectoryCommand) -> DirectoryOutcome {
        let outcomes = self.directory_all(&[command]).await;
        outcomes.into_iter().next().expect("one outcome a command")
    }

    /// Commits the commands as one entry.
    async fn directory_all(&self, commands: &[DirectoryCommand]) -> Vec<DirectoryOutcome> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            for running in self.running.iter().flatten() {
                let directory = running.host.directory();
                if !directory.leadership().borrow().leads {
                    continue;
                }
                if let Ok((_, outcomes)) = directory.propose_all(commands).await {
                    return outcomes;
                }
            }
            assert!(Instant::now() < deadline, "the directory has no leader");
            tokio::time::sleep(POLL).await;
        }
    }

    pub(crate) async fn create_show_outcome(&self, show: NewShow) -> DirectoryOutcome {
        self.directory(DirectoryCommand::ImportPlan(Box::new(sample::plan(
            "harbour", 8,
        ))))
        .await;
        self.directory(DirectoryCommand::CreateEvent(sample::event()))
            .await;
        self.directory(self.creation_of(show)).await
    }

    fn creation_of(&self, show: NewShow) -> DirectoryCommand {
        let nodes = NODES.min(self.topology.nodes.len());
        let voters: Vec<NodeId> = (0..nodes).map(|n| self.node_id(n)).collect();
        DirectoryCommand::CreateShow {
            show: Box::new(show),
            leader_preference: voters.clone(),
            voters,
            learners: Vec::new(),
        }
    }

    /// Creates many shows at once, in the order of their slugs.
    pub(crate) async fn create_shows(&self, slugs: &[String]) -> Vec<ShowId> {
        let mut commands = vec![
            DirectoryCommand::ImportPlan(Box::new(sample::plan("harbour", 8))),
            DirectoryCommand::CreateEvent(sample::event()),
        ];
        let shows = slugs.iter().map(|slug| harbour_show(slug));
        commands.extend(shows.map(|show| self.creation_of(show)));
        let outcomes = self.directory_all(&commands).await;
        let shows = outcomes.into_iter().filter_map(|outcome| match outcome {
            DirectoryOutcome::Show { show_id, .. } => Some(show_id),
            _ => None,
        });
        shows.collect()
    }

    pub(crate) async fn create_show(&self, show: NewShow) -> ShowId {
        match self.create_show_outcome(show).await {
            DirectoryOutcome::Show { show_id, .. } => show_id,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn group(&self, n: usize, show: ShowId) -> ShowGroup {
        let opened = async {
            loop {
                // The directory may not have told this node of the show yet.
                match self.host(n).open_show(show).await {
                    Ok(group) => return group,
                    Err(_) => tokio::time::sleep(POLL).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, opened)
            .await
            .expect("the group opens")
    }

    /// Which running node leads the show; waits for one.
    pub(crate) async fn show_leader(&self, show: ShowId) -> usize {
        let deadline = Instant::now() + PATIENCE;
        loop {
            for (n, running) in self.running.iter().enumerate() {
                let group = running.as_ref().and_then(|r| r.host.loaded_show(show));
                if group.is_some_and(|g| g.leadership().borrow().leads && g.has_lease()) {
                    return n;
                }
            }
            assert!(Instant::now() < deadline, "{show} has no leader");
            tokio::time::sleep(POLL).await;
        }
    }

    pub(crate) async fn set_up(&self, leader: usize, show: ShowId) {
        let (set_up, _) = self.host(leader).directory().read(|d| d.show_set_up(show));
        let command = Command::SetUpShow(Box::new(set_up.expect("the show is known")));
        let request = RequestId::internal("set-up", 1);
        let entry = Entry {
            now_ms: 1,
            commands: vec![Envelope { request, command }],
        };
        let (_, outcome) = self.propose(leader, show, entry).await;
        assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    }

    /// A show that is being sold, and which node leads it.
    pub(crate) async fn on_sale(&self, slug: &str) -> (ShowId, usize) {
        let show = self.create_show(harbour_show(slug)).await;
        let leader = self.show_leader(show).await;
        self.set_up(leader, show).await;
        (show, leader)
    }

    pub(crate) async fn state_hash(&self, n: usize, show: ShowId) -> u64 {
        let group = self.group(n, show).await;
        group.read(|state| state.state_hash()).0
    }

    /// Proposes at `leader`, or at who has taken over meanwhile: on a busy machine a node may fall silent at any time. Answers
    /// the index and the last command's outcome.
    pub(crate) async fn propose(
        &self,
        mut leader: usize,
        show: ShowId,
        entry: Entry,
    ) -> (u64, Outcome) {
        let deadline = Instant::now() + PATIENCE;
        let committed = loop {
            let group = self.group(leader, show).await;
            match group.propose(&entry).await {
                Ok(committed) => break committed,
                Err(error) => {
                    let again = error.is_retryable() && !error.maybe_happened();
                    assert!(again && Instant::now() < deadline, "{error:?}");
                }
            }
            tokio::time::sleep(POLL).await;
            leader = self.claimed_leader(show).await;
        };
        let last = committed.outcomes.last().expect("one outcome a command");
        (committed.index, last.clone())
    }
}

pub(crate) fn harbour_show(slug: &str) -> NewShow {
    NewShow {
        rules: SaleRules {
            single_seat: SingleSeatRule::Off,
            ..SaleRules::default()
        },
        ..sample::show(slug, "r1")
    }
}

fn request(buyer: u8, key: &str) -> RequestId {
    RequestId {
        caller: BuyerId([buyer; 16]),
        key: RequestKey::from_text(key),
    }
}

fn place(seat: u32) -> Command {
    Command::PlaceHold(PlaceHold {
        what: Wanted::Named(vec![SeatNo(seat)]),
        ttl_ms: 0,
    })
}

pub(crate) fn hold_seat(buyer: u8, key: &str, seat: u32) -> Entry {
    Entry {
        now_ms: 2,
        commands: vec![Envelope {
            request: request(buyer, key),
            command: place(seat),
        }],
    }
}

/// One hold and its release, so that a log can grow without the hall filling up.
pub(crate) fn hold_and_release(round: u64, seat: u32) -> Entry {
    let hold = Envelope {
        request: request(9, &format!("hold {round}")),
        command: place(seat),
    };
    let release = Envelope {
        request: request(9, &format!("release {round}")),
        command: Command::ReleaseHold {
            hold: HoldId(round + 1),
        },
    };
    Entry {
        now_ms: 2,
        commands: vec![hold, release],
    }
}
