//! What a process has used, as the kernel counts it.
//!
//! Owns: reading `/proc`. Must never: ask the process itself.

use std::time::Duration;

use anyhow::Context;

/// `/proc` counts processor time in these; the kernel has shown 100 a second to programs on every architecture since 2.6.
const TICK: Duration = Duration::from_millis(10);

/// Usage of one process at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Processor time, user and system, of all threads.
    pub(super) cpu: Duration,
    /// Resident memory, bytes.
    pub(super) resident_bytes: u64,
}

impl Usage {
    /// Of a process by id.
    ///
    /// # Errors
    /// When it is gone.
    pub(super) fn of(pid: u32) -> anyhow::Result<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
        let stat = stat.with_context(|| format!("process {pid} cannot be asked"))?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        parse(&stat, &status).with_context(|| format!("/proc/{pid}/stat is not understood"))
    }

    /// Of this program: the generator.
    pub(super) fn own() -> anyhow::Result<Self> {
        Self::of(std::process::id())
    }
}

fn parse(stat: &str, status: &str) -> Option<Usage> {
    // The name, in parentheses, may hold spaces and parentheses itself; the fields after it are counted from its end.
    let (_, after_name) = stat.rsplit_once(") ")?;
    let mut fields = after_name.split(' ');
    let user: u32 = fields.nth(11)?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let resident_kib: u64 = resident
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or(0);
    Some(Usage {
        cpu: TICK * user.saturating_add(system),
        resident_bytes: resident_kib * 1_024,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "42 (a (b) c) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 8 0 1000 1 1";
        let usage = parse(stat, "Name:\tx\nVmRSS:\t    2048 kB\n").unwrap();
        assert_eq!(usage.cpu, Duration::from_secs(3));
        assert_eq!(usage.resident_bytes, 2 << 20);
        assert!(parse("42 (x) S 1", "").is_none());
    }

    #[test]
    fn this_process_has_memory() {
        assert!(Usage::own().unwrap().resident_bytes > 0);
    }
}
