//! The program of a process, from `/proc`.

use std::fs;
use std::path::PathBuf;

use crate::printable;

/// The unit of times in `/proc/PID/stat`: `USER_HZ` is 100 on x86_64 and aarch64, so a tick has this many nanoseconds.
const TICK: u64 = 10_000_000;

/// Returns the program of process `pid`, if it still runs. `moment` (nanoseconds since boot) is when the process was seen: one that started
/// later only reuses the id.
pub(super) fn executable(pid: u32, moment: u64) -> Option<PathBuf> {
    let path = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    // Read after the link, so that reuse of the id in between is detected.
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    (started(&stat)? <= moment).then(|| printable::path(&path))
}

/// Parses the start time of a process, in nanoseconds since boot rounded down to a tick: field 22 of `/proc/PID/stat` (proc_pid_stat(5)).
/// Fields are counted from the last parenthesis, because the command before it may contain spaces and parentheses.
fn started(stat: &[u8]) -> Option<u64> {
    let command_end = stat.iter().rposition(|byte| *byte == b')')?;
    let fields = str::from_utf8(&stat[command_end + 1..]).ok()?;
    let ticks: u64 = fields.split_ascii_whitespace().nth(22 - 3)?.parse().ok()?;
    ticks.checked_mul(TICK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_time_is_parsed_after_any_command() {
        let fields = " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4321 99 98";
        for command in [&b"42 (curl)"[..], b"42 (a) S 1 2 (b)", b"42 (\xff\xfe\n)"] {
            let stat = [command, fields.as_bytes()].concat();
            assert_eq!(started(&stat), Some(4321 * TICK));
        }
        assert_eq!(started(b"42 (curl) S 1 2"), None);
        assert_eq!(started(b""), None);
    }

    #[test]
    fn a_process_that_started_after_the_event_is_not_identified() {
        let own = std::process::id();
        assert!(executable(own, u64::MAX).is_some());
        assert_eq!(executable(own, 0), None);
    }
}
