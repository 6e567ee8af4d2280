//! Work that waits for a disk or takes long, off the async workers.
//!
//! Owns: the one door to blocking threads. Must never: be passed by; a simulation has one thread and runs the work in place.

use tokio::task::JoinError;

/// Runs `work` on a thread that may block; an error means that it panicked.
pub(crate) async fn run<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    #[cfg(feature = "simulation")]
    if crate::simulation::is_running() {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await
}
