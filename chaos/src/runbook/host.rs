//! The machines of the lab, as a page's commands see them: `ssh n2 sudo systemctl restart holdfast-node`.
//!
//! A page is to be typed as it stands, so its commands are run as they stand; what a lab on one machine does not have is
//! put in front of `PATH`:
//!
//! | command | in the lab |
//! |---|---|
//! | `ssh HOST COMMAND` | runs it here; `/var/lib/holdfast` is that node's data directory, `/etc/holdfast` its configuration |
//! | `sudo COMMAND` | runs it |
//! | `systemctl start\|stop\|restart\|kill UNIT` | asks the lab to do it to that host's process |
//! | `journalctl …` | the end of that process's log |
//! | `scp FILE HOST:/etc/holdfast/topology.toml` | puts it where that host's process reads its topology |
//!
//! Owns: these stand-ins, and the door by which they ask. Must never: touch anything outside the lab's directory.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use axum::Router;
use axum::extract::{Path as UrlPath, State};
use axum::http::StatusCode;
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::newcomer::Newcomers;
use crate::cluster::ClusterError;
use crate::lab::Lab;

const SSH: &str = r#"#!/bin/sh
# ssh HOST COMMAND: the lab's host of that name is a process on this machine.
HOLDFAST_LAB_HOST=$1; shift
export HOLDFAST_LAB_HOST
command=$(printf '%s' "$*" | sed \
  -e "s#/var/lib/holdfast#$HOLDFAST_LAB_DIR/nodes/$HOLDFAST_LAB_HOST#g" \
  -e "s#/etc/holdfast/config.toml#$HOLDFAST_LAB_DIR/config/$HOLDFAST_LAB_HOST.toml#g")
exec bash -c "$command"
"#;
const SUDO: &str = "#!/bin/sh\nexec \"$@\"\n";
const SYSTEMCTL: &str = r#"#!/bin/sh
# systemctl ACTION UNIT, on the host that ssh went to.
exec curl -sS --fail-with-body -X POST "$HOLDFAST_LAB_CONTROL/$HOLDFAST_LAB_HOST/$1"
"#;
const JOURNALCTL: &str = r#"#!/bin/sh
exec tail -n 200 "$HOLDFAST_LAB_DIR/logs/$HOLDFAST_LAB_HOST.log"
"#;

const SCP: &str = r#"#!/bin/sh
host=${2%%:*}
case $2 in *:/etc/holdfast/topology.toml) ;; *) echo "the lab's scp takes topologies only" >&2; exit 1 ;; esac
exec cp "$1" "$(sed -n 's/^topology = "\(.*\)"/\1/p' "$HOLDFAST_LAB_DIR/config/$host.toml")"
"#;

/// Requests that wait; a page works through one command at a time.
const REQUESTS_MAX: usize = 8;

/// Something that a command wants done to a process.
#[derive(Debug)]
pub struct Request {
    host: String,
    action: String,
    done: oneshot::Sender<Result<(), String>>,
}

/// The stand-ins of one lab. Dropping it closes the door.
#[derive(Debug)]
pub struct Hosts {
    /// The directory with the stand-ins.
    pub bin_dir: PathBuf,
    addr: SocketAddr,
    /// Machines that are not the cluster's yet.
    pub newcomers: Newcomers,
    requests: mpsc::Receiver<Request>,
    server: JoinHandle<()>,
}

impl Hosts {
    /// Writes the stand-ins below `dir` and opens the door.
    ///
    /// # Errors
    /// A directory that cannot be written, a port that cannot be had.
    pub async fn open(dir: &Path) -> anyhow::Result<Self> {
        let bin_dir = dir.join("lab-bin");
        fs::create_dir_all(&bin_dir)?;
        let scripts = [
            ("ssh", SSH),
            ("scp", SCP),
            ("sudo", SUDO),
            ("systemctl", SYSTEMCTL),
            ("journalctl", JOURNALCTL),
        ];
        for (name, script) in scripts {
            let path = bin_dir.join(name);
            fs::write(&path, script).with_context(|| path.display().to_string())?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        }
        let (sender, requests) = mpsc::channel(REQUESTS_MAX);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let routes = Router::new()
            .route("/{host}/{action}", post(ask))
            .with_state(sender);
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, routes).await {
                tracing::error!(%error, "the door of the lab's hosts closed");
            }
        });
        Ok(Self {
            bin_dir,
            addr,
            newcomers: Newcomers::default(),
            requests,
            server,
        })
    }

    /// What the stand-ins have to know.
    pub fn environment(&self, dir: &Path) -> Vec<(String, String)> {
        vec![
            (
                "HOLDFAST_LAB_CONTROL".to_owned(),
                format!("http://{}", self.addr),
            ),
            ("HOLDFAST_LAB_DIR".to_owned(), dir.display().to_string()),
        ]
    }

    /// The next thing that a command wants; never when none does.
    pub async fn next(&mut self) -> Option<Request> {
        self.requests.recv().await
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn ask(
    State(requests): State<mpsc::Sender<Request>>,
    UrlPath((host, action)): UrlPath<(String, String)>,
) -> (StatusCode, String) {
    let (done, answer) = oneshot::channel();
    let request = Request { host, action, done };
    if requests.send(request).await.is_err() {
        return (StatusCode::GONE, "the lab has ended\n".to_owned());
    }
    match answer.await {
        Ok(Ok(())) => (StatusCode::OK, String::new()),
        Ok(Err(reason)) => (StatusCode::BAD_REQUEST, format!("{reason}\n")),
        Err(_) => (StatusCode::GONE, "the lab has ended\n".to_owned()),
    }
}

impl Request {
    /// Does it, and tells the command.
    pub async fn carry_out(self, lab: &mut Lab, newcomers: &mut Newcomers) {
        let result = match newcomers.act(&self.host, &self.action).await {
            Some(result) => result,
            None => act(lab, &self.host, &self.action).await,
        };
        // A command that was killed meanwhile does not listen any more.
        let _gone = self.done.send(result);
    }
}

async fn act(lab: &mut Lab, host: &str, action: &str) -> Result<(), String> {
    let done = match action {
        "start" => start(lab, host),
        "stop" => lab.cluster.terminate(host).await,
        "kill" => lab.cluster.kill(host).await,
        "restart" => match lab.cluster.terminate(host).await {
            Ok(()) => start(lab, host),
            Err(error) => Err(error),
        },
        other => return Err(format!("the lab's systemctl does not know {other:?}")),
    };
    done.map_err(|error| error.to_string())
}

/// A host that runs it already stays as it is. Whether it becomes ready is what the page has to find out.
fn start(lab: &mut Lab, host: &str) -> Result<(), ClusterError> {
    match lab.cluster.member(host)?.pid() {
        Some(_) => Ok(()),
        None => lab.cluster.spawn(host),
    }
}
