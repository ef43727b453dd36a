//! The open control connections, and how many of them a user may have.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use tokio::task::AbortHandle;

/// The user whose connections no other user's count against.
const ROOT: u32 = 0;

/// Bounds of the connections to the control socket.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections of one user.
    pub per_user: usize,
    /// Connections of all users but root together.
    pub all_but_root: usize,
}

/// Connections that wait for a request, or for its answer.
pub const REQUESTS: Bounds = Bounds {
    per_user: 8,
    all_but_root: 32,
};

/// Connections that follow the events.
pub const FOLLOWERS: Bounds = Bounds {
    per_user: 8,
    all_but_root: 32,
};

/// Bytes of answers that wait until they are read, for all users but root together.
pub const MAX_UNREAD: usize = 4 << 20;

/// What a connection does; what is closed first stands first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// No whole request has arrived.
    Idle,
    Answered,
    Following,
}

#[derive(Debug)]
struct Connection {
    uid: u32,
    phase: Phase,
    /// Bytes of the answer.
    unread: usize,
    task: Option<AbortHandle>,
}

/// All open connections, by numbers that grow with each: the lowest is the oldest.
#[derive(Debug, Default)]
pub(super) struct Connections {
    next: u64,
    open: BTreeMap<u64, Connection>,
}

/// Why a connection was closed for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evicted {
    /// Its user has as many as a user may have.
    UserBound(u32),
    /// All users but root have as many as they may have, and none has more than its user.
    SharedBound(u32),
}

/// A place among the connections, which ends with the value.
#[derive(Debug)]
pub(super) struct Slot {
    id: u64,
    connections: Rc<RefCell<Connections>>,
}

impl Slot {
    /// Makes a place for a new connection of `uid`. Where there is none, the oldest connection that waits for a request is closed for it: of
    /// the same user, or of those with the most.
    pub(super) fn take(
        connections: &Rc<RefCell<Connections>>,
        uid: u32,
    ) -> (Self, Option<Evicted>) {
        let mut table = connections.borrow_mut();
        let evicted = table.make_room(uid);
        let id = table.add(uid);
        drop(table);
        let connections = Rc::clone(connections);
        (Self { id, connections }, evicted)
    }

    /// The number of the connection.
    pub(super) const fn id(&self) -> u64 {
        self.id
    }

    /// Notes that the request has arrived.
    pub(super) fn answer(&self) {
        self.connections
            .borrow_mut()
            .enter(self.id, Phase::Answered);
    }

    /// Notes that the answer has so many bytes. Where too many wait, the oldest answer of the users with the most bytes is given up.
    pub(super) fn hold(&self, bytes: usize) {
        self.connections.borrow_mut().hold(self.id, bytes);
    }

    /// Makes it a connection that follows the events, if its user may have one more.
    pub(super) fn follow(&self) -> bool {
        self.connections.borrow_mut().follow(self.id)
    }

    /// Whether it follows the events.
    pub(super) fn follows(&self) -> bool {
        let table = self.connections.borrow();
        let own = table.open.get(&self.id);
        own.is_some_and(|connection| connection.phase == Phase::Following)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.connections.borrow_mut().open.remove(&self.id);
    }
}

impl Connections {
    /// Names the task that is aborted when the connection `id` is closed for another one.
    pub(super) fn runs_in(&mut self, id: u64, task: AbortHandle) {
        if let Some(connection) = self.open.get_mut(&id) {
            connection.task = Some(task);
        }
    }

    fn add(&mut self, uid: u32) -> u64 {
        self.next += 1;
        let connection = Connection {
            uid,
            phase: Phase::Idle,
            unread: 0,
            task: None,
        };
        self.open.insert(self.next, connection);
        self.next
    }

    fn enter(&mut self, id: u64, phase: Phase) {
        if let Some(connection) = self.open.get_mut(&id) {
            connection.phase = phase;
        }
    }

    fn make_room(&mut self, uid: u32) -> Option<Evicted> {
        let requests = |it: &Connection| it.phase < Phase::Following;
        let counts = self.sums(|_, it| usize::from(requests(it)));
        if counts
            .get(&uid)
            .is_some_and(|count| *count >= REQUESTS.per_user)
        {
            self.close_first(|_, it| requests(it) && it.uid == uid);
            return Some(Evicted::UserBound(uid));
        }
        if uid == ROOT || total_but_root(&counts) < REQUESTS.all_but_root {
            return None;
        }
        let (most, _count) = users_with_most(&counts)?;
        let closed = self.close_first(|_, it| requests(it) && most.contains(&it.uid));
        closed.map(Evicted::SharedBound)
    }

    /// Streams are meant to last: they give way to none of their own user, and to another user's only where that has at least two fewer.
    fn follow(&mut self, id: u64) -> bool {
        let follows = |it: &Connection| it.phase == Phase::Following;
        let Some(uid) = self.open.get(&id).map(|connection| connection.uid) else {
            return false;
        };
        let counts = self.sums(|_, it| usize::from(follows(it)));
        let own = counts.get(&uid).copied().unwrap_or(0);
        if own >= FOLLOWERS.per_user {
            return false;
        }
        if uid != ROOT && total_but_root(&counts) >= FOLLOWERS.all_but_root {
            match users_with_most(&counts) {
                Some((most, count)) if count > own + 1 => self.close_newest_follower(&most),
                Some(_) | None => return false,
            }
        }
        self.enter(id, Phase::Following);
        true
    }

    fn hold(&mut self, id: u64, bytes: usize) {
        let Some(own) = self.open.get_mut(&id) else {
            return;
        };
        own.unread = bytes;
        if own.uid == ROOT {
            return;
        }
        while total_but_root(&self.sums(|_, it| it.unread)) > MAX_UNREAD {
            let of_others = |other: u64, it: &Connection| if other == id { 0 } else { it.unread };
            match users_with_most(&self.sums(of_others)) {
                Some((most, bytes)) if bytes > 0 => {
                    let counts = |it: &Connection| most.contains(&it.uid);
                    self.close_first(|other, it| counts(it) && of_others(other, it) > 0);
                }
                Some(_) | None => return,
            }
        }
    }

    /// What each user has, as `weight` counts it.
    fn sums(&self, weight: impl Fn(u64, &Connection) -> usize) -> BTreeMap<u32, usize> {
        let mut sums = BTreeMap::new();
        for (id, connection) in &self.open {
            *sums.entry(connection.uid).or_default() += weight(*id, connection);
        }
        sums
    }

    /// Closes the oldest of those that are idle, or else of all. Returns its user.
    fn close_first(&mut self, among: impl Fn(u64, &Connection) -> bool) -> Option<u32> {
        let candidates = self.open.iter().filter(|(id, it)| among(**id, it));
        let first = candidates.min_by_key(|(id, it)| (it.phase, **id));
        let first = first.map(|(id, it)| (*id, it.uid));
        self.close(first.map(|(id, _)| id));
        first.map(|(_, uid)| uid)
    }

    fn close_newest_follower(&mut self, users: &BTreeSet<u32>) {
        let follows = |it: &Connection| it.phase == Phase::Following && users.contains(&it.uid);
        let newest = self.open.iter().rev().find(|(_, it)| follows(it));
        self.close(newest.map(|(id, _)| *id));
    }

    fn close(&mut self, id: Option<u64>) {
        let closed = id.and_then(|id| self.open.remove(&id));
        if let Some(task) = closed.and_then(|connection| connection.task) {
            task.abort();
        }
    }
}

fn total_but_root(counts: &BTreeMap<u32, usize>) -> usize {
    let others = counts.iter().filter(|(uid, _)| **uid != ROOT);
    others.map(|(_, count)| count).sum()
}

/// All users that have as much as the one with the most, root left out: none of them gives way for its number.
fn users_with_most(counts: &BTreeMap<u32, usize>) -> Option<(BTreeSet<u32>, usize)> {
    let others = counts.iter().filter(|(uid, _)| **uid != ROOT);
    let most = others.clone().map(|(_, count)| *count).max()?;
    let with_most = others.filter(|(_, count)| **count == most);
    Some((with_most.map(|(uid, _)| *uid).collect(), most))
}

#[cfg(test)]
mod tests;
