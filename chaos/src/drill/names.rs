//! Asks every DNS server all the time, as resolvers near each region would, while regions come and go.
//!
//! Two kinds of askers: hickory's stub resolver, without a cache, which says nothing of itself; and one near each region, which
//! says so (EDNS Client Subnet). Both over UDP.
//!
//! Owns: the questions and what followed from the answers. Must never: keep an answer for the next question.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hickory_proto::rr::RecordType;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::{Resolver, TokioResolver};
use holdfast_region_config::Topology;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::result::{DnsAnswer, DnsLost, DnsSeen, FaultSpan};
use super::watch::seconds;
use crate::dns_client;
use crate::history::Recorder;
use crate::lab::Lab;

/// Between two rounds of one asker.
const TICK: Duration = Duration::from_millis(250);
/// A server on this machine that takes longer does not answer.
const ANSWER_MAX: Duration = Duration::from_secs(1);
/// Gateways that start one after the other see each other ill for a moment, and trust each other again after 15 s.
const SETTLED_MAX: Duration = Duration::from_secs(60);
/// As `docs/dns.md` has it: how long answers live while a region is not as it should be.
const TTL_DEGRADED_S: u32 = 5;
/// Answers kept that differ from the one before them; a drill with more flaps for minutes.
const ANSWERS_MAX: usize = 5_000;
/// Questions whose outcome is kept: half an hour of four askers at each of eight servers.
const QUESTIONS_MAX: usize = 250_000;

/// One question: when, to which server, whether it was answered.
type Asked = (f64, usize, bool);

#[derive(Debug, Default)]
struct Heard {
    asked: Vec<Asked>,
    answers: Vec<DnsAnswer>,
}

/// Everybody who asks.
#[derive(Debug)]
pub(super) struct Names {
    stop: CancellationToken,
    tasks: JoinSet<()>,
    heard: Arc<Mutex<Heard>>,
    servers: Vec<String>,
}

/// One who asks one server.
struct Asker {
    server: usize,
    addr: SocketAddr,
    name: String,
    region: String,
    /// Region and network that it says to be near.
    near: Option<(String, String)>,
    /// Whose address is whose.
    owners: BTreeMap<IpAddr, String>,
    recorder: Recorder,
    heard: Arc<Mutex<Heard>>,
}

impl Names {
    /// Waits until no server says that its answers soon change, as they do while a cluster starts.
    pub(super) async fn settle(lab: &Lab) -> anyhow::Result<()> {
        let until = Instant::now() + SETTLED_MAX;
        for server in lab.cluster.dns_servers() {
            loop {
                let answer = dns_client::ask(server.addr, &lab.cluster.dns_name(), None).await;
                let ttl_s = answer.ok().and_then(|answer| answer.ttl_s);
                if ttl_s > Some(TTL_DEGRADED_S) {
                    break;
                }
                let region = &server.region;
                anyhow::ensure!(Instant::now() < until, "dns in {region} does not settle");
                sleep(TICK).await;
            }
        }
        Ok(())
    }

    /// Begins to ask every server of the lab; `None` when it has none.
    pub(super) fn start(lab: &Lab, recorder: &Recorder) -> anyhow::Result<Option<Self>> {
        let servers = lab.cluster.dns_servers();
        if servers.is_empty() {
            return Ok(None);
        }
        let mut nears = vec![None];
        let networks = lab.cluster.dns_networks();
        let v4 = networks.iter().filter(|n| n.range.contains('.'));
        nears.extend(v4.map(|n| Some((n.region.to_string(), n.range.clone()))));
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        let heard = Arc::new(Mutex::new(Heard::default()));
        for (at, server) in servers.iter().enumerate() {
            for near in &nears {
                let asker = Asker {
                    server: at,
                    addr: server.addr,
                    name: lab.cluster.dns_name(),
                    region: server.region.to_string(),
                    near: near.clone(),
                    owners: owners(lab.cluster.topology()),
                    recorder: recorder.clone(),
                    heard: Arc::clone(&heard),
                };
                tasks.spawn(asker.run(stop.clone()));
            }
        }
        Ok(Some(Self {
            stop,
            tasks,
            heard,
            servers: servers.iter().map(|s| s.region.to_string()).collect(),
        }))
    }

    /// Ends it; what was learned of the regions that `lost` faults took away.
    pub(super) async fn end(mut self, faults: &[FaultSpan], lost: &[usize]) -> DnsSeen {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
        let heard = std::mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner));
        let calm = |(at_s, server, _): &&Asked| {
            let region = &self.servers[*server];
            // A gateway that is started again needs a moment until its socket is there.
            let on = |f: &&FaultSpan| (f.from_s - 1.0..f.to_s + SETTLE_S).contains(at_s);
            !faults.iter().filter(on).any(|f| f.regions.contains(region))
        };
        let counted = |all: usize| u64::try_from(all).unwrap_or(u64::MAX);
        let silent = heard.asked.iter().filter(calm).filter(|(_, _, ok)| !ok);
        DnsSeen {
            questions: counted(heard.asked.iter().filter(calm).count()),
            unanswered: counted(silent.count()),
            lost: losses(&heard.answers, &self.servers, faults, lost),
            answers: heard.answers,
        }
    }
}

/// Whoever comes back may be silent for so long after the heal, s.
const SETTLE_S: f64 = 15.0;

/// Every public address with its region.
fn owners(topology: &Topology) -> BTreeMap<IpAddr, String> {
    let gateways = topology.gateways.iter();
    let each = gateways.flat_map(|gateway| {
        let region = gateway.region.to_string();
        gateway
            .public_addrs
            .iter()
            .map(move |addr| (*addr, region.clone()))
    });
    each.collect()
}

impl Asker {
    async fn run(self, stop: CancellationToken) {
        let Ok(stub) = stub(self.addr) else { return };
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last: Option<Vec<String>> = None;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let at_s = seconds(self.recorder.now_ns());
            let told = timeout(ANSWER_MAX, self.ask(&stub)).await.ok().flatten();
            let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
            if heard.asked.len() < QUESTIONS_MAX {
                heard.asked.push((at_s, self.server, told.is_some()));
            }
            let Some((regions, ttl_s)) = told else {
                continue;
            };
            if last.as_ref() != Some(&regions) && heard.answers.len() < ANSWERS_MAX {
                last = Some(regions.clone());
                heard.answers.push(DnsAnswer {
                    at_s,
                    server: self.region.clone(),
                    near: self
                        .near
                        .as_ref()
                        .map_or_else(String::new, |near| near.0.clone()),
                    regions,
                    ttl_s,
                });
            }
        }
    }

    /// Regions in the order of the answer, and how long it may be kept.
    async fn ask(&self, stub: &TokioResolver) -> Option<(Vec<String>, Option<u32>)> {
        let (addrs, ttl_s) = match &self.near {
            Some((_, network)) => {
                let answer = dns_client::ask(self.addr, &self.name, Some(network))
                    .await
                    .ok()?;
                (answer.addrs, answer.ttl_s)
            }
            None => {
                let answer = stub
                    .lookup(format!("{}.", self.name), RecordType::A)
                    .await
                    .ok()?;
                let records = answer.answers();
                let addrs = records.iter().filter_map(|record| record.data.ip_addr());
                (addrs.collect(), records.first().map(|record| record.ttl))
            }
        };
        let owner = |addr| self.owners.get(addr).cloned();
        let mut regions: Vec<String> = addrs.iter().filter_map(owner).collect();
        regions.dedup();
        (!regions.is_empty()).then_some((regions, ttl_s))
    }
}

/// A resolver that asks one server over UDP, once, and remembers nothing.
fn stub(server: SocketAddr) -> anyhow::Result<TokioResolver> {
    let mut udp = ConnectionConfig::udp();
    udp.port = server.port();
    let servers = vec![NameServerConfig::new(server.ip(), true, vec![udp])];
    let config = ResolverConfig::from_parts(None, Vec::new(), servers);
    let mut builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
    let options = builder.options_mut();
    options.cache_size = 0;
    options.attempts = 0;
    options.timeout = ANSWER_MAX;
    Ok(builder.build()?)
}

/// How every server in a region that a fault did not touch followed it.
fn losses(
    answers: &[DnsAnswer],
    servers: &[String],
    faults: &[FaultSpan],
    lost: &[usize],
) -> Vec<DnsLost> {
    let mut all = Vec::new();
    for &fault in lost {
        let span = &faults[fault];
        for region in &span.regions {
            for server in servers
                .iter()
                .filter(|server| !span.regions.contains(server))
            {
                all.push(DnsLost {
                    fault,
                    region: region.clone(),
                    server: server.clone(),
                    out_s: None,
                    back_s: None,
                });
            }
        }
    }
    for one in &mut all {
        let span = &faults[one.fault];
        let series = series(answers, &one.server);
        // Only who was sent there before can be sent elsewhere.
        let told_before = series.values().filter(|series| {
            let before = series.iter().rev().find(|answer| answer.at_s < span.from_s);
            before.is_some_and(|answer| answer.regions.contains(&one.region))
        });
        let told_before: Vec<&Vec<&DnsAnswer>> = told_before.collect();
        let all = |since: fn(&[&DnsAnswer], &FaultSpan, &str) -> Option<f64>| {
            let each = told_before
                .iter()
                .map(|series| since(series, span, &one.region));
            let each: Option<Vec<f64>> = each.collect();
            each.and_then(|each| each.into_iter().reduce(f64::max))
        };
        (one.out_s, one.back_s) = (all(out_s), all(back_s));
    }
    all
}

/// Answers of one server by asker.
fn series<'a>(answers: &'a [DnsAnswer], server: &str) -> BTreeMap<&'a str, Vec<&'a DnsAnswer>> {
    let mut series: BTreeMap<&str, Vec<&DnsAnswer>> = BTreeMap::new();
    for answer in answers.iter().filter(|answer| answer.server == server) {
        series.entry(&answer.near).or_default().push(answer);
    }
    series
}

/// From the fault's start to the first answer without the region after which none had it until the heal.
fn out_s(series: &[&DnsAnswer], span: &FaultSpan, region: &str) -> Option<f64> {
    let during = series
        .iter()
        .filter(|answer| (span.from_s..span.to_s).contains(&answer.at_s));
    let mut out = None;
    for answer in during {
        let has = answer.regions.iter().any(|told| told == region);
        out = if has {
            None
        } else {
            out.or(Some(answer.at_s - span.from_s))
        };
    }
    out
}

/// From the heal to the last answer that put the region back.
fn back_s(series: &[&DnsAnswer], span: &FaultSpan, region: &str) -> Option<f64> {
    let has = |answer: &DnsAnswer| answer.regions.iter().any(|told| told == region);
    let after = series.iter().filter(|answer| answer.at_s >= span.to_s);
    let mut back = None;
    for answer in after {
        back = if has(answer) {
            back.or(Some(answer.at_s - span.to_s))
        } else {
            None
        };
    }
    back
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(at_s: f64, server: &str, near: &str, regions: &[&str]) -> DnsAnswer {
        DnsAnswer {
            at_s,
            server: server.to_owned(),
            near: near.to_owned(),
            regions: regions.iter().map(|r| (*r).to_owned()).collect(),
            ttl_s: Some(5),
        }
    }

    fn span() -> FaultSpan {
        FaultSpan {
            text: String::new(),
            from_s: 10.0,
            on_s: 10.1,
            to_s: 22.0,
            regions: vec!["a".to_owned()],
            nodes: Vec::new(),
        }
    }

    fn found(answers: &[DnsAnswer]) -> Vec<DnsLost> {
        let servers = ["a", "b", "c"].map(str::to_owned);
        losses(answers, &servers, &[span()], &[0])
    }

    #[test]
    fn the_last_asker_of_a_server_decides_and_servers_of_the_lost_region_do_not_count() {
        let told = [
            answer(1.0, "a", "", &["a", "b"]),
            answer(1.0, "b", "", &["b", "a"]),
            answer(1.0, "b", "a", &["a", "b"]),
            answer(1.0, "b", "c", &["c", "b"]),
            answer(14.0, "b", "", &["b", "c"]),
            answer(15.0, "b", "a", &["b", "c"]),
            answer(30.0, "b", "", &["b", "a"]),
            answer(31.0, "b", "a", &["a", "b"]),
        ];
        let lost = found(&told);
        assert_eq!(lost.len(), 2);
        assert_eq!(
            (lost[0].server.as_str(), lost[0].out_s, lost[0].back_s),
            ("b", Some(5.0), Some(9.0))
        );
        // Nobody asked c: nothing was measured, which meets no bound.
        assert_eq!((lost[1].out_s, lost[1].back_s), (None, None));
    }

    #[test]
    fn an_answer_that_has_the_region_again_before_the_heal_begins_the_wait_anew() {
        let told = |later: &[DnsAnswer]| {
            let mut told = vec![
                answer(1.0, "b", "a", &["a", "b"]),
                answer(13.0, "b", "a", &["b"]),
            ];
            told.extend_from_slice(later);
            let lost = found(&told);
            (lost[0].out_s, lost[0].back_s)
        };
        assert_eq!(told(&[]), (Some(3.0), None));
        assert_eq!(told(&[answer(15.0, "b", "a", &["a"])]), (None, None));
        let flaps = [
            answer(15.0, "b", "a", &["a"]),
            answer(18.0, "b", "a", &["b"]),
        ];
        assert_eq!(told(&flaps), (Some(8.0), None));
        let flaps = [
            answer(25.0, "b", "a", &["a"]),
            answer(26.0, "b", "a", &["b"]),
        ];
        assert_eq!(told(&flaps), (Some(3.0), None));
    }
}
