//! The page in the format of Prometheus before OpenMetrics.

/// Returns an OpenMetrics page as Prometheus text, version 0.0.4: counters are described by the name of their samples, and there are neither
/// info metrics nor an end mark.
///
/// <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>
pub fn prometheus_text(page: &str) -> String {
    let mut text = String::with_capacity(page.len());
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(described) = line.strip_prefix("# HELP ") else {
            if !line.starts_with("# EOF") {
                text.push_str(line);
                text.push('\n');
            }
            continue;
        };
        let kind = lines.peek().and_then(|next| next.strip_prefix("# TYPE "));
        let (name, help) = described.split_once(' ').unwrap_or((described, ""));
        let kind = kind.and_then(|kind| kind.strip_prefix(name)).map(str::trim);
        let (suffix, kind) = match kind {
            Some("counter") => ("_total", "counter"),
            Some("info") => ("_info", "gauge"),
            Some(kind) => ("", kind),
            None => ("", "untyped"),
        };
        text.push_str(&format!(
            "# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}\n"
        ));
        lines.next_if(|next| next.starts_with("# TYPE "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::metrics;
    use crate::core::test_data::status;

    #[test]
    fn counters_and_infos_are_described_by_their_samples() {
        let page = "\
# HELP a Some.
# TYPE a counter
a_total{b=\"# TYPE\"} 3
# HELP i Info.
# TYPE i info
i_info 1
# HELP g Gauge.
# TYPE g gauge
# EOF
";
        let expected = "\
# HELP a_total Some.
# TYPE a_total counter
a_total{b=\"# TYPE\"} 3
# HELP i_info Info.
# TYPE i_info gauge
i_info 1
# HELP g Gauge.
# TYPE g gauge
";
        assert_eq!(prometheus_text(page), expected);
    }

    #[test]
    fn both_pages_have_the_same_samples() {
        let page = metrics(&status());
        let samples = |page: &str| {
            let samples = page.lines().filter(|line| !line.starts_with('#'));
            samples.map(str::to_owned).collect::<Vec<_>>()
        };
        assert!(samples(&page).len() > 20);
        assert_eq!(samples(&prometheus_text(&page)), samples(&page));
    }
}
