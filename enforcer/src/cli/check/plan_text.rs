//! The plan as text.

use std::fmt::{Display, Formatter, Result};

use super::plan::{Plan, ProtectedSet};
use crate::cli::format::{instant, kind, list, or_dash};
use crate::cli::table::Table;
use crate::config::{DEVICE_BYPASS, DefaultAction, FramesMode, Mode};
use crate::printable;

impl Display for Plan {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        writeln!(formatter, "{}: valid", self.config.display())?;
        let mode = match self.mode {
            Mode::Enforce => "enforce: what is denied is dropped",
            Mode::Audit => "audit: what is denied is reported, nothing is dropped",
        };
        let default = match self.default {
            DefaultAction::Allow => "allow what is not protected",
            DefaultAction::Deny => "deny what is not allowed",
        };
        let scope = self.scope.as_ref();
        let scope = scope.map_or("every process (the cgroup v2 root)".to_owned(), |scope| {
            scope.display().to_string()
        });
        let mut facts = Table::headless(2);
        facts.row(["mode".to_owned(), mode.to_owned()]);
        facts.row(["scope".to_owned(), scope]);
        facts.row(["default".to_owned(), default.to_owned()]);
        if self.frames != FramesMode::Off {
            facts.row(["frames".to_owned(), self.frames()]);
        }
        write!(formatter, "{facts}\n{}\n{}", self.protected, self.allowed())?;
        if !self.exceptions.is_empty() {
            write!(formatter, "\n{}", self.exceptions())?;
        }
        if !self.warnings.is_empty() {
            writeln!(formatter)?;
        }
        for warning in &self.warnings {
            writeln!(formatter, "warning: {}", printable::line(warning))?;
        }
        Ok(())
    }
}

impl Display for ProtectedSet {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        let date = self.date.as_deref().unwrap_or("date not known");
        let age = self
            .age_days
            .map_or(String::new(), |days| format!(", {days} days old"));
        writeln!(
            formatter,
            "protected (cloud {}; {}: change {}, {date}{age})",
            self.cloud, self.source, self.change_number
        )?;
        let mut tags = Table::new(2, ["SERVICE TAG", "IPV4 PREFIXES", "IPV6 PREFIXES"]);
        for tag in &self.tags {
            let counts = [tag.ipv4_prefixes, tag.ipv6_prefixes].map(|count| count.to_string());
            let [ipv4, ipv6] = counts;
            tags.row([tag.name.clone(), ipv4, ipv6]);
        }
        write!(formatter, "{tags}")?;
        if !self.cidrs.is_empty() {
            writeln!(formatter, "  and {}", list(&self.cidrs))?;
        }
        Ok(())
    }
}

impl Plan {
    /// The devices that have filters.
    fn frames(&self) -> String {
        let devices = match self.interfaces.is_empty() {
            true => "every network device".to_owned(),
            false => list(&self.interfaces),
        };
        format!("{}: {devices}", self.frames.word())
    }

    fn allowed(&self) -> String {
        if self.allowed.is_empty() {
            return "allowed: no name\n".to_owned();
        }
        let mut names = Table::new(2, ["NAME", "KIND", "FROM"]);
        for allowed in &self.allowed {
            let kind = kind(Some(allowed.kind)).to_owned();
            names.row([allowed.name.clone(), kind, allowed.origin.clone()]);
        }
        format!("allowed\n{names}")
    }

    fn exceptions(&self) -> String {
        let mut exceptions = Table::new(2, ["FOR", "UNTIL", "NAMES", "PREFIXES", "REASON"]);
        for exception in &self.exceptions {
            let bypass = exception.device_bypass.then(|| DEVICE_BYPASS.to_owned());
            let prefixes = exception
                .cidrs
                .iter()
                .map(ToString::to_string)
                .chain(bypass);
            let ended = if exception.ended { " (ended)" } else { "" };
            exceptions.row([
                exception.target.clone(),
                format!("{}{ended}", instant(exception.until)),
                or_dash(list(&exception.names)),
                or_dash(list(prefixes)),
                exception.reason.clone(),
            ]);
        }
        format!("exceptions\n{exceptions}")
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::check::plan::tests::{CONFIG, plan_of};

    #[test]
    fn the_text_has_what_is_protected_allowed_and_excepted() {
        let mut plan = plan_of(CONFIG, "2026-07-23T00:00:00Z");
        plan.config = "/etc/config.toml".into();
        plan.protected.tags.truncate(1);
        (
            plan.protected.tags[0].ipv4_prefixes,
            plan.protected.tags[0].ipv6_prefixes,
        ) = (7, 3);
        let expected = "\
/etc/config.toml: valid
  mode     enforce: what is denied is dropped
  scope    /sys/fs/cgroup/plant.slice
  default  allow what is not protected

protected (cloud public; the bundle in the binary: change 403, 2026-06-22, 31 days old)
  SERVICE TAG  IPV4 PREFIXES  IPV6 PREFIXES
  Storage      7              3
  and 198.51.100.0/24

allowed
  NAME                            KIND   FROM
  contoso.azurecr.io              login  configuration
  contoso.eastus.data.azurecr.io  data   region eastus
  bare.azurecr.io                 login  configuration

exceptions
  FOR                 UNTIL                 NAMES                       PREFIXES        REASON
  unit agent.service  2027-01-31T00:00:00Z  logs.blob.core.windows.net  203.0.113.0/24  logs

warning: bare.azurecr.io: no data endpoint is named, so no layer can be pulled; add regions, data-endpoints or endpoints-file
";
        assert_eq!(plan.to_string(), expected);
    }

    #[test]
    fn devices_with_filters_are_a_fact() {
        let frames = |keys: &str| {
            let text = format!("{CONFIG}[frames]\n{keys}\n");
            plan_of(&text, "2026-07-23T00:00:00Z").to_string()
        };
        let named = frames("mode = \"audit\"\ninterfaces = [\"eth0\", \"veth*\"]");
        assert!(named.contains("  frames   audit: eth0 veth*\n"), "{named}");
        let all = frames("mode = \"on\"");
        assert!(
            all.contains("  frames   on: every network device\n"),
            "{all}"
        );
    }
}
