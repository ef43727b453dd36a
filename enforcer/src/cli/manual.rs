//! egress-enforcer(8), from the definitions that the command line is read with.

mod events;

use clap::CommandFactory as _;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use super::args::{Arguments, DEFAULT_CONFIG};
use super::exit::Exit;
use crate::config::Paths;
use crate::control;
use crate::documents::keep;
use crate::resolver::hosts::HOSTS;

/// What each exit code says.
const EXITS: [(Exit, &str); 3] = [
    (Exit::Done, "Done, or the answer is yes."),
    (
        Exit::No,
        "The answer is no: denied, invalid, unfit, not enforcing.",
    ),
    (
        Exit::Failed,
        "It could not be done; one line on standard error says why.",
    ),
];

const SIGNALS: [(&str, &str); 2] = [
    (
        "SIGHUP",
        "The daemon reads its configuration and the files that it names again. One that is invalid is reported, and what is in force stays.",
    ),
    (
        "SIGTERM, SIGINT",
        "The daemon ends. What it loaded stays in force, unless it was started with --ephemeral.",
    ),
];

const EXAMPLES: [(&str, &str); 7] = [
    (
        "egress-enforcer run --ephemeral --registry contoso.azurecr.io --region eastus",
        "Enforce until Ctrl-C, without a configuration.",
    ),
    (
        "egress-enforcer check",
        "Say what the configuration would do, and what in it is probably not meant.",
    ),
    (
        "egress-enforcer explain contosologs.blob.core.windows.net",
        "Say whether that is reachable on TCP port 443, and which rule says so.",
    ),
    (
        "egress-enforcer explain 20.60.1.1 --unit azuremonitoragent.service",
        "The same for a unit with an exception.",
    ),
    (
        "egress-enforcer events --follow",
        "Print refusals as they happen.",
    ),
    (
        "egress-enforcer doctor --registry contoso.azurecr.io --image app:1",
        "Say whether pulls from that registry live with enforcement, and what to do where they do not.",
    ),
    (
        "systemctl stop egress-enforcer && egress-enforcer unload",
        "End enforcement.",
    ),
];

fn page() -> String {
    let mut command = Arguments::command();
    command.build();
    let man = Man::new(command.clone().disable_help_subcommand(true));
    let mut title = Roff::new();
    title.control("TH", ["egress-enforcer", "8"]);
    let mut top = title.to_roff().into_bytes();
    man.render_name_section(&mut top).unwrap();
    man.render_synopsis_section(&mut top).unwrap();
    man.render_options_section(&mut top).unwrap();
    let mut page = Roff::new();
    page.control("SH", ["COMMANDS"]);
    commands(&mut page, "", &command);
    rest(&mut page);
    let top = String::from_utf8(top).unwrap();
    format!("{top}{}", page.to_roff().trim_start_matches(PREAMBLE))
}

/// What `Roff` begins every page with: once is enough.
const PREAMBLE: &str = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";

/// One subsection for each command that is shown, with those below it.
fn commands(page: &mut Roff, parents: &str, command: &clap::Command) {
    for command in command.get_subcommands() {
        if command.is_hide_set() || command.get_name() == "help" {
            continue;
        }
        let name = format!("{parents}{}", command.get_name());
        if command.has_subcommands() {
            commands(page, &format!("{name} "), command);
            continue;
        }
        page.control("SS", [name.as_str()]);
        let about = command.get_long_about().or(command.get_about());
        for (index, paragraph) in about.unwrap().to_string().split("\n\n").enumerate() {
            if index > 0 {
                page.control("PP", []);
            }
            page.text([roman(format!("{}.", paragraph.trim_end_matches('.')))]);
        }
        for argument in command.get_arguments() {
            if !argument.is_hide_set() && !argument.is_global_set() && argument.get_id() != "help" {
                option(page, argument);
            }
        }
    }
}

fn option(page: &mut Roff, argument: &clap::Arg) {
    page.control("TP", []);
    let short = argument.get_short().map(|short| format!("-{short}, "));
    let long = argument.get_long().map(|long| format!("--{long} "));
    let mut line = vec![
        bold(short.unwrap_or_default()),
        bold(long.unwrap_or_default()),
    ];
    if argument.get_action().takes_values() {
        line.push(italic(value_name(argument)));
    }
    page.text(line);
    let mut text = format!("{}.", argument.get_help().unwrap());
    let possible = argument.get_possible_values();
    if !possible.is_empty() {
        let names: Vec<&str> = possible.iter().map(|value| value.get_name()).collect();
        text = format!("{text} One of: {}.", names.join(", "));
    }
    let takes_value = argument.get_action().takes_values();
    if let Some(default) = argument
        .get_default_values()
        .first()
        .filter(|_| takes_value)
    {
        text = format!("{text} Default: {}.", default.display());
    }
    page.text([roman(text)]);
}

fn value_name(argument: &clap::Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    names
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" ")
}

fn rest(page: &mut Roff) {
    page.control("SH", ["EXIT STATUS"]);
    for (exit, text) in EXITS {
        entry(page, bold((exit as u8).to_string()), text);
    }
    events::sections(page);
    page.control("SH", ["SIGNALS"]);
    for (signal, text) in SIGNALS {
        entry(page, bold(signal), text);
    }
    page.control("SH", ["FILES"]);
    let Paths {
        pins,
        state,
        runtime,
    } = Paths::default();
    let socket = control::socket_path(&runtime);
    for (path, text) in [
        (
            DEFAULT_CONFIG.as_ref(),
            "The configuration, egress-enforcer.toml(5).",
        ),
        (
            pins.as_path(),
            "What is in force: programs and maps. It outlives the daemon, and goes with a restart of the host or with unload.",
        ),
        (
            state.as_path(),
            "Names and addresses that were learnt, for a start without a network, and the last valid configuration, for one with an invalid.",
        ),
        (
            HOSTS.as_ref(),
            "Addresses that it gives allowed names count like those of DNS answers, and are held to the same check (alarm hosts-file). It is read again whenever it changes, where nsswitch.conf(5) has programs read it.",
        ),
        (
            socket.as_path(),
            &format!(
                "Where status, events and metrics are asked for, by root and the group egress-enforcer. It takes no orders. {}",
                connections()
            ),
        ),
    ] {
        entry(page, italic(path.display().to_string()), text);
    }
    page.control("SH", ["EXAMPLES"]);
    for (command, text) in EXAMPLES {
        entry(page, bold(command), text);
    }
    page.control("SH", ["SEE ALSO"]);
    page.text([
        bold("egress-enforcer.toml"),
        roman("(5), "),
        bold("systemctl"),
        roman("(1)"),
    ]);
}

/// The bounds of connections to the control socket.
fn connections() -> String {
    let (requests, followers) = (control::server::REQUESTS, control::server::FOLLOWERS);
    format!(
        "A user may have {} connections that wait for an answer and {} that follow the events; all users but root together {} and {}, and \
         root's are not among these. A connection beyond that takes the place of the user's (or of the user with the most) oldest one that \
         has sent no request; one more that follows is refused. A request has to arrive within {} seconds, and its answer has to be read \
         within {}; of all users but root, {} MiB of answers may wait for that.",
        requests.per_user,
        followers.per_user,
        requests.all_but_root,
        followers.all_but_root,
        control::server::REQUEST_TIMEOUT.as_secs(),
        control::server::ANSWER_TIMEOUT.as_secs(),
        control::server::MAX_UNREAD >> 20,
    )
}

fn entry(page: &mut Roff, head: Inline, text: &str) {
    page.control("TP", []);
    page.text([head]);
    page.text([roman(text)]);
}

#[test]
fn the_manual_page_is_made_from_the_definitions() {
    keep("docs/man/egress-enforcer.8", &page());
}

#[test]
fn every_example_is_a_command_line_that_is_understood() {
    for (line, _) in EXAMPLES {
        let words = line.rsplit("&& ").next().unwrap().split_whitespace();
        Arguments::command()
            .try_get_matches_from(words)
            .unwrap_or_else(|error| panic!("{line}: {error}"));
    }
}
