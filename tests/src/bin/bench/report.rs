//! The report, in Markdown.

use std::fmt::{self, Display, Formatter};

use crate::{
    daemon::Figures,
    stats::{Paired, spread},
};

const MIB: f64 = 1024.0 * 1024.0;
/// Budgets: bytes of the binary, KiB in memory, milliseconds to enforcing.
const BINARY: f64 = 8.0;
const RESIDENT: f64 = 16.0;
const START: f64 = 300.0;

/// Returns the report on `figures`, produced by `command`.
pub(crate) fn write(figures: &Figures, command: &str) -> String {
    Report { figures, command }.to_string()
}

struct Report<'a> {
    figures: &'a Figures,
    command: &'a str,
}

impl Display for Report<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        writeln!(out, "# What it costs\n")?;
        writeln!(
            out,
            "Made by `{}`, which takes about three minutes.\n",
            self.command
        )?;
        self.machine(out)?;
        self.budgets(out)?;
        self.packets(out)?;
        write!(out, "{}", self.figures.handshakes)?;
        write!(out, "{}", self.figures.devices)?;
        self.calls(out)?;
        write!(out, "{}", self.figures.names)?;
        self.tables(out)
    }
}

impl Report<'_> {
    fn machine(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let machine = &self.figures.machine;
        writeln!(
            out,
            "Linux {}, {} × {}, `bpf_jit_enable` {}, Spectre v2: {}. Load average at the start: {}.\n",
            machine.kernel,
            machine.processors,
            machine.processor,
            machine.jit,
            machine.spectre,
            machine.load
        )?;
        writeln!(
            out,
            "Figures of one machine say little about another; differences and ratios within one run say more. Each cost below was\n\
             measured between two measurements without it. *Noise* is the difference between those two, so of nothing: a cost below\n\
             its spread cannot be distinguished from zero. Quartiles are in brackets.\n"
        )
    }

    fn budgets(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let figures = self.figures;
        let (early, late) = (figures.memory_at_start, figures.memory_later);
        let mib = |kib: u64| kib as f64 / 1024.0;
        let linking = if figures.is_static {
            "static"
        } else {
            "NOT static"
        };
        let [fast, median, slow] = figures.start;
        writeln!(
            out,
            "## Size, memory, start\n\n| what | measured | budget | |\n|---|---|---|---|"
        )?;
        let binary = figures.binary as f64 / MIB;
        row(
            out,
            &format!("release binary, {linking}, with programs and service tags"),
            binary,
            "MiB",
            BINARY,
        )?;
        row(
            out,
            "resident memory (`VmRSS`) once enforcing",
            mib(early.all),
            "MiB",
            RESIDENT,
        )?;
        row(
            out,
            "the same a minute later, after the measurements below",
            mib(late.all),
            "MiB",
            RESIDENT,
        )?;
        row(
            out,
            "of that, private to the process",
            mib(late.private),
            "MiB",
            RESIDENT,
        )?;
        row(
            out,
            &format!("`exec` to enforcing, nothing pinned before [{fast:.0}–{slow:.0}]"),
            median,
            "ms",
            START,
        )?;
        writeln!(
            out,
            "\nA start takes {:.0} ms of processor time; the remainder is waiting for a processor or for the kernel to switch tables.\n",
            figures.start_processor
        )
    }

    fn packets(&self, out: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "## Per packet, in the kernel\n\n\
             `BPF_PROG_TEST_RUN` of the attached egress program, counters included, over a program that does nothing ({:.0} ns a run,\n\
             most of it the loop). The trie is a bare look-up of the same prefixes in an `LPM_TRIE`, without a verdict. A loop keeps\n\
             tables in the cache, so both are lower bounds; the trie's, which follows pointers, more so.\n\n\
             | destination | enforcer, ns | noise | trie look-up, ns |\n|---|---|---|---|",
            self.figures
                .packets
                .first()
                .map_or(f64::NAN, |cost| cost.enforcer.without)
        )?;
        for cost in &self.figures.packets {
            let trie = cost
                .trie
                .as_ref()
                .map_or("–".to_owned(), |trie| spread(trie.added));
            let (added, noise) = (spread(cost.enforcer.added), spread(cost.enforcer.noise));
            writeln!(out, "| {} | {added} | {noise} | {trie} |", cost.title)?;
        }
        writeln!(out)
    }

    fn calls(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let traffic = &self.figures.traffic;
        writeln!(
            out,
            "## Per call, as a sender sees it\n\n\
             One process, one network namespace, two sockets: one created in a governed cgroup, one outside it. Datagrams of 64 bytes\n\
             by `sendmmsg` over a veth pair pass both hooks, `sendmsg4` and `egress`.\n\n\
             | call | without, ns | added, ns | ratio | noise, ns |\n|---|---|---|---|---|"
        )?;
        call(
            out,
            "datagram to one of 1,024 addresses elsewhere",
            &traffic.elsewhere,
        )?;
        call(out, "datagram next to a storage prefix", &traffic.near)?;
        call(
            out,
            "`connect` of a datagram socket to an allowed address",
            &traffic.connect,
        )?;
        let microseconds = traffic.denied / 1000.0;
        writeln!(
            out,
            "\nA TCP `connect` to a storage address fails with `EPERM` after {microseconds:.1} µs (median).\n"
        )
    }

    fn tables(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let (sizes, maps) = (&self.figures.sizes, &self.figures.maps);
        let kib = |bytes: u64| bytes as f64 / 1024.0;
        writeln!(
            out,
            "## Tables\n\n\
             The bundle of {} (change number {}): {} IPv4 prefixes in {} blocks of 512 bytes, {} IPv6 prefixes in {} rows of 24 bytes.\n",
            sizes.date,
            sizes.change_number,
            sizes.v4_prefixes,
            sizes.blocks,
            sizes.v6_prefixes,
            sizes.rows
        )?;
        writeln!(out, "| map | kernel memory, KiB |\n|---|---|")?;
        for (name, bytes) in maps {
            writeln!(out, "| `{name}` | {:.0} |", kib(*bytes))?;
        }
        let all = maps.iter().map(|(_, bytes)| bytes).sum();
        writeln!(out, "| all | {:.0} |\n", kib(all))?;
        writeln!(
            out,
            "A switch to another generation takes {:.1} ms: the call returns when no program uses the previous one. From `SIGHUP` until\n\
             packets are judged by a changed set, everything included, it takes {:.0} ms (medians).",
            self.figures.switch, self.figures.reload
        )
    }
}

fn row(out: &mut Formatter<'_>, what: &str, value: f64, unit: &str, budget: f64) -> fmt::Result {
    let judged = if value < budget { "within" } else { "OVER" };
    let digits = usize::from(unit == "MiB");
    writeln!(
        out,
        "| {what} | {value:.digits$} {unit} | {budget} {unit} | {judged} |"
    )
}

fn call(out: &mut Formatter<'_>, what: &str, paired: &Paired) -> fmt::Result {
    let (added, noise) = (spread(paired.added), spread(paired.noise));
    writeln!(
        out,
        "| {what} | {:.0} | {added} | {:.2} | {noise} |",
        paired.without,
        paired.ratio()
    )
}
