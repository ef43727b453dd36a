//! Network devices in the status text.

use std::collections::BTreeMap;

use enforcer_common::Hook;

use crate::cli::format::or_dash;
use crate::config::FramesMode;
use crate::core::Status;

/// Returns whether network devices have filters, how many, and what was denied there.
pub(super) fn frames(status: &Status) -> String {
    let mode = status.frames.word();
    if status.frames == FramesMode::Off {
        return mode.to_owned();
    }
    let mut counts = BTreeMap::<&str, usize>::new();
    for device in &status.devices {
        *counts.entry(device.state.word()).or_default() += 1;
    }
    let counts = counts
        .iter()
        .map(|(state, count)| format!("{count} {state}"));
    let counts: Vec<_> = counts.collect();
    let mut text = format!("{mode}: {}", or_dash(counts.join(", ")));
    for (verdict, word) in [("deny", "denied"), ("audit", "audited")] {
        let frames = status.counters.judged_at(Hook::Device.word(), verdict);
        if frames > 0 {
            text.push_str(&format!("; {frames} frames {word}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use crate::cli::status::StatusReport;
    use crate::config::FramesMode;
    use crate::core::{AuditedDestination, Count};
    use crate::doctor::test_data;

    #[test]
    fn devices_are_counted_and_listed() {
        let mut status = test_data::status();
        status.frames = FramesMode::On;
        status.devices = test_data::devices();
        let denied = |verdict: &str, count| Count {
            hook: "device".to_owned(),
            reason: "storage".to_owned(),
            verdict: verdict.to_owned(),
            count,
            attempts: 1,
        };
        status
            .counters
            .counts
            .extend([denied("deny", 5), denied("allow", 7)]);
        let text = StatusReport::of_daemon(status).to_string();
        let expected = "  frames     on: 1 filtered, 1 skipped, 1 unfiltered; 5 frames denied\n";
        assert!(text.contains(expected), "{text}");
        let table = "
  DEVICE  STATE
  lo      skipped: loopback
  eth0    filtered; filters restored at 2026-01-01T00:08:00Z; forwards for others: denied frames are reported, and pass
  ib0     unfiltered: frames of type 32 cannot be read
";
        assert!(text.contains(table), "{text}");
    }

    #[test]
    fn what_enforcement_would_cut_is_listed() {
        let mut status = test_data::status();
        assert!(
            !StatusReport::of_daemon(status.clone())
                .to_string()
                .contains("WOULD BE")
        );
        status.audited = vec![AuditedDestination {
            destination: "2001:db8::4".parse().unwrap(),
            port: Some(443),
            protocol: "tcp".to_owned(),
            reason: "storage".to_owned(),
            device: Some("eth0".to_owned()),
            frames: 12,
            last: status.started,
        }];
        let text = StatusReport::of_daemon(status).to_string();
        let table = "
  WOULD BE DENIED    PROTOCOL  REASON   DEVICE  FRAMES  LAST
  [2001:db8::4]:443  tcp       storage  eth0    12      2026-01-01T00:00:00Z
";
        assert!(text.contains(table), "{text}");
    }
}
