//! What users touch: one process a region that speaks HTTP/JSON to buyers and gRPC to nodes.
//!
//! Read in this order:
//!
//! | module | owns |
//! |---|---|
//! | [`http`] | the routes, as one list, and what every request passes through |
//! | [`upstream`] | which node is asked, in what order, and the one safe retry |
//! | [`catalogue`], [`layouts`] | what is known near home: events and shows, and the plan of each show |
//! | [`client_address`], [`geo`], [`network`] | who is asking from where, and which regions are near |
//! | [`live`] | the seats of shows that somebody looks at: streams to viewers, and holds that are doomed already |
//! | [`observatory`] | which regions are well, by what all of them see |
//! | [`gateways`] | where the gateways of other regions are |
//! | [`dns`] | which gateways a user is sent to by name |
//! | [`routing`] | which region serves a request |
//! | [`footprint`], [`positions`] | what a request touched, and how far its session has seen |
//! | [`admission`], [`rates`] | who is let in when the house is full, and how often somebody may ask |
//! | [`queue`] | the waiting room: tickets, passes, who waits here |
//! | [`session`] | who a buyer is |
//! | [`answers`] | which requests were already answered, so that a repeat gets the same answer |
//! | [`problem`], [`offer`] | how a "no" is said, and what is offered with it |
//! | [`packing`] | bytes compressed for browsers |
//! | [`config`], [`limits`], [`server`], [`metrics`], [`clock`], [`chance`] | running it |
//!
//! Must never: decide who owns a seat (a show's shard does), or keep anything that cannot be rebuilt.

pub mod admission;
pub mod answers;
pub mod app;
pub mod catalogue;
pub mod chance;
pub mod client_address;
pub mod clock;
pub mod config;
pub mod dns;
pub mod footprint;
pub mod gateways;
pub mod geo;
pub mod http;
pub mod layouts;
pub mod limits;
pub mod live;
pub mod metrics;
pub mod network;
pub mod observatory;
pub mod offer;
pub mod packing;
pub mod positions;
pub mod problem;
pub mod queue;
pub mod rates;
pub mod routing;
pub mod server;
pub mod session;
pub mod upstream;
