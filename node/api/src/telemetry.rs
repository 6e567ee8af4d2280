//! Logs and traces, set up the same way in every process.
//!
//! Logs go to stderr, one line per thing an operator would want to know. Traces go to an OpenTelemetry collector
//! (OTLP over gRPC) only when `otlp_endpoint` is set. Owns: the process-wide subscriber. Must never: fail a
//! process because a collector is away.

use opentelemetry::{KeyValue, trace::TracerProvider as _};
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracerProvider},
};
use serde::Deserialize;
use thiserror::Error;
use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

/// What is logged when nothing else is said: our own news, and only trouble from the libraries below. openraft tells
/// each vote and each ignored message as news; hickory warns of what strangers send.
pub const LOG_DEFAULT: &str = "info,openraft=error,raft_engine=warn,sled=warn,h2=warn,hyper=warn,tonic=warn,tower=warn,\
     hickory_proto=error,hickory_server=error,hickory_resolver=error,hickory_net=error";

/// The `[telemetry]` section of every process's configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    /// What is logged: a `tracing` filter such as [`LOG_DEFAULT`] or `info,holdfast_raft=debug`.
    pub log: String,
    /// Log lines as JSON objects instead of text.
    pub log_json: bool,
    /// OTLP/gRPC collector, such as `http://127.0.0.1:4317`. Absent: no traces leave the process.
    pub otlp_endpoint: Option<String>,
    /// Share of traces that are kept, 0.0 to 1.0.
    pub otlp_sample_ratio: f64,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            log: LOG_DEFAULT.to_owned(),
            log_json: false,
            otlp_endpoint: None,
            otlp_sample_ratio: 0.01,
        }
    }
}

/// Why telemetry could not be set up.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// `telemetry.log` is not a filter.
    #[error("telemetry.log: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// `telemetry.otlp_sample_ratio` is outside 0.0 to 1.0.
    #[error("telemetry.otlp_sample_ratio: {0} is not between 0.0 and 1.0")]
    SampleRatio(f64),
    /// `telemetry.otlp_endpoint` is not an address.
    #[error("telemetry.otlp_endpoint: {0}")]
    Otlp(#[from] opentelemetry_otlp::ExporterBuildError),
    /// Telemetry was set up before in this process.
    #[error("telemetry is already set up in this process")]
    Twice,
}

/// Flushes what is buffered when dropped. Keep it until the process ends.
#[derive(Debug)]
#[must_use = "traces that are still buffered are lost when the guard is dropped early"]
pub struct TelemetryGuard {
    provider: Option<SdkTracerProvider>,
}

impl Drop for TelemetryGuard {
    fn drop(&mut self) {
        if let Some(provider) = &self.provider
            && let Err(error) = provider.shutdown()
        {
            tracing::warn!(%error, "traces may be lost");
        }
    }
}

/// Sets up logs and, when configured, traces. `service` is the process's kind, `instance` which one of them.
/// `RUST_LOG`, when set, wins over `config.log`. Must be called within a Tokio runtime when traces are on.
///
/// # Errors
/// When a field of `config` is wrong, or when called twice.
pub fn init(
    service: &'static str,
    instance: &str,
    config: &TelemetryConfig,
) -> Result<TelemetryGuard, TelemetryError> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(filter) if !filter.is_empty() => EnvFilter::try_new(filter)?,
        _ => EnvFilter::try_new(&config.log)?,
    };
    let provider = tracer_provider(service, instance, config)?;
    let traces = provider
        .as_ref()
        .map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer(service)));
    let lines = if config.log_json {
        tracing_subscriber::fmt::layer()
            .json()
            .with_writer(std::io::stderr)
            .boxed()
    } else {
        tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(false)
            .boxed()
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .with(traces)
        .try_init()
        .map_err(|_| TelemetryError::Twice)?;
    Ok(TelemetryGuard { provider })
}

fn tracer_provider(
    service: &'static str,
    instance: &str,
    config: &TelemetryConfig,
) -> Result<Option<SdkTracerProvider>, TelemetryError> {
    if !(0.0..=1.0).contains(&config.otlp_sample_ratio) {
        return Err(TelemetryError::SampleRatio(config.otlp_sample_ratio));
    }
    let Some(endpoint) = &config.otlp_endpoint else {
        return Ok(None);
    };
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint.as_str())
        .build()?;
    let resource = Resource::builder()
        .with_service_name(service)
        .with_attribute(KeyValue::new("service.instance.id", instance.to_owned()))
        .build();
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(
            config.otlp_sample_ratio,
        ))))
        .with_resource(resource)
        .build();
    Ok(Some(provider))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_field_is_named_and_traces_are_off_until_configured() {
        let config = TelemetryConfig {
            otlp_sample_ratio: 1.5,
            ..TelemetryConfig::default()
        };
        let error = tracer_provider("t", "1", &config).unwrap_err();
        assert!(error.to_string().starts_with("telemetry.otlp_sample_ratio"));
        let off = tracer_provider("t", "1", &TelemetryConfig::default()).unwrap();
        assert!(off.is_none());
        let config = TelemetryConfig {
            log: "=[".to_owned(),
            ..TelemetryConfig::default()
        };
        assert!(init("t", "1", &config).is_err());
    }
}
