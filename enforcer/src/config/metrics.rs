//! The section `[metrics]`.

use std::net::SocketAddr;

use serde::Deserialize;

use super::faults::Faults;
use super::value::{Listen, Located, Text};

/// The section `[metrics]`: a page for Prometheus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Where the page is served; `None`: on the control socket only.
    pub listen: Option<SocketAddr>,
    /// Whether other hosts may reach it there.
    pub remote: bool,
}

/// A page of metrics for Prometheus, over plain HTTP. The control socket serves the same page to root and the group egress-enforcer.
#[derive(Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawMetrics {
    /// The address and port on which the page `/metrics` is served, to everybody who can connect. It names registries, exceptions and sources.
    ///
    /// Default: none, no port is open.
    #[cfg_attr(test, schemars(example = &"127.0.0.1:9469"))]
    listen: Option<Located<Text<Listen>>>,
    /// Whether `listen` may be an address that other hosts reach.
    #[serde(default)]
    #[cfg_attr(test, schemars(example = &true))]
    remote: bool,
}

impl RawMetrics {
    /// Validates the section.
    pub(super) fn validate(self, faults: &mut Faults) -> Metrics {
        let remote = self.remote;
        let Some(listen) = self.listen else {
            return Metrics {
                listen: None,
                remote,
            };
        };
        let at = listen.span();
        let Text(Listen(address)) = listen.into_inner();
        if !address.ip().to_canonical().is_loopback() && !remote {
            faults.add(
                &at,
                format!(
                    "other hosts reach {}; write \"127.0.0.1:{}\", or add remote = true if a firewall admits only your Prometheus",
                    address.ip(),
                    address.port()
                ),
            );
        }
        Metrics {
            listen: Some(address),
            remote,
        }
    }
}
