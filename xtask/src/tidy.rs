//! Stub.
pub(crate) fn check(_: &std::path::Path) -> anyhow::Result<Vec<String>> {
    Ok(vec![])
}
