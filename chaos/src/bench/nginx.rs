//! nginx as a reverse proxy in front of the echo: what many would put where a gateway stands.
//!
//! Owns: its configuration. Must never: be tuned less than the gateway: it keeps its connections and writes no log.

use std::net::SocketAddr;

use nix::sys::signal::Signal;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::Command;

use super::contender::program::{self, Program};

/// The running proxy.
#[derive(Debug)]
pub(super) struct Nginx {
    program: Program,
    port: u16,
    _dir: TempDir,
}

impl Nginx {
    /// In front of `upstream`; gives its version, too.
    ///
    /// # Errors
    /// When it is not installed or does not start.
    pub(super) async fn start(upstream: SocketAddr) -> anyhow::Result<(Self, String)> {
        let binary = program::find("nginx", "nginx")?;
        let said = Command::new(&binary).arg("-v").output().await?;
        let version = String::from_utf8_lossy(&said.stderr).trim().to_owned();
        let dir = tempfile::Builder::new()
            .prefix("holdfast-nginx-")
            .tempdir()?;
        let port = program::free_port()?;
        let config = dir.path().join("nginx.conf");
        tokio::fs::write(&config, text(port, upstream)).await?;
        let mut command = Command::new(&binary);
        command.arg("-p").arg(dir.path()).arg("-c").arg(&config);
        let mut program = Program::start("nginx", command, &dir.path().join("log"))?;
        let connect = async || Ok(TcpStream::connect(("127.0.0.1", port)).await?);
        program.wait(connect).await?;
        let nginx = Self {
            program,
            port,
            _dir: dir,
        };
        Ok((nginx, version))
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    pub(super) async fn stop(self) {
        self.program.stop(Signal::SIGQUIT).await;
    }
}

fn text(port: u16, upstream: SocketAddr) -> String {
    let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("  {name}_temp_path {name};\n"))
        .concat();
    format!(
        "daemon off;\nworker_processes 2;\npid nginx.pid;\nerror_log stderr crit;\n\
         events {{ worker_connections 1024; }}\n\
         http {{\n  access_log off;\n  keepalive_requests 1000000;\n{paths}\
         \x20 upstream echo {{ server {upstream}; keepalive 64; }}\n\
         \x20 server {{\n    listen 127.0.0.1:{port};\n    location / {{\n      proxy_pass http://echo;\n\
         \x20     proxy_http_version 1.1;\n      proxy_set_header Connection \"\";\n    }}\n  }}\n}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_names_both_ends() {
        let text = text(81, ([127, 0, 0, 1], 82).into());
        assert!(text.contains("listen 127.0.0.1:81;") && text.contains("server 127.0.0.1:82;"));
    }
}
