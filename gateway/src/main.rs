//! `holdfast-gateway`: arguments to configuration to a running server.
//!
//! Owns: the command line and the exit code. Must never: hold logic that a test would want to reach.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use holdfast_gateway::config::{Config, environment};
use holdfast_gateway::server::{Server, StartError};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Exit code for a configuration that cannot be used (as in sysexits.h).
const EXIT_CONFIG: u8 = 78;
/// Exit code for a server that could not start or failed.
const EXIT_FAILURE: u8 = 1;

const ABOUT: &str = "Serves buyers of one region: HTTP/JSON under /v1, the web page at /.";
const LONG_ABOUT: &str = "\
Serves buyers of one region: HTTP/JSON under /v1, the web page at /.

A gateway keeps nothing of its own. It knows the nodes from a topology file, reads maps from the nearest one
and takes every write to the node that leads the show, wherever that is. Any number may run. The file is read
again at SIGHUP and whenever the directory tells of a node; one that the file does not have is dialled at the
address that it announced, and one that was removed for good is not asked any more.

Configuration is TOML:

  region           = \"westeurope\"          # must be in the topology
  http_listen      = \"127.0.0.1:8080\"      # port 0 picks a free one
  topology         = \"topology.toml\"       # how this process dials the nodes
  session_key_file = \"session.key\"         # 64 hex digits; the same on every gateway

  [limits]                                  # optional; each lowers a built-in bound
  requests_in_flight_max = 4096
  write_budget_ms        = 8000

  [live]                                    # optional: live maps, holds refused from the live copy
  viewers_max     = 20000
  local_rejection = true
  [dns]                                     # optional: answers for a zone, see docs/dns.md
  listen = \"127.0.0.1:5353\"
  zone   = \"holdfast.example\"

  [proxies]                                 # optional: whose X-Forwarded-For is believed
  trusted        = [\"10.0.0.0/8\"]
  country_header = \"cf-ipcountry\"

  [geo]                                     # optional: where addresses are (docs/routing.md)
  database = \"country.mmdb\"
  [geo.round_trips]                         # optional: where browsers measure how far a region is
  origins = { eastus = \"https://eastus.tickets.example\", westeurope = \"https://westeurope.tickets.example\" }

  [rates]                                   # optional: how often somebody may ask (docs/limits.md)
  address_per_s    = 40
  challenge        = \"suspicious\"         # or never, always
  office_keys_file = \"office.keys\"

  [telemetry]                               # optional
  log           = \"info\"
  otlp_endpoint = \"http://127.0.0.1:4317\"  # traces are off without it

Every key can be overridden from the environment: HOLDFAST_GATEWAY_REGION, HOLDFAST_GATEWAY_HTTP_LISTEN,
HOLDFAST_GATEWAY_LIMITS_WRITE_BUDGET_MS, HOLDFAST_GATEWAY_TELEMETRY_LOG and so on.

Asked from outside: /healthz (alive), /readyz (knows the catalogue), /metrics (Prometheus text),
/v1/openapi.json (the API). SIGTERM and Ctrl-C finish what is in work, then exit.

Exit codes: 0 asked to stop, 1 failed, 2 bad arguments, 78 bad configuration.";

#[derive(Parser)]
#[command(name = "holdfast-gateway", version, about = ABOUT, long_about = LONG_ABOUT)]
struct Arguments {
    /// Configuration file (TOML).
    #[arg(long, value_name = "FILE", env = "HOLDFAST_GATEWAY_CONFIG")]
    config: PathBuf,
    /// Stop when standard input reaches its end, so that no gateway outlives the process that started it.
    #[arg(long)]
    exit_with_parent: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let config = match Config::load(&arguments.config, &environment()) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("holdfast-gateway: {error}");
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    match run(config, arguments.exit_with_parent) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("holdfast-gateway: {error:#}");
            let start = error.downcast_ref::<StartError>();
            let configuration = start.is_some_and(StartError::is_configuration);
            ExitCode::from(if configuration {
                EXIT_CONFIG
            } else {
                EXIT_FAILURE
            })
        }
    }
}

fn run(config: Config, exit_with_parent: bool) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    runtime.block_on(async {
        let instance = config.region.as_str().to_owned();
        let _telemetry =
            holdfast_node_api::telemetry::init("holdfast-gateway", &instance, &config.telemetry)?;
        let stop = CancellationToken::new();
        let server = Server::bind(config).await?;
        let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
        let asked = async {
            tokio::select! {
                _ = terminate.recv() => "sigterm",
                _ = interrupt.recv() => "sigint",
                () = parent_gone(exit_with_parent) => "parent gone",
            }
        };
        let stopper = async {
            let reason = asked.await;
            tracing::info!(reason, "stopping");
            stop.cancel();
        };
        let (result, ()) = tokio::join!(server.run(stop.clone()), stopper);
        result.context("the server failed")
    })
}

/// Returns when standard input ends; never, unless asked to watch it.
async fn parent_gone(watch: bool) {
    if !watch {
        return std::future::pending().await;
    }
    let (gone, told) = tokio::sync::oneshot::channel();
    // A plain thread: a read that never returns must not hold up the runtime's end.
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        let mut ignored = [0u8; 256];
        while matches!(stdin.read(&mut ignored), Ok(read) if read > 0) {}
        let _ = gone.send(());
    });
    let _ = told.await;
}
