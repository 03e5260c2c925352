//! What a process uses, as `/proc` counts it.

use std::fs;
use std::time::Duration;

/// The most memory the process ever had resident, in KiB.
pub fn peak_memory_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))
        .unwrap_or_else(|error| panic!("process {pid}: {error}"));
    field(&status, "VmHWM:").unwrap_or_else(|| panic!("no VmHWM of {pid} in {status}"))
}

/// How often the process was put on a processor and taken off again, all threads together: it
/// stands still exactly while nothing wakes the process. `None` once it is gone.
pub fn context_switches(pid: u32) -> Option<u64> {
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
        let status = fs::read_to_string(thread.path().join("status")).ok()?;
        sum += field(&status, "voluntary_ctxt_switches:")?;
        sum += field(&status, "nonvoluntary_ctxt_switches:")?;
    }
    Some(sum)
}

/// Processor time, user and system.
pub fn processor_time(pid: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it may hold spaces and parentheses.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
    let per_second = rustix::param::clock_ticks_per_second();
    let ticks = ticks(11)? + ticks(12)?;
    Some(Duration::from_millis(ticks * 1000 / per_second))
}

/// Bytes the process has handed to `write` so far, delivered or not yet read by anybody.
pub fn bytes_written(pid: u32) -> Option<u64> {
    let io = fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    field(&io, "wchar:")
}

/// The number behind `name` at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_at_the_beginning_of_a_line_only() {
        let text =
            "nonvoluntary_ctxt_switches:\t7\nvoluntary_ctxt_switches:\t12\nVmHWM:\t  90 kB\n";
        assert_eq!(field(text, "voluntary_ctxt_switches:"), Some(12));
        assert_eq!(field(text, "VmHWM:"), Some(90));
        assert_eq!(field(text, "VmRSS:"), None);
    }

    #[test]
    fn a_process_counts_for_itself() {
        let own = std::process::id();
        assert!(peak_memory_kib(own) > 100);
        assert!(context_switches(own).is_some());
        assert!(processor_time(own).is_some());
        let before = bytes_written(own).unwrap();
        fs::write("/dev/null", [0; 1000]).unwrap();
        assert!(bytes_written(own).unwrap() >= before + 1000);
    }
}
