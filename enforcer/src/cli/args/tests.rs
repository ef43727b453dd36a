use clap::CommandFactory as _;
use clap::error::ErrorKind;

use super::*;

fn parse(line: &str) -> Result<Arguments, ErrorKind> {
    let words = std::iter::once("egress-enforcer").chain(line.split_ascii_whitespace());
    Arguments::try_parse_from(words).map_err(|error| error.kind())
}

#[test]
fn the_command_line_is_consistent() {
    Arguments::command().debug_assert();
    let help = Arguments::command().render_help().to_string();
    assert!(help.contains(DEFAULT_CONFIG), "{help}");
}

#[test]
fn config_is_valid_before_and_after_the_command() {
    for line in ["--config a.toml check", "check --config a.toml"] {
        let config = parse(line).unwrap().config;
        assert_eq!(config, Some(PathBuf::from("a.toml")), "{line}");
    }
}

#[test]
fn a_region_without_a_registry_is_an_error() {
    for line in [
        "run --ephemeral --region eastus",
        "run --ephemeral --data-endpoint contoso.eastus.data.azurecr.io",
    ] {
        assert_eq!(
            parse(line).unwrap_err(),
            ErrorKind::MissingRequiredArgument,
            "{line}"
        );
    }
}

#[test]
fn a_user_needs_one_password_and_an_image() {
    let image = "doctor --registry contoso --image app:1";
    for line in [
        "doctor --image app:1",
        "doctor --registry contoso --username u --password-stdin",
        &format!("{image} --username u"),
        &format!("{image} --password-stdin"),
    ] {
        assert_eq!(
            parse(line).unwrap_err(),
            ErrorKind::MissingRequiredArgument,
            "{line}"
        );
    }
    let twice = format!("{image} --username u --password-stdin --password-file f");
    assert_eq!(parse(&twice).unwrap_err(), ErrorKind::ArgumentConflict);
    assert!(parse(&format!("{image} --username u --password-file f")).is_ok());
    assert!(parse(image).is_ok());
}

#[test]
fn a_wildcard_is_not_a_registry() {
    let refused = parse("run --ephemeral --registry *.azurecr.io").unwrap_err();
    assert_eq!(refused, ErrorKind::ValueValidation);
}

#[test]
fn unknown_words_are_errors() {
    assert_eq!(parse("statsu").unwrap_err(), ErrorKind::InvalidSubcommand);
    assert_eq!(
        parse("explain 1.2.3.4 --name a.io").unwrap_err(),
        ErrorKind::UnknownArgument
    );
    assert_eq!(
        parse("explain 1.2.3.4 --proto sctp").unwrap_err(),
        ErrorKind::InvalidValue
    );
    assert_eq!(
        parse("explain 1.2.3.4 --port 65536").unwrap_err(),
        ErrorKind::ValueValidation
    );
    assert_eq!(
        parse("tags bundle f.json --cloud moon").unwrap_err(),
        ErrorKind::ValueValidation
    );
}

#[test]
fn conditions_on_events_are_valid_before_and_after_top() {
    for line in [
        "events --unit a.service --since 5m top -n 3",
        "events top --unit a.service --since 5m -n 3 --json",
    ] {
        let Command::Events(args) = parse(line).unwrap().command else {
            panic!("{line}");
        };
        assert_eq!(args.selection.unit.as_deref(), Some("a.service"), "{line}");
        assert!(matches!(
            args.command,
            Some(EventsCommand::Top { limit: 3 })
        ));
        assert_ne!(args.selection.since, Since::Event(0), "{line}");
    }
    assert_eq!(
        parse("events --reason strange").unwrap_err(),
        ErrorKind::ValueValidation
    );
}

#[test]
fn an_event_takes_the_place_of_a_destination() {
    assert!(parse("explain --event 9").is_ok() && parse("explain --last --json").is_ok());
    assert_eq!(
        parse("explain").unwrap_err(),
        ErrorKind::MissingRequiredArgument
    );
    for line in [
        "explain --last 1.2.3.4",
        "explain --event 9 --port 443",
        "explain --last --event 1",
    ] {
        assert_eq!(
            parse(line).unwrap_err(),
            ErrorKind::ArgumentConflict,
            "{line}"
        );
    }
}
