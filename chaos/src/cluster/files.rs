//! Files of a cluster: configurations, topologies, the session key, the lock.
//!
//! Owns: the layout of the data dir. Must never: overwrite the session key, or a node's own directory.

use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use holdfast_region_config::{NodeId, RegionId, Topology};
use rand::Rng;

use super::error::ClusterError;
use super::ports::{Diallers, Ports};
use super::{ClusterOptions, dns, gateway_name};
use crate::wan::Wan;

/// The data dir of a running cluster.
#[derive(Debug)]
pub(crate) struct Files {
    root: PathBuf,
    /// Held while the cluster runs: two clusters on one directory would be two owners of one seat.
    _lock: File,
}

fn at(path: &Path) -> impl FnOnce(std::io::Error) -> ClusterError + '_ {
    |source| ClusterError::File {
        path: path.to_owned(),
        source,
    }
}

impl Files {
    /// Makes the directory if need be and locks it.
    pub(crate) fn open(root: &Path, topology: &Topology) -> Result<Self, ClusterError> {
        let folders = ["config", "logs", "nodes", "notices", "payments"];
        for folder in folders.map(|name| root.join(name)) {
            fs::create_dir_all(&folder).map_err(at(&folder))?;
        }
        // Children find their files from wherever they stand.
        let root = root.canonicalize().map_err(at(root))?;
        let path = root.join("cluster.lock");
        let lock = File::create(&path).map_err(at(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(ClusterError::InUse { path: root }),
            Err(TryLockError::Error(source)) => return Err(ClusterError::File { path, source }),
        }
        let files = Self { root, _lock: lock };
        files.check_shape(topology)?;
        files.make_session_key()?;
        Ok(files)
    }

    pub(crate) fn config(&self, name: &str) -> PathBuf {
        self.root.join("config").join(format!("{name}.toml"))
    }

    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.root.join("logs").join(format!("{name}.log"))
    }

    pub(crate) fn node_dir(&self, id: NodeId) -> PathBuf {
        self.root.join("nodes").join(id.to_string())
    }

    /// Where a node writes the notices that it delivers. Not in its directory: what was delivered outlives the node's disk.
    pub(crate) fn notices(&self, id: NodeId) -> PathBuf {
        self.root.join("notices").join(format!("{id}.jsonl"))
    }

    /// Where a node writes what the payment provider said yes to. Not in its directory, for the same reason.
    pub(crate) fn payments(&self, id: NodeId) -> PathBuf {
        self.root.join("payments").join(format!("{id}.jsonl"))
    }

    fn topology(&self, dialler: &str) -> PathBuf {
        self.root
            .join("config")
            .join(format!("topology-{dialler}.toml"))
    }

    /// What a node's fault door reads.
    pub(crate) fn fault_door(&self, id: NodeId) -> PathBuf {
        self.root.join("config").join(format!("faults-{id}.toml"))
    }

    fn session_key(&self) -> PathBuf {
        self.root.join("session.key")
    }

    /// Writes `topology` as every place of `places` sees it.
    pub(crate) fn write_topologies(
        &self,
        places: &Topology,
        topology: &Topology,
        wan: Option<&Wan>,
        options: &ClusterOptions,
    ) -> Result<(), ClusterError> {
        self.write(&self.root.join("cluster.toml"), &topology.to_toml())?;
        let gateways = places.regions.iter();
        let gateways = gateways.map(|region| (&region.id, gateway_name(&region.id)));
        let nodes = places.nodes.iter();
        let nodes = nodes.map(|node| (&node.region, node.id.to_string()));
        for (region, name) in gateways.chain(nodes) {
            let dialler = dialler(region, &name, options);
            let seen = seen_from(dialler, topology, wan)?;
            self.write(&self.topology(dialler), &seen.to_toml())?;
        }
        Ok(())
    }

    /// Writes the configuration of every process that `topology` has a place for.
    pub(crate) fn write_configs(
        &self,
        topology: &Topology,
        ports: &Ports,
        options: &ClusterOptions,
    ) -> Result<(), ClusterError> {
        let otlp_endpoint = options.otlp_endpoint.as_deref();
        for region in &topology.regions {
            let name = gateway_name(&region.id);
            let seen = self.topology(dialler(&region.id, &name, options));
            let mut config = toml::Table::new();
            config.insert("region".to_owned(), region.id.as_str().into());
            config.insert(
                "http_listen".to_owned(),
                ports.gateway(&region.id).to_string().into(),
            );
            config.insert("topology".to_owned(), text(&seen));
            config.insert("session_key_file".to_owned(), text(&self.session_key()));
            dns::configure(&mut config, topology, &region.id, ports, options);
            limit(&mut config, &options.gateway_limits);
            self.write_config(&name, config, otlp_endpoint)?;
        }
        for node in &topology.nodes {
            let name = node.id.to_string();
            let seen = self.topology(dialler(&node.region, &name, options));
            let mut config = toml::Table::new();
            let number = i64::try_from(node.id.get()).unwrap_or(i64::MAX);
            config.insert("node_id".to_owned(), number.into());
            config.insert("data_dir".to_owned(), text(&self.node_dir(node.id)));
            config.insert(
                "grpc_listen".to_owned(),
                ports.node_grpc(node.id).to_string().into(),
            );
            config.insert(
                "http_listen".to_owned(),
                ports.node_http(node.id).to_string().into(),
            );
            config.insert("topology".to_owned(), text(&seen));
            if options.journals {
                config.insert("notices_journal".to_owned(), text(&self.notices(node.id)));
                config.insert("payments_journal".to_owned(), text(&self.payments(node.id)));
            }
            config.insert(
                "worker_threads".to_owned(),
                fair_share(topology.nodes.len()).into(),
            );
            limit(&mut config, &options.node_limits);
            self.write_config(&name, config, otlp_endpoint)?;
        }
        Ok(())
    }

    fn write_config(
        &self,
        name: &str,
        mut config: toml::Table,
        otlp_endpoint: Option<&str>,
    ) -> Result<(), ClusterError> {
        if let Some(endpoint) = otlp_endpoint {
            let telemetry = toml::Table::from_iter([("otlp_endpoint".to_owned(), endpoint.into())]);
            config.insert("telemetry".to_owned(), toml::Value::Table(telemetry));
        }
        self.write(&self.config(name), &config.to_string())
    }

    #[expect(
        clippy::unused_self,
        reason = "files are written only by the holder of the lock"
    )]
    fn write(&self, path: &Path, content: &str) -> Result<(), ClusterError> {
        fs::write(path, content).map_err(at(path))
    }

    /// A node's directory belongs to a node of one region. Started as another it would be refused late and obscurely.
    fn check_shape(&self, topology: &Topology) -> Result<(), ClusterError> {
        let now = shape(topology);
        let path = self.root.join("shape");
        match fs::read_to_string(&path) {
            Ok(before) if before.trim() == now => Ok(()),
            Ok(before) => Err(ClusterError::OtherCluster {
                path: self.root.clone(),
                before: before.trim().to_owned(),
                now,
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => self.write(&path, &now),
            Err(source) => Err(ClusterError::File { path, source }),
        }
    }

    /// 32 random bytes as hexadecimal digits, readable by the owner alone.
    fn make_session_key(&self) -> Result<(), ClusterError> {
        let path = self.session_key();
        let made = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        match made {
            Ok(mut file) => {
                #[expect(clippy::disallowed_methods, reason = "a secret must not be repeatable")]
                let key: [u8; 32] = rand::rng().random();
                let digits: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
                file.write_all(digits.as_bytes()).map_err(at(&path))
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            Err(source) => Err(ClusterError::File { path, source }),
        }
    }
}

/// Sets keys of `[limits]`.
fn limit(config: &mut toml::Table, limits: &[(&'static str, u32)]) {
    if limits.is_empty() {
        return;
    }
    let limits = limits.iter();
    let limits = limits.map(|(key, value)| ((*key).to_owned(), i64::from(*value).into()));
    config.insert("limits".to_owned(), toml::Value::Table(limits.collect()));
}

/// In whose name a process has its file of addresses.
fn dialler<'a>(region: &'a RegionId, process: &'a str, options: &ClusterOptions) -> &'a str {
    match options.diallers {
        Diallers::Regions => region.as_str(),
        Diallers::Processes => process,
    }
}

/// Threads of each of `nodes` that share this machine: more threads than cores only pass work to each other.
fn fair_share(nodes: usize) -> i64 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    i64::try_from(cores.div_ceil(nodes.max(1))).unwrap_or(1)
}

/// The topology as `dialler` dials it: servers that it has links to through the network.
fn seen_from(
    dialler: &str,
    topology: &Topology,
    wan: Option<&Wan>,
) -> Result<Topology, ClusterError> {
    let through = |server: &str, direct: &str| {
        let link = wan.and_then(|wan| wan.address(dialler, server));
        link.map_or_else(|| direct.to_owned(), |addr| addr.to_string())
    };
    Ok(topology.with_addrs(
        |node| through(&node.id.to_string(), &node.addr),
        |gateway| through(&gateway_name(&gateway.region), &gateway.addr),
    )?)
}

fn shape(topology: &Topology) -> String {
    let nodes = topology
        .nodes
        .iter()
        .map(|node| format!("{} in {}", node.id, node.region));
    nodes.collect::<Vec<_>>().join(", ")
}

fn text(path: &Path) -> toml::Value {
    path.display().to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_used_by_one_cluster_at_a_time_and_one_shape_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let three = Topology::preset("three-regions").unwrap();
        let files = Files::open(dir.path(), &three).unwrap();
        assert!(matches!(
            Files::open(dir.path(), &three),
            Err(ClusterError::InUse { .. })
        ));
        drop(files);
        let five = Topology::preset("five-regions").unwrap();
        let error = Files::open(dir.path(), &five).unwrap_err();
        assert!(
            matches!(error, ClusterError::OtherCluster { .. }),
            "{error}"
        );
        assert!(Files::open(dir.path(), &three).is_ok());
    }

    #[test]
    fn the_session_key_is_made_once_and_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let topology = Topology::preset("local").unwrap();
        drop(Files::open(dir.path(), &topology).unwrap());
        let path = dir.path().join("session.key");
        let first = fs::read_to_string(&path).unwrap();
        assert_eq!(first.len(), 64);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        drop(Files::open(dir.path(), &topology).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), first);
    }
}
