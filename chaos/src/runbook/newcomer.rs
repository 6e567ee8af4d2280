//! A region that is not there yet: machines that are set up and not started, and the topology that has them.
//!
//! Owns: their files and processes. Must never: tell the running cluster of them; that is what the page does.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::Context;
use holdfast_region_config::Topology;
use toml::{Table, Value};

use crate::cluster::gateway_name;
use crate::cluster::process::Process;
use crate::cluster::{STOP_TIMEOUT, Signal};
use crate::demo::bin_dir;
use crate::lab::Lab;

/// The file that an operator would hand out.
pub const TOPOLOGY_FILE: &str = "topology-next.toml";

/// One machine.
#[derive(Debug)]
struct Machine {
    binary: PathBuf,
    config: PathBuf,
    log: PathBuf,
    process: Option<Process>,
}

/// The machines of the new region, by host name.
#[derive(Debug, Default)]
pub struct Newcomers {
    machines: BTreeMap<String, Machine>,
    /// Where they will be: `N4`, `N4_HTTP`, `GATEWAY_…`.
    pub variables: Vec<(String, String)>,
}

impl Newcomers {
    /// Sets up the region that follows the lab's in its preset, one node and a gateway, and writes the topology with it to
    /// `work_dir`.
    ///
    /// # Errors
    /// When there is no further region, the lab emulates a network, or a file cannot be written.
    pub fn set_up(lab: &Lab, preset: &str, work_dir: &Path) -> anyhow::Result<Self> {
        anyhow::ensure!(
            lab.cluster.wan().is_none(),
            "a region can be added only to a lab without an emulated network"
        );
        let now = lab.cluster.topology();
        let base = Topology::preset(preset).context("a built-in topology is missing")?;
        let next = base
            .with_first_regions(now.regions.len() + 1)?
            .with_nodes_per_region(1)?;
        let region = next.regions.last().context("no region")?.id.clone();
        let (grpc, http, web, dns) = (free()?, free()?, free()?, free()?);
        let next = next.with_addrs(
            |node| {
                now.node(node.id)
                    .map_or_else(|| grpc.to_string(), |n| n.addr.clone())
            },
            |gateway| {
                let known = now.gateways.iter().find(|g| g.region == gateway.region);
                known.map_or_else(|| web.to_string(), |g| g.addr.clone())
            },
        )?;
        let node = next.nodes.last().context("no node")?;
        let (node, gateway) = (node.id, gateway_name(&region));
        fs::write(work_dir.join(TOPOLOGY_FILE), next.to_toml())?;
        let dir = lab.cluster.data_dir();
        let topology = dir.join(format!("config/topology-{region}.toml"));
        fs::write(&topology, next.to_toml())?;
        let mut newcomers = Self::default();
        let number = i64::try_from(node.get())?;
        let own_dir = dir.join(format!("nodes/{node}"));
        newcomers.machine(
            dir,
            "n1",
            &node.to_string(),
            "holdfast-node",
            [
                ("node_id", number.into()),
                ("data_dir", text(&own_dir)),
                ("grpc_listen", grpc.to_string().into()),
                ("http_listen", http.to_string().into()),
                ("topology", text(&topology)),
            ],
            None,
        )?;
        let like = gateway_name(&lab.region(0));
        newcomers.machine(
            dir,
            &like,
            &gateway,
            "holdfast-gateway",
            [
                ("region", region.as_str().into()),
                ("http_listen", web.to_string().into()),
                ("topology", text(&topology)),
            ],
            Some(dns),
        )?;
        let name = node.to_string().to_uppercase();
        newcomers.variables = vec![
            (format!("{name}_HTTP"), format!("http://{http}")),
            (name, grpc.to_string()),
            (
                gateway.replace('-', "_").to_uppercase(),
                format!("http://{web}"),
            ),
        ];
        Ok(newcomers)
    }

    /// Configured like `like`, but for what is its own: a gateway that copied the port of another's DNS would not start.
    fn machine<const N: usize>(
        &mut self,
        dir: &Path,
        like: &str,
        name: &str,
        binary: &str,
        own: [(&str, Value); N],
        dns: Option<SocketAddr>,
    ) -> anyhow::Result<()> {
        let file = |name: &str| dir.join(format!("config/{name}.toml"));
        let mut config: Table = fs::read_to_string(file(like))?.parse()?;
        config.extend(own.map(|(key, value)| (key.to_owned(), value)));
        if let (Some(Value::Table(section)), Some(addr)) = (config.get_mut("dns"), dns) {
            section.insert("listen".to_owned(), addr.to_string().into());
        }
        fs::write(file(name), config.to_string())?;
        let machine = Machine {
            binary: bin_dir()?.join(binary),
            config: file(name),
            log: dir.join(format!("logs/{name}.log")),
            process: None,
        };
        self.machines.insert(name.to_owned(), machine);
        Ok(())
    }

    /// Does `action` to the host, if it is one of these.
    pub async fn act(&mut self, host: &str, action: &str) -> Option<Result<(), String>> {
        let machine = self.machines.get_mut(host)?;
        Some(match action {
            "start" => machine.start(),
            "stop" => {
                machine.stop().await;
                Ok(())
            }
            "restart" => {
                machine.stop().await;
                machine.start()
            }
            other => Err(format!("a new machine does not know {other:?}")),
        })
    }

    /// Ends what was started.
    pub async fn end(&mut self) {
        for machine in self.machines.values_mut() {
            machine.stop().await;
        }
    }
}

impl Machine {
    fn start(&mut self) -> Result<(), String> {
        if self.process.is_none() {
            let started = Process::spawn(&self.binary, &self.config, None, &self.log);
            self.process = Some(started.map_err(|error| error.to_string())?);
        }
        Ok(())
    }

    async fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.signal(Signal::Terminate);
            process.wait_or_kill(STOP_TIMEOUT).await;
        }
    }
}

fn text(path: &Path) -> Value {
    path.display().to_string().into()
}

/// An address that nobody has. Nothing else on this machine takes it before the page starts what belongs there.
fn free() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
