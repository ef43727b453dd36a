//! The identity of an Azure Arc-enabled server: its agent hands out tokens to who can read a file of the agent's.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};

use super::imds::{METADATA, TRUE};
use super::token::{read, refused};
use super::{CredentialProblem, CredentialSettings, Environment, Token};
use crate::https::{Client, Request, Response, Url, encoded};

/// Where the agent listens unless the environment says otherwise.
const ENDPOINT: &str = "http://localhost:40342/metadata/identity/oauth2/token";
/// The largest secret file that is read, in bytes.
const MAX_SECRET: u64 = 4096;
const SERVER: &str = "the agent of Azure Arc";
const FIX: &str = "check the agent (azcmagent check), and that the server is connected";

/// The agent's files are for its own group, and the service has no right to pass over that.
const FOR_MEMBERS: &str = "it is for members of the group himds: run systemctl edit egress-enforcer, \
    write [Service] and below it SupplementaryGroups=himds, then systemctl restart egress-enforcer";

/// Asks the agent, proves that its secret file can be read, and asks again.
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

/// Where the agent listens, if there is one: both variables, or the directory of its secret files.
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
        "no agent of Azure Arc is installed ({} is missing, and IDENTITY_ENDPOINT with IMDS_ENDPOINT not set); connect the server with azcmagent",
        environment.arc_tokens.display()
    )))
}

/// The name of the file that the challenge `Basic realm=<path>` means: directly in the agent's directory, and a key.
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
    // Written out, so that no `..`, `.` or doubled slash is part of it.
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .filter(|name| plain(name) && tokens.join(name).as_os_str() == path.as_os_str());
    name.map(PathBuf::from)
        .ok_or_else(|| wrong("its challenge names a file that is no key directly in its own directory, and is not opened"))
}

/// What is sent to show that `name` in `tokens` can be read.
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
        .or(Err(wrong("is no plain text; check the agent".to_owned())))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Why `file` of the agent's cannot be read, and whether it is for want of a right to.
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

/// The content of a secret file of the agent's; the inner error says why it is not used.
fn secret(tokens: &Path, file: &Path) -> io::Result<Result<String, &'static str>> {
    let directory = open(tokens, libc::O_DIRECTORY)?.metadata()?;
    let opened = open(file, libc::O_NONBLOCK | libc::O_NOCTTY)?;
    let found = opened.metadata()?;
    if !found.is_file() || found.nlink() != 1 {
        return Ok(Err("is not a regular file of its own; check the agent"));
    }
    if directory.mode() & 0o002 != 0 || ![0, directory.uid()].contains(&found.uid()) {
        return Ok(Err(
            "is not the agent's alone (others can write to its directory, or own it); check the agent",
        ));
    }
    let mut text = String::new();
    let read = opened.take(MAX_SECRET + 1).read_to_string(&mut text)?;
    if u64::try_from(read).is_ok_and(|read| read > MAX_SECRET) {
        return Ok(Err(
            "is larger than 4096 bytes, so it is no secret of the agent's; check the agent",
        ));
    }
    Ok(Ok(text))
}

/// Opens what stands at `path` itself, not what a symbolic link there leads to.
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
    fn only_a_file_of_the_agents_own_is_read() {
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
        assert!(error.contains("not the agent's alone"), "{error}");
    }

    /// What `asks` meets as a user who is neither root nor the owner of anything; only this thread is that.
    fn as_nobody<T>(asks: impl FnOnce() -> T) -> T {
        setfsuid(Uid::from_raw(65534));
        let result = asks();
        setfsuid(geteuid());
        result
    }

    #[test]
    fn a_right_that_is_missing_is_told_from_an_agent_that_is() {
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
        let told = |problem: CredentialProblem, file: &Path| {
            let text = problem.to_string();
            assert!(text.starts_with(&format!("{}: ", file.display())), "{text}");
            assert!(
                text.contains("Permission denied") && text.contains(fix),
                "{text}"
            );
        };
        set(place.path(), 0o755);
        set(&closed, 0o000);
        told(as_nobody(|| endpoint(&environment)).unwrap_err(), &tokens);
        set(&closed, 0o755);
        let (key, file) = (Path::new("good.key"), tokens.join("good.key"));
        for (directory_mode, file_mode) in [(0o000, 0o644), (0o755, 0o000)] {
            set(&file, file_mode);
            set(&tokens, directory_mode);
            assert_eq!(as_nobody(|| endpoint(&environment)).unwrap(), ENDPOINT);
            told(as_nobody(|| proof(&tokens, key)).unwrap_err(), &file);
            set(&tokens, 0o755);
        }
        let nowhere = Environment {
            arc_tokens: place.path().join("none"),
            ..Environment::default()
        };
        let error = endpoint(&nowhere).unwrap_err().to_string();
        assert!(
            error.contains("no agent of Azure Arc") && !error.contains(fix),
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
    fn a_directory_that_is_a_link_is_not_entered() {
        let place = tempfile::tempdir().unwrap();
        let (real, link) = (place.path().join("real"), place.path().join("link"));
        fs::create_dir(&real).unwrap();
        fs::write(real.join("good.key"), "x").unwrap();
        symlink(&real, &link).unwrap();
        assert!(proof(&real, Path::new("good.key")).is_ok());
        assert!(proof(&link, Path::new("good.key")).is_err());
    }
}
