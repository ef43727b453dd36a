//! Creates the control socket, which accepts connections only once its mode is set.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, PermissionsExt as _, chown};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use tokio::net::{UnixListener, UnixSocket};
use tracing::warn;

use crate::control::{ControlError, GROUP};
use crate::file::read_within;

/// The group database (group(5)).
const GROUPS: &str = "/etc/group";
/// Maximum size of the group database, in bytes.
const MAX_GROUPS_SIZE: u64 = 1 << 20;
/// Maximum number of connections that wait to be accepted.
const BACKLOG: u32 = 128;

/// Returns a listening socket at `path`; see [`super::Server::bind`].
pub(super) fn listen(path: &Path) -> Result<UnixListener, ControlError> {
    make_directory(path)?;
    clear(path)?;
    let socket = UnixSocket::new_stream().map_err(failed("make", path))?;
    socket.bind(path).map_err(failed("bind", path))?;
    // A socket refuses connections until it listens, so set the mode before.
    let group = read_within(Path::new(GROUPS), MAX_GROUPS_SIZE)
        .inspect_err(|error| warn!("the control socket is for root only: {GROUPS} {error}"))
        .ok()
        .and_then(|groups| group_id(&String::from_utf8_lossy(&groups), GROUP));
    restrict(path, group).map_err(failed("set the mode of", path))?;
    socket.listen(BACKLOG).map_err(failed("listen on", path))
}

/// Returns a function for `map_err` that builds the error of the step `what`.
pub(super) fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ControlError {
    let path = path.to_owned();
    move |source| ControlError::Bind { what, path, source }
}

fn make_directory(path: &Path) -> Result<(), ControlError> {
    let Some(directory) = path.parent() else {
        return Ok(());
    };
    let mut builder = DirBuilder::new();
    let made = builder.recursive(true).mode(0o755).create(directory);
    made.map_err(failed("make the directory", directory))
}

/// Removes a socket at `path` on which no process listens.
fn clear(path: &Path) -> Result<(), ControlError> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found.map_err(failed("look at", path))?,
    };
    let path = path.to_owned();
    if !found.file_type().is_socket() {
        return Err(ControlError::NotASocket { path });
    }
    if !refuses(&path).map_err(|errno| failed("try", &path)(errno.into()))? {
        return Err(ControlError::InUse { path });
    }
    fs::remove_file(&path).map_err(failed("remove the old", &path))
}

/// Whether no process listens at `path`. Does not block: a hung daemon with a full backlog still counts as listening.
fn refuses(path: &Path) -> Result<bool, Errno> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let probe = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    let connected = connect(probe.as_raw_fd(), &UnixAddr::new(path)?);
    Ok(connected == Err(Errno::ECONNREFUSED))
}

/// Sets mode 0660 and the group; mode 0600 if there is no group or chown(2) fails, which requires `CAP_CHOWN` or membership.
fn restrict(path: &Path, group: Option<u32>) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    let Some(group) = group else {
        return Ok(());
    };
    if let Err(error) = chown(path, None, Some(group)) {
        warn!(%error, "the control socket is for root only: it cannot be given to the group {GROUP}");
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(0o660))
}

/// Returns the id of the group `name` in the text of a group database (group(5)).
fn group_id(groups: &str, name: &str) -> Option<u32> {
    let mut rows = groups.lines().map(|line| line.split(':'));
    rows.find_map(|mut row| {
        let (group, _password, id) = (row.next()?, row.next()?, row.next()?);
        (group == name).then(|| id.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn a_group_is_found_by_its_full_name() {
        let groups = "root:x:0:\negress-enforcer-ro:x:7:\negress-enforcer:x:991:ann,bob\n";
        assert_eq!(group_id(groups, GROUP), Some(991));
        assert_eq!(group_id("egress-enforcer:x:many:\n", GROUP), None);
        assert_eq!(group_id("root:x:0:\n", GROUP), None);
    }

    #[test]
    fn only_the_owner_and_the_group_may_use_the_socket() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "").unwrap();
        let own = fs::metadata(&path).unwrap().gid();
        let mode = |group| {
            restrict(&path, group).unwrap();
            fs::metadata(&path).unwrap().mode() & 0o777
        };
        assert_eq!(mode(None), 0o600);
        assert_eq!(mode(Some(own)), 0o660);
    }
}
