//! Everything a request handler may use, made once at start.
//!
//! Owns: nothing but the parts. Must never: be changed while requests run; each part guards itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::admission::Admission;
use crate::answers::Answers;
use crate::catalogue::Catalogue;
use crate::client_address::ClientAddresses;
use crate::config::Config;
use crate::gateways::Gateways;
use crate::geo::Geo;
use crate::geo::echo::Echoes;
use crate::geo::exchange::ClusterToken;
use crate::layouts::Layouts;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::observatory::Observatory;
use crate::positions::PositionTokens;
use crate::queue::{Rooms, token::Signer};
use crate::rates::Rates;
use crate::session::Sessions;
use crate::upstream::Upstream;
use crate::{chance, clock};

/// The parts of a running gateway.
pub struct App {
    /// What it was told.
    pub config: Config,
    /// Guest tokens.
    pub sessions: Sessions,
    /// What sessions have seen.
    pub positions: PositionTokens,
    /// The ways to the nodes.
    pub upstream: Arc<Upstream>,
    /// Which address a request comes from.
    pub clients: ClientAddresses,
    /// Which regions are near an address.
    pub geo: Arc<Geo>,
    /// How far clients are.
    pub echoes: Echoes,
    /// Events and shows as last heard.
    pub catalogue: Catalogue,
    /// Plans of shows.
    pub layouts: Layouts,
    /// Seats of shows that somebody looks at.
    pub live: Live,
    /// Waiting rooms.
    pub rooms: Rooms,
    /// Requests already answered.
    pub answers: Answers,
    /// Which regions are well, by what all of them see.
    pub observatory: Observatory,
    /// Where the gateways of all regions are.
    pub gateways: Gateways,
    /// By what they know this one for one of them.
    pub cluster_token: ClusterToken,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Places for requests in work.
    pub admission: Admission,
    /// How often somebody may ask.
    pub rates: Rates,
    draining: AtomicBool,
}

impl App {
    /// Puts the parts together.
    #[must_use]
    pub fn new(
        config: Config,
        sessions: Sessions,
        rates: Rates,
        geo: Geo,
        upstream: Arc<Upstream>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            admission: Admission::new(
                config.limits.requests_in_flight_max,
                config.limits.writes_in_flight_max,
            ),
            rates,
            clients: ClientAddresses::new(&config.proxies),
            geo: Arc::new(geo),
            echoes: Echoes::new(chance::draw(), clock::now()),
            catalogue: Catalogue::default(),
            layouts: Layouts::default(),
            live: Live::new(config.live.clone(), Arc::clone(&metrics)),
            answers: Answers::default(),
            observatory: Observatory::default(),
            gateways: Gateways::new(config.discovery.as_ref()),
            cluster_token: ClusterToken::of(&sessions),
            rooms: Rooms::new(Signer::new(|purpose| sessions.derived(purpose))),
            draining: AtomicBool::new(false),
            config,
            positions: PositionTokens::new(&sessions.derive("positions")),
            sessions,
            upstream,
            metrics,
        }
    }

    /// Whether the process was told to stop; it then no longer calls itself ready.
    #[must_use]
    pub fn draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Stops calling itself ready, and ends the streams that would never end.
    pub fn start_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
        self.live.drain();
    }
}
