//! Real processes: one node and gateway binary per place of the topology, with files, ports and logs of their own.
//!
//! ```text
//! DATA_DIR/session.key              signs guest cookies, mode 0600, made once
//!          cluster.toml             the topology with real addresses: for tools on this machine
//!          config/topology-R.toml   the same as a process in region R dials it, or one process with links of its own
//!          config/faults-nN.toml    read by a node that was given a fault door
//!          config/NAME.toml         one per process: n1, n2, gateway-R
//!          nodes/n1/                a node's own directory
//!          logs/NAME.log            what the process wrote, over all its lives
//! ```
//!
//! Owns: every process it starts, to the end. Must never: signal a process that it did not start, or leave one behind.
//! A child has its own process group (a Ctrl-C in the terminal reaches only us) and a pipe on standard input that ends
//! when we do, however we end.

pub mod dns;
pub mod error;
mod files;
mod growth;
mod http;
mod member;
mod network;
pub mod ports;
pub mod process;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use holdfast_region_config::{NodeId, RegionId, Topology};
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub use error::ClusterError;
pub use member::{Kind, Member, gateway_name};
pub use process::Signal;

use self::dns::DnsServer;
use self::files::Files;
use self::member::{binary_name, members};
use self::network::{serve_control, start_wan};
pub use self::ports::Diallers;
use self::ports::Ports;
use self::process::Process;
use crate::wan::Wan;

/// How long a process may take to become ready.
pub const READY_TIMEOUT: Duration = Duration::from_secs(90);
/// How long a process may take to end after SIGTERM before it is killed.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(12);
/// Time between two looks at `/readyz`; a process has no other way to tell.
const READY_POLL: Duration = Duration::from_millis(50);

/// What to start.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// Regions, nodes and gateways; its addresses are replaced.
    pub topology: Topology,
    /// Whether ways between regions take their round trip. Without it all are as fast as loopback.
    pub wan: bool,
    /// Who has links of its own in that network.
    pub diallers: Diallers,
    /// Fixes what the network draws.
    pub seed: u64,
    /// Where everything durable goes; made when missing.
    pub data_dir: PathBuf,
    /// First of a run of fixed ports; `None` picks free ones. Order: see [`ports`].
    pub port_base: Option<u16>,
    /// Where `holdfast-node` and `holdfast-gateway` are.
    pub bin_dir: PathBuf,
    /// Where processes send traces, when anywhere.
    pub otlp_endpoint: Option<String>,
    /// Keys of the nodes' `[limits]` that differ from their defaults.
    pub node_limits: Vec<(&'static str, u32)>,
    /// The same for gateways.
    pub gateway_limits: Vec<(&'static str, u32)>,
    /// Whether nodes are started with a fault door, for faults of their disks and clocks.
    pub fault_doors: bool,
    /// Whether nodes write down the notices that they deliver and the money that moves, see [`Cluster::notices`] and
    /// [`Cluster::payments`].
    pub journals: bool,
    /// Whether gateways answer DNS.
    pub dns: bool,
    /// Nodes of the topology that the processes do not hear of and that are not started, until
    /// [`Cluster::name_nodes`] names them. A region whose nodes are all held back is held back itself.
    pub held_back: Vec<NodeId>,
}

/// A running cluster. Dropping it kills every process; [`Cluster::stop`] ends them politely.
#[derive(Debug)]
pub struct Cluster {
    options: ClusterOptions,
    /// Every place there is, with the real addresses.
    places: Topology,
    /// What the processes are told: all of it but the nodes held back.
    topology: Topology,
    members: BTreeMap<String, Member>,
    wan: Option<Wan>,
    control: SocketAddr,
    control_task: Option<JoinHandle<()>>,
    dns: Vec<DnsServer>,
    http: reqwest::Client,
    files: Files,
    /// Members that run other binaries than the cluster's.
    bin_dirs: BTreeMap<String, PathBuf>,
}

impl Cluster {
    /// Writes the files, starts the network and every process. They are not ready yet: see [`Cluster::wait_ready`].
    /// Needs a Tokio runtime.
    ///
    /// # Errors
    /// A taken port, a missing binary, a data dir in use or of another cluster, a process that cannot be started.
    pub fn start(options: ClusterOptions) -> Result<Self, ClusterError> {
        let binaries = [Kind::Node(NodeId::default()), Kind::Gateway].map(binary_name);
        for binary in binaries {
            let path = options.bin_dir.join(binary);
            if !path.is_file() {
                return Err(ClusterError::MissingBinary { path });
            }
        }
        let files = Files::open(&options.data_dir, &options.topology)?;
        let mut ports = Ports::reserve(
            &options.topology,
            options.wan.then_some(options.diallers),
            options.port_base,
        )?;
        let places = options.topology.with_addrs(
            |node| ports.node_grpc(node.id).to_string(),
            |gateway| ports.gateway(&gateway.region).to_string(),
        )?;
        let wan = if options.wan {
            Some(start_wan(&places, &mut ports, &options)?)
        } else {
            None
        };
        let topology = places.with_nodes(|node| !options.held_back.contains(&node))?;
        files.write_configs(&places, &ports, &options)?;
        files.write_topologies(&places, &topology, wan.as_ref(), &options)?;
        let control = ports.control();
        let control_task = match &wan {
            Some(wan) => Some(serve_control(wan.clone(), &mut ports)?),
            None => None,
        };
        let members = members(&places, &ports, &files);
        let dns = dns::servers(&places, &ports, &options);
        let http = http::client();
        let mut cluster = Self {
            options,
            places,
            topology,
            members,
            wan,
            control,
            control_task,
            dns,
            http,
            files,
            bin_dirs: BTreeMap::new(),
        };
        // The last listeners that kept the ports for the children close here.
        drop(ports);
        for name in cluster.names() {
            cluster.spawn(&name)?;
        }
        Ok(cluster)
    }

    /// Names of all members: nodes first, in id order, then gateways in region order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let nodes = self.topology.nodes.iter().map(|node| node.id.to_string());
        nodes
            .chain(self.topology.regions.iter().map(|r| gateway_name(&r.id)))
            .collect()
    }

    /// The topology with the addresses at which this machine's tools reach everything directly.
    #[must_use]
    pub const fn topology(&self) -> &Topology {
        &self.topology
    }

    /// A member by name.
    ///
    /// # Errors
    /// [`ClusterError::UnknownMember`].
    pub fn member(&self, name: &str) -> Result<&Member, ClusterError> {
        let unknown = || ClusterError::UnknownMember {
            name: name.to_owned(),
        };
        self.members.get(name).ok_or_else(unknown)
    }

    /// The members of a region: nodes, then the gateway.
    #[must_use]
    pub fn names_in(&self, region: &RegionId) -> Vec<String> {
        let here = |name: &String| self.members.get(name).is_some_and(|m| m.region == *region);
        self.names().into_iter().filter(here).collect()
    }

    /// `http://host:port` of a region's gateway.
    ///
    /// # Errors
    /// [`ClusterError::UnknownMember`].
    pub fn gateway_url(&self, region: &RegionId) -> Result<String, ClusterError> {
        Ok(format!(
            "http://{}",
            self.member(&gateway_name(region))?.http
        ))
    }

    /// The network between the regions; `None` when it is not emulated.
    #[must_use]
    pub const fn wan(&self) -> Option<&Wan> {
        self.wan.as_ref()
    }

    /// The network's control API, when there is a network.
    #[must_use]
    pub fn control_url(&self) -> Option<String> {
        self.wan
            .as_ref()
            .map(|_| format!("http://{}", self.control))
    }

    /// The directory that everything durable is in.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.options.data_dir
    }

    /// Where the binaries are.
    #[must_use]
    pub fn bin_dir(&self) -> &Path {
        &self.options.bin_dir
    }

    /// A node's own directory.
    #[must_use]
    pub fn node_dir(&self, id: NodeId) -> PathBuf {
        self.files.node_dir(id)
    }

    /// The file of the notices that a node has delivered, one JSON object a line.
    #[must_use]
    pub fn notices(&self, id: NodeId) -> PathBuf {
        self.files.notices(id)
    }

    /// The file of what the payment provider said yes to when a node asked it, one JSON object a line.
    #[must_use]
    pub fn payments(&self, id: NodeId) -> PathBuf {
        self.files.payments(id)
    }

    /// Starts a member that does not run, with the files and ports that it had.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn spawn(&mut self, name: &str) -> Result<(), ClusterError> {
        let bin_dir = self.bin_dirs.get(name).unwrap_or(&self.options.bin_dir);
        let binary = bin_dir.join(binary_name(self.member(name)?.kind));
        let door = match self.member(name)?.kind {
            // Binaries of another release may not know it.
            Kind::Node(_) if self.bin_dirs.contains_key(name) => None,
            Kind::Node(id) => self.fault_door(id),
            Kind::Gateway => None,
        };
        let member = self.member_mut(name)?;
        let process = Process::spawn(&binary, &member.config, door.as_deref(), &member.log)?;
        member.process = Some(process);
        Ok(())
    }

    /// Whether a member was started and has not been ended by us. One that died by itself counts until somebody looks.
    ///
    /// # Errors
    /// When the name is unknown.
    pub fn is_running(&self, name: &str) -> Result<bool, ClusterError> {
        Ok(self.member(name)?.process.is_some())
    }

    /// The file that a node's fault door reads; `None` when nodes have none.
    #[must_use]
    pub fn fault_door(&self, id: NodeId) -> Option<PathBuf> {
        let has = self.options.fault_doors;
        has.then(|| self.files.fault_door(id))
    }

    /// From the next start on a member runs the binary of this directory; `None`: that of the cluster again.
    ///
    /// # Errors
    /// [`ClusterError::UnknownMember`], [`ClusterError::MissingBinary`].
    pub fn set_bin_dir(&mut self, name: &str, dir: Option<&Path>) -> Result<(), ClusterError> {
        let binary = binary_name(self.member(name)?.kind);
        match dir {
            None => {
                self.bin_dirs.remove(name);
            }
            Some(dir) => {
                let path = dir.join(binary);
                if !path.is_file() {
                    return Err(ClusterError::MissingBinary { path });
                }
                self.bin_dirs.insert(name.to_owned(), dir.to_owned());
            }
        }
        Ok(())
    }

    /// Whether every process has links of its own, so that one can be cut off.
    #[must_use]
    pub fn has_links_of_processes(&self) -> bool {
        self.wan.is_some() && self.options.diallers == Diallers::Processes
    }

    /// The command that starts a member by hand, with the files and ports that it has.
    ///
    /// # Errors
    /// When the name is unknown.
    pub fn start_command(&self, name: &str) -> Result<String, ClusterError> {
        let member = self.member(name)?;
        let binary = self.options.bin_dir.join(binary_name(member.kind));
        Ok(format!(
            "{} --config {}",
            binary.display(),
            member.config.display()
        ))
    }

    /// Waits until a member says that it is ready.
    ///
    /// # Errors
    /// [`ClusterError::Died`] at once when it dies, [`ClusterError::NotReady`] after `patience`.
    pub async fn wait_ready(&mut self, name: &str, patience: Duration) -> Result<(), ClusterError> {
        let until = Instant::now() + patience;
        let url = format!("http://{}/readyz", self.member(name)?.http);
        loop {
            self.check_alive(name)?;
            let answer = http::status_line(&self.http, &url).await;
            if answer.as_deref() == Ok("200") {
                return Ok(());
            }
            if Instant::now() >= until {
                let answer = answer.unwrap_or_else(|error| error);
                let log = process::last_lines(&self.member(name)?.log);
                return Err(ClusterError::NotReady {
                    name: name.to_owned(),
                    answer,
                    log,
                });
            }
            tokio::time::sleep(READY_POLL).await;
        }
    }

    /// Waits until all members are ready; `done` is told each one's name.
    ///
    /// # Errors
    /// As [`Cluster::wait_ready`].
    pub async fn wait_all_ready(&mut self, mut done: impl FnMut(&str)) -> Result<(), ClusterError> {
        let until = Instant::now() + READY_TIMEOUT;
        for name in self.names() {
            self.wait_ready(&name, until.saturating_duration_since(Instant::now()))
                .await?;
            done(&name);
        }
        Ok(())
    }

    /// Says which member died by itself, if any did.
    ///
    /// # Errors
    /// [`ClusterError::Died`] with its status and last words.
    pub fn check_all_alive(&mut self) -> Result<(), ClusterError> {
        self.names()
            .iter()
            .try_for_each(|name| self.check_alive(name))
    }

    fn check_alive(&mut self, name: &str) -> Result<(), ClusterError> {
        let member = self.member_mut(name)?;
        let Some(status) = member.process.as_mut().and_then(Process::ended) else {
            return Ok(());
        };
        member.process = None;
        let log = process::last_lines(&member.log);
        Err(ClusterError::Died {
            name: name.to_owned(),
            status,
            log,
        })
    }

    /// Kills a member as a power cut would (SIGKILL) and waits until it is gone.
    ///
    /// # Errors
    /// When the name is unknown.
    pub async fn kill(&mut self, name: &str) -> Result<(), ClusterError> {
        if let Some(process) = self.member_mut(name)?.process.take() {
            process.kill().await;
        }
        Ok(())
    }

    /// Kills all members of a region at once.
    ///
    /// # Errors
    /// When the region has none.
    pub async fn kill_region(&mut self, region: &RegionId) -> Result<(), ClusterError> {
        let names = self.names_in(region);
        // Signal all before waiting for any: a region goes at once.
        for name in &names {
            self.signal(name, Signal::Kill)?;
        }
        for name in &names {
            self.kill(name).await?;
        }
        Ok(())
    }

    /// Sends a signal to a member that runs; nothing happens to one that does not.
    ///
    /// # Errors
    /// When the name is unknown.
    pub fn signal(&self, name: &str, signal: Signal) -> Result<(), ClusterError> {
        if let Some(process) = &self.member(name)?.process {
            process.signal(signal);
        }
        Ok(())
    }

    /// Asks a member to end (SIGTERM), kills it when it does not, and waits until it is gone.
    ///
    /// # Errors
    /// When the name is unknown.
    pub async fn terminate(&mut self, name: &str) -> Result<(), ClusterError> {
        if let Some(process) = self.member_mut(name)?.process.take() {
            process.signal(Signal::Terminate);
            process.wait_or_kill(STOP_TIMEOUT).await;
        }
        Ok(())
    }

    /// Ends everything: gateways first, so that no user is left with half an answer, then all nodes together.
    pub async fn stop(&mut self) {
        for (gateways_only, timeout) in [(true, STOP_TIMEOUT), (false, STOP_TIMEOUT)] {
            let chosen = |member: &&mut Member| !gateways_only || member.kind == Kind::Gateway;
            let ending: Vec<Process> = self
                .members
                .values_mut()
                .filter(chosen)
                .filter_map(|member| member.process.take())
                .collect();
            for process in &ending {
                process.signal(Signal::Continue);
                process.signal(Signal::Terminate);
            }
            let until = Instant::now() + timeout;
            for process in ending {
                process
                    .wait_or_kill(until.saturating_duration_since(Instant::now()))
                    .await;
            }
        }
        if let Some(wan) = self.wan.take() {
            wan.shut_down().await;
        }
    }

    fn member_mut(&mut self, name: &str) -> Result<&mut Member, ClusterError> {
        let unknown = || ClusterError::UnknownMember {
            name: name.to_owned(),
        };
        self.members.get_mut(name).ok_or_else(unknown)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(task) = &self.control_task {
            task.abort();
        }
    }
}
