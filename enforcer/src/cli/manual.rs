//! The manual page egress-enforcer(8), generated from the definitions of the command line.

mod events;
mod reference;
mod schema;

use clap::CommandFactory as _;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};

use self::events::entry;
use super::args::{Arguments, DEFAULT_CONFIG};
use super::exit::Exit;
use crate::config::Paths;
use crate::control;
use crate::documents::assert_up_to_date;
use crate::resolver::hosts::HOSTS;

/// The meaning of each exit code.
const EXITS: [(Exit, &str); 3] = [
    (Exit::Done, "Success, or the answer is yes."),
    (
        Exit::No,
        "The answer is no: denied, invalid, a check failed, not enforcing.",
    ),
    (
        Exit::Failed,
        "The command failed; one line on standard error says why.",
    ),
];

const SIGNALS: [(&str, &str); 2] = [
    (
        "SIGHUP",
        "The daemon reloads its configuration and the files that it names. An invalid one is reported, and the policy in force stays.",
    ),
    (
        "SIGTERM, SIGINT",
        "The daemon ends. The policy stays in force, unless it was started with --ephemeral.",
    ),
];

const EXAMPLES: [(&str, &str); 7] = [
    (
        "egress-enforcer run --ephemeral --registry contoso.azurecr.io --region eastus",
        "Enforce until Ctrl-C, without a configuration file.",
    ),
    (
        "egress-enforcer check",
        "Show what the configuration protects and allows, and warn about probable mistakes.",
    ),
    (
        "egress-enforcer explain contosologs.blob.core.windows.net",
        "Show whether this name is reachable on TCP port 443, and which rule decides.",
    ),
    (
        "egress-enforcer explain 20.60.1.1 --unit azuremonitoragent.service",
        "The same for an address and a unit with an exception.",
    ),
    (
        "egress-enforcer events --follow",
        "Print denials as they happen.",
    ),
    (
        "egress-enforcer doctor --registry contoso.azurecr.io --image app:1",
        "Check whether pulls from this registry keep working once you enforce, and how to fix what fails. Exit code 0: they do.",
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

/// The start of every page of `Roff`, which is removed from the second.
const PREAMBLE: &str = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";

/// Writes a subsection for each command that is not hidden, and for its subcommands.
fn commands(page: &mut Roff, parents: &str, parent: &clap::Command) {
    for command in parent.get_subcommands() {
        if command.is_hide_set() || command.get_name() == "help" {
            continue;
        }
        let name = format!("{parents}{}", command.get_name());
        if !command.is_subcommand_required_set() {
            section(page, &name, parent, command);
        }
        commands(page, &format!("{name} "), command);
    }
}

/// Writes the subsection of a command, without the options of all subcommands of its parent.
fn section(page: &mut Roff, name: &str, parent: &clap::Command, command: &clap::Command) {
    page.control("SS", [name]);
    let about = command.get_long_about().or(command.get_about());
    for (index, paragraph) in about.unwrap().to_string().split("\n\n").enumerate() {
        if index > 0 {
            page.control("PP", []);
        }
        page.text([roman(format!("{}.", paragraph.trim_end_matches('.')))]);
    }
    let of_all: Vec<_> = parent
        .get_arguments()
        .filter(|argument| argument.is_global_set())
        .map(clap::Arg::get_id)
        .collect();
    for argument in command.get_arguments() {
        let id = argument.get_id();
        if !argument.is_hide_set() && id != "help" && !of_all.contains(&id) {
            option(page, argument);
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

/// Writes the sections after the commands.
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
    files(page);
    page.control("SH", ["EXAMPLES"]);
    for (command, text) in EXAMPLES {
        entry(page, bold(command), text);
    }
    page.control("SH", ["SEE ALSO"]);
    page.text([
        bold("egress-enforcer.toml"),
        roman("(5), "),
        bold("egress-enforcer-reference"),
        roman("(7), "),
        bold("systemctl"),
        roman("(1)"),
    ]);
}

fn files(page: &mut Roff) {
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
            "The programs and maps in force. They outlive the daemon; a restart of the host or unload removes them.",
        ),
        (
            state.as_path(),
            "Persisted names and addresses, for a start without a network, and the last valid configuration, for a start with an invalid one.",
        ),
        (
            HOSTS.as_ref(),
            "Addresses of allowed names in it count like those in DNS answers, after the same check (alarm hosts-file). Changes are read at once, where nsswitch.conf(5) makes programs use the file.",
        ),
        (
            socket.as_path(),
            &format!(
                "Serves status, events and metrics to root and the group egress-enforcer. Read-only API: only GET is supported. {}",
                connections()
            ),
        ),
    ] {
        entry(page, italic(path.display().to_string()), text);
    }
}

/// Returns the limits of connections to the control socket.
fn connections() -> String {
    let (requests, followers) = (control::server::REQUESTS, control::server::FOLLOWERS);
    format!(
        "A user may have {} connections that wait for a response and {} that follow the events; all users except root together {} and {}. \
         A further connection replaces the oldest one without a request, of the same user or else of the user with the most connections; \
         a further follower is refused. A request must arrive within {} seconds, and its response must be read within {} seconds; \
         unread responses of all users except root may take {} MiB.",
        requests.per_user,
        followers.per_user,
        requests.all_but_root,
        followers.all_but_root,
        control::server::REQUEST_TIMEOUT.as_secs(),
        control::server::ANSWER_TIMEOUT.as_secs(),
        control::server::MAX_UNREAD >> 20,
    )
}

#[test]
fn the_manual_page_is_up_to_date() {
    assert_up_to_date("docs/man/egress-enforcer.8", &page());
}

#[test]
fn every_example_is_a_valid_command_line() {
    for (line, _) in EXAMPLES {
        let words = line.rsplit("&& ").next().unwrap().split_whitespace();
        Arguments::command()
            .try_get_matches_from(words)
            .unwrap_or_else(|error| panic!("{line}: {error}"));
    }
}
