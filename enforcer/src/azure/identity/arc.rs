//! The identity of an Azure Arc-enabled server: its agent issues tokens to processes that can read a secret file of the agent.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};

use super::environment::{CredentialSettings, Environment};
use super::imds::{METADATA, TRUE};
use super::token::{read, refused};
use super::{CredentialProblem, Token};
use crate::https::{Client, Request, Response, Url, encoded};

/// The agent's default URL.
const ENDPOINT: &str = "http://localhost:40342/metadata/identity/oauth2/token";
/// The largest secret file that is read, in bytes.
const MAX_SECRET: u64 = 4096;
const SERVER: &str = "the agent of Azure Arc";
const FIX: &str = "check the agent (azcmagent check), and that the server is connected";

/// The fix for missing rights: only the agent's group may read its files, and the service has no capability to override that.
const FOR_MEMBERS: &str = "only members of the group himds may read it: run systemctl edit egress-enforcer, \
    write [Service] and below it SupplementaryGroups=himds, then systemctl restart egress-enforcer";

/// Requests a token from the agent, reads the secret file that it names, and repeats the request with its content.
pub(super) async fn token(
    settings: &CredentialSettings,
    client: &Client,
) -> Result<Token, CredentialProblem> {
    let endpoint = endpoint(&settings.environment)?;
    let resource = encoded(&settings.resource);
    let url: Url = format!("{endpoint}?api-version=2019-11-01&resource={resource}").parse()?;
    if url.name().is_some() {
        let problem =
            "IDENTITY_ENDPOINT is on another host; on Azure Arc it is http://localhost:40342/…";
        return Err(CredentialProblem::NotHere(problem.to_owned()));
    }
    let ask = || Request::get(url.clone()).header(METADATA, TRUE);
    let challenge = client.send(ask(), &[]).await?;
    if challenge.status() != StatusCode::UNAUTHORIZED {
        return Err(refused(&challenge, SERVER, FIX));
    }
    let file = challenged(&challenge, &settings.environment.arc_tokens)?;
    let proof = proof(&settings.environment.arc_tokens, &file)?;
    let response = client.send(ask().header(AUTHORIZATION, proof), &[]).await?;
    read(&response, SERVER, FIX)
}

/// Returns the agent's URL, if there is an agent: both variables are set, or the directory of its secret files exists.
fn endpoint(environment: &Environment) -> Result<&str, CredentialProblem> {
    if let (Some(endpoint), Some(_)) = (&environment.identity_endpoint, &environment.imds_endpoint)
    {
        return Ok(endpoint);
    }
    match fs::metadata(&environment.arc_tokens) {
        Ok(found) if found.is_dir() => return Ok(ENDPOINT),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            return Err(unreadable(&environment.arc_tokens, &error));
        }
        Ok(_) | Err(_) => {}
    }
    Err(CredentialProblem::NotHere(format!(
        "no Azure Arc agent is installed ({} is missing, and IDENTITY_ENDPOINT and IMDS_ENDPOINT are not set); connect the server with azcmagent",
        environment.arc_tokens.display()
    )))
}

/// Returns the name of the file in the challenge `Basic realm=<path>`: it must be a key directly in the agent's directory.
fn challenged(response: &Response, tokens: &Path) -> Result<PathBuf, CredentialProblem> {
    let wrong = |problem| CredentialProblem::NoToken {
        server: SERVER.to_owned(),
        problem,
    };
    let header = response
        .header(WWW_AUTHENTICATE.as_str())
        .ok_or_else(|| wrong("its challenge names no file"))?;
    let realm = header
        .strip_prefix("Basic realm=")
        .ok_or_else(|| wrong("its challenge is not \"Basic realm=<file>\""))?;
    let path = Path::new(realm.trim().trim_matches('"'));
    let plain = |name: &str| name.len() > ".key".len() && name.ends_with(".key");
    // Compared as text, so that it contains no `..`, `.` or repeated slash.
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .filter(|name| plain(name) && tokens.join(name).as_os_str() == path.as_os_str());
    name.map(PathBuf::from)
        .ok_or_else(|| wrong("its challenge names a file that is not a key directly in its own directory, which is not opened"))
}

/// Returns the header value that proves that `name` in `tokens` can be read.
fn proof(tokens: &Path, name: &Path) -> Result<HeaderValue, CredentialProblem> {
    let file = tokens.join(name);
    let wrong = |problem: String| CredentialProblem::File {
        file: file.clone(),
        problem,
    };
    let secret = secret(tokens, &file)
        .map_err(|error| unreadable(&file, &error))?
        .map_err(|problem| wrong(problem.to_owned()))?;
    let mut value = HeaderValue::try_from(format!("Basic {}", secret.trim()))
        .or(Err(wrong("is not plain text; check the agent".to_owned())))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Returns why the agent's `file` cannot be read, with the fix for missing rights.
fn unreadable(file: &Path, error: &io::Error) -> CredentialProblem {
    let fix = if error.kind() == ErrorKind::PermissionDenied {
        FOR_MEMBERS
    } else {
        FIX
    };
    CredentialProblem::File {
        file: file.to_owned(),
        problem: format!("cannot be read ({error}); {fix}"),
    }
}

/// Reads a secret file of the agent; the inner error is why it is not used.
fn secret(tokens: &Path, file: &Path) -> io::Result<Result<String, &'static str>> {
    let directory = open(tokens, libc::O_DIRECTORY)?.metadata()?;
    let opened = open(file, libc::O_NONBLOCK | libc::O_NOCTTY)?;
    let found = opened.metadata()?;
    if !found.is_file() || found.nlink() != 1 {
        return Ok(Err("is not a regular file with one link; check the agent"));
    }
    if directory.mode() & 0o002 != 0 || ![0, directory.uid()].contains(&found.uid()) {
        return Ok(Err(
            "is not protected (others own it or can write to its directory); check the agent",
        ));
    }
    let mut text = String::new();
    let read = opened.take(MAX_SECRET + 1).read_to_string(&mut text)?;
    if u64::try_from(read).is_ok_and(|read| read > MAX_SECRET) {
        return Ok(Err(
            "is larger than 4096 bytes, so it is not a secret of the agent; check the agent",
        ));
    }
    Ok(Ok(text))
}

/// Opens `path` without following a symbolic link.
fn open(path: &Path, flags: i32) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(flags | libc::O_NOFOLLOW)
        .open(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use nix::unistd::{Uid, geteuid, setfsuid};

    use super::*;
    use crate::file::make_fifo;

    #[test]
    fn only_a_protected_file_of_the_agent_is_read() {
        let tokens = tempfile::tempdir().unwrap();
        let at = |name: &str| tokens.path().join(name);
        fs::write(at("good.key"), "c2VjcmV0\n").unwrap();
        fs::write(at("large.key"), vec![b'a'; 4097]).unwrap();
        fs::write(at("linked"), "x").unwrap();
        fs::hard_link(at("linked"), at("hard.key")).unwrap();
        symlink(at("good.key"), at("soft.key")).unwrap();
        make_fifo(&at("fifo.key"));
        let proof = |name: &str| proof(tokens.path(), Path::new(name));
        let good = proof("good.key").unwrap();
        assert_eq!(good.to_str().unwrap(), "Basic c2VjcmV0");
        assert!(good.is_sensitive());
        for (name, why) in [
            ("large.key", "larger than 4096"),
            ("hard.key", "not a regular file"),
            ("soft.key", "cannot be read"),
            ("fifo.key", "not a regular file"),
            ("none.key", "cannot be read"),
        ] {
            let error = proof(name).unwrap_err().to_string();
            assert!(error.contains(why), "{name}: {error}");
        }
        fs::set_permissions(tokens.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let error = proof("good.key").unwrap_err().to_string();
        assert!(error.contains("is not protected"), "{error}");
    }

    /// Runs `asks` as a user who is neither root nor the owner of any file, in this thread only.
    fn as_nobody<T>(asks: impl FnOnce() -> T) -> T {
        setfsuid(Uid::from_raw(65534));
        let result = asks();
        setfsuid(geteuid());
        result
    }

    #[test]
    fn missing_rights_and_a_missing_agent_are_distinguished() {
        let place = tempfile::tempdir().unwrap();
        let closed = place.path().join("azcmagent");
        let tokens = closed.join("tokens");
        fs::create_dir_all(&tokens).unwrap();
        fs::write(tokens.join("good.key"), "c2VjcmV0").unwrap();
        let set = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        let environment = Environment {
            arc_tokens: tokens.clone(),
            ..Environment::default()
        };
        let fix = "SupplementaryGroups=himds";
        let assert_reported = |problem: CredentialProblem, file: &Path| {
            let text = problem.to_string();
            assert!(text.starts_with(&format!("{}: ", file.display())), "{text}");
            assert!(
                text.contains("Permission denied") && text.contains(fix),
                "{text}"
            );
        };
        set(place.path(), 0o755);
        set(&closed, 0o000);
        assert_reported(as_nobody(|| endpoint(&environment)).unwrap_err(), &tokens);
        set(&closed, 0o755);
        let (key, file) = (Path::new("good.key"), tokens.join("good.key"));
        for (directory_mode, file_mode) in [(0o000, 0o644), (0o755, 0o000)] {
            set(&file, file_mode);
            set(&tokens, directory_mode);
            assert_eq!(as_nobody(|| endpoint(&environment)).unwrap(), ENDPOINT);
            assert_reported(as_nobody(|| proof(&tokens, key)).unwrap_err(), &file);
            set(&tokens, 0o755);
        }
        let nowhere = Environment {
            arc_tokens: place.path().join("none"),
            ..Environment::default()
        };
        let error = endpoint(&nowhere).unwrap_err().to_string();
        assert!(
            error.contains("no Azure Arc agent") && !error.contains(fix),
            "{error}"
        );
        let error = proof(&tokens, Path::new("none.key"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("cannot be read") && !error.contains(fix),
            "{error}"
        );
    }

    #[test]
    fn a_directory_that_is_a_link_is_not_followed() {
        let place = tempfile::tempdir().unwrap();
        let (real, link) = (place.path().join("real"), place.path().join("link"));
        fs::create_dir(&real).unwrap();
        fs::write(real.join("good.key"), "x").unwrap();
        symlink(&real, &link).unwrap();
        assert!(proof(&real, Path::new("good.key")).is_ok());
        assert!(proof(&link, Path::new("good.key")).is_err());
    }
}
