//! The emulated network of a cluster: its links and the API that faults it.
//!
//! Owns: which links there are and how far their ends lie apart. Must never: start or stop a process.

use std::time::Duration;

use holdfast_region_config::Topology;
use tokio::task::JoinHandle;

use super::ClusterOptions;
use super::error::ClusterError;
use super::ports::{self, Ports};
use crate::wan::{LinkSpec, Wan, control};

/// A link for every way from a process, or from a region, to a server elsewhere.
pub(super) fn start_wan(
    topology: &Topology,
    ports: &mut Ports,
    options: &ClusterOptions,
) -> Result<Wan, ClusterError> {
    let mut specs = Vec::new();
    for way in ports::ways(topology, options.diallers) {
        let upstream = ports.server(&way.target, &way.server);
        let listener = ports.take_link(&way.dialler, &way.server)?;
        // Inside a region the loopback is the network; a link there is only for cutting.
        let near = way.viewer == way.target;
        let rtt = topology.rtt.between(&way.viewer, &way.target);
        specs.push(LinkSpec {
            dialler: way.dialler,
            viewer: way.viewer,
            target: way.target,
            server: way.server,
            upstream,
            listener,
            rtt: if near { Duration::ZERO } else { rtt },
        });
    }
    Ok(Wan::start(specs, options.seed)?)
}

/// Serves the network's control API until the task is aborted.
pub(super) fn serve_control(wan: Wan, ports: &mut Ports) -> Result<JoinHandle<()>, ClusterError> {
    let listener = ports.take_control()?;
    Ok(tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, control::router(wan)).await {
            tracing::error!(%error, "the network's control api stopped");
        }
    }))
}
