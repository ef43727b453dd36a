//! What follows from the configuration: at the start and when it is read again.

use super::fetcher::Fetcher;
use super::log_keeper::LogFailures;
use super::run::Daemon;
use crate::core::{AlarmKind, Event, Reload};

impl Daemon {
    /// Reads the configuration again, with everything that it names and depends on.
    pub(super) fn reload(&mut self) {
        self.service.reloading();
        let shell = &mut self.shell;
        let read = shell.state.sources().reread(&self.options);
        let read = read.map_err(|error| format!("{error:#}"));
        // If it cannot be read, nothing else is used.
        let config = match &read {
            Ok(fresh) => &fresh.config,
            Err(_) => &shell.state.sources().config,
        };
        let hosts = Fetcher::hosts(config);
        let reload = Reload {
            surroundings: shell.host.surroundings(config, !hosts.is_empty()),
            resolvers: shell.host.resolvers.follow(&config.dns.servers),
            hosts,
            read,
        };
        shell.feed(Event::Reload(Box::new(reload)));
        self.follow_metrics();
        self.follow_log();
        self.service.ready(self.shell.state.summary());
    }

    /// Keeps events as the configuration in force wants it.
    pub(super) fn follow_log(&mut self) {
        if self.options.ephemeral {
            return;
        }
        let config = &self.shell.state.sources().config;
        let wanted = (config.paths.state.clone(), config.log.clone());
        if self.log.wanted != wanted {
            // Otherwise it is tried again at the next tick.
            if self.shell.log.keep_in(&wanted.0, &wanted.1) {
                self.log.wanted = wanted;
            }
        }
        self.check_log();
    }

    /// Raises alarms about events that are not kept, and ends them.
    pub(super) fn check_log(&mut self) {
        let failures = self.shell.log.failures();
        if failures != self.log.failures {
            let LogFailures { disk, syslog, otlp } = failures.clone();
            let shell = &mut self.shell;
            shell.feed(Event::Alarm(AlarmKind::EventsUnsaved, disk));
            shell.feed(Event::Alarm(AlarmKind::SyslogFailing, syslog));
            shell.feed(Event::Alarm(AlarmKind::OtlpFailing, otlp));
            self.log.failures = failures;
        }
    }

    /// Serves the metrics where the configuration in force wants them.
    pub(super) fn follow_metrics(&mut self) {
        let listen = self.shell.state.sources().config.metrics.listen;
        let alarm = self.metrics.follow(listen);
        self.shell
            .feed(Event::Alarm(AlarmKind::MetricsUnserved, alarm));
    }
}
