//! Three etcd processes with their defaults: every hold is one transaction, sent to the leader.
//!
//! A seat is a key. The transaction compares that none of its keys exists and puts them under one lease that all holds
//! share: a lease of its own for each hold, etcd's native way to let it expire, is slower by half and would flatter us.
//!
//! Owns: the transaction. Must never: send to a follower, which would pass it on and cost etcd a hop.

use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::Context;
use nix::sys::signal::Signal;
use tempfile::TempDir;
use tokio::process::Command;
use tonic::transport::{Channel, Endpoint};

use super::program::{self, Program};
use super::{Contender, Seller};
use crate::bench::attempt::{Answer, Attempt};

#[expect(
    clippy::allow_attributes_without_reason,
    unreachable_pub,
    reason = "generated from proto/etcd/rpc.proto"
)]
mod api {
    tonic::include_proto!("etcdserverpb");
}

use api::compare::{CompareTarget, TargetUnion};
use api::kv_client::KvClient;
use api::lease_client::LeaseClient;
use api::maintenance_client::MaintenanceClient;
use api::request_op::Request;
use api::{Compare, LeaseGrantRequest, PutRequest, RequestOp, StatusRequest, TxnRequest};

/// Connections to the leader that all clients share.
const CHANNELS: usize = 2;
/// Longer than any bench.
const LEASE_S: i64 = 3_600;
/// Bytes that a member may store; its default of 2 GiB would do for an hour.
const QUOTA_BYTES: u64 = 8 << 30;

/// The running cluster.
#[derive(Debug)]
pub(in crate::bench) struct Etcd {
    members: Vec<Program>,
    channels: Vec<Channel>,
    lease: i64,
    shows: u64,
    _dir: TempDir,
}

/// One member's addresses.
struct Member {
    name: String,
    client: String,
    peer: String,
}

impl Etcd {
    /// Starts three members and finds their leader; gives their version, too.
    pub(in crate::bench) async fn start() -> anyhow::Result<(Self, String)> {
        let binary = program::find("etcd", "etcd-server")?;
        let version = program::version(&binary).await;
        let dir = tempfile::Builder::new()
            .prefix("holdfast-etcd-")
            .tempdir()?;
        let mut places = Vec::new();
        for number in 1..=3 {
            let url = |port| format!("http://{}:{port}", Ipv4Addr::LOCALHOST);
            places.push(Member {
                name: format!("e{number}"),
                client: url(program::free_port()?),
                peer: url(program::free_port()?),
            });
        }
        let all = places.iter().map(|m| format!("{}={}", m.name, m.peer));
        let all = all.collect::<Vec<_>>().join(",");
        let mut members = Vec::new();
        for place in &places {
            members.push(place.start(&binary, dir.path(), &all)?);
        }
        let mut leader = None;
        for (member, place) in members.iter_mut().zip(&places) {
            let led = member.wait(async || place.leads().await).await?;
            if led {
                leader = Some(place);
            }
        }
        let leader = leader.context("no member of etcd leads")?;
        let mut channels = Vec::new();
        for _ in 0..CHANNELS {
            channels.push(leader.channel().await?);
        }
        let grant = LeaseGrantRequest { ttl: LEASE_S };
        let granted = LeaseClient::new(channels[0].clone())
            .lease_grant(grant)
            .await?;
        let etcd = Self {
            members,
            channels,
            lease: granted.into_inner().id,
            shows: 0,
            _dir: dir,
        };
        Ok((etcd, format!("{version}, 3 members")))
    }
}

impl Member {
    fn start(&self, binary: &Path, dir: &Path, all: &str) -> anyhow::Result<Program> {
        let mut command = Command::new(binary);
        command
            .args(["--name", &self.name, "--initial-cluster", all])
            .args(["--listen-client-urls", &self.client])
            .args(["--advertise-client-urls", &self.client])
            .args(["--listen-peer-urls", &self.peer])
            .args(["--initial-advertise-peer-urls", &self.peer])
            .args(["--quota-backend-bytes", &QUOTA_BYTES.to_string()])
            .arg("--data-dir")
            .arg(dir.join(&self.name));
        Program::start("etcd", command, &dir.join(format!("{}.log", self.name)))
    }

    async fn channel(&self) -> anyhow::Result<Channel> {
        let endpoint = Endpoint::from_shared(self.client.clone())?.tcp_nodelay(true);
        Ok(endpoint.connect().await?)
    }

    /// Whether this one leads, once there is a leader.
    async fn leads(&self) -> anyhow::Result<bool> {
        let mut asked = MaintenanceClient::new(self.channel().await?);
        let status = asked.status(StatusRequest {}).await?.into_inner();
        anyhow::ensure!(status.leader != 0, "no leader yet");
        Ok(status.header.is_some_and(|h| h.member_id == status.leader))
    }
}

impl Contender for Etcd {
    type Seller = EtcdSeller;

    async fn open_show(&mut self, _seats: u32) -> anyhow::Result<u64> {
        self.shows += 1;
        Ok(self.shows)
    }

    async fn sellers(&mut self, show: u64, clients: usize) -> anyhow::Result<Vec<EtcdSeller>> {
        let seller = |channel: &Channel| EtcdSeller {
            kv: KvClient::new(channel.clone()),
            lease: self.lease,
            show,
        };
        Ok(self
            .channels
            .iter()
            .cycle()
            .take(clients)
            .map(seller)
            .collect())
    }

    async fn stop(self) {
        for member in self.members {
            member.stop(Signal::SIGTERM).await;
        }
    }
}

/// One client.
#[derive(Debug, Clone)]
pub(in crate::bench) struct EtcdSeller {
    kv: KvClient<Channel>,
    lease: i64,
    show: u64,
}

impl Seller for EtcdSeller {
    async fn hold(&mut self, attempt: Attempt) -> anyhow::Result<Answer> {
        let request = transaction(self.show, attempt, self.lease);
        let answer = self.kv.txn(request).await?.into_inner();
        Ok(if answer.succeeded {
            Answer::Held
        } else {
            Answer::Taken
        })
    }
}

fn transaction(show: u64, attempt: Attempt, lease: i64) -> TxnRequest {
    let key = |seat| format!("s{show}/{seat}").into_bytes();
    let value = attempt.number.to_be_bytes().to_vec();
    let compare = attempt.seats().map(|seat| Compare {
        target: CompareTarget::Create.into(),
        key: key(seat),
        target_union: Some(TargetUnion::CreateRevision(0)),
        ..Compare::default()
    });
    let success = attempt.seats().map(|seat| RequestOp {
        request: Some(Request::RequestPut(PutRequest {
            key: key(seat),
            value: value.clone(),
            lease,
        })),
    });
    TxnRequest {
        compare: compare.collect(),
        success: success.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_of_two_seats_compares_both_before_it_puts_both() {
        let attempt = Attempt::new(1, 1, 100);
        let seats: Vec<u32> = attempt.seats().collect();
        let txn = transaction(9, attempt, 5);
        assert_eq!((txn.compare.len(), txn.success.len()), (2, 2));
        assert_eq!(txn.compare[0].key, format!("s9/{}", seats[0]).into_bytes());
        assert_eq!(txn.compare[1].key, format!("s9/{}", seats[1]).into_bytes());
        // An absent oneof would compare nothing and always succeed.
        assert!(
            txn.compare
                .iter()
                .all(|c| c.target_union.is_some() && c.target == 1)
        );
    }
}
