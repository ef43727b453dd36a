//! The open control connections, and their limits per user.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use tokio::task::AbortHandle;

/// Root, whose connections count only against its limit per user.
const ROOT: u32 = 0;

/// Limits on the number of connections to the control socket.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Maximum for one user.
    pub per_user: usize,
    /// Maximum for all users except root together.
    pub all_but_root: usize,
}

/// Limits for connections that send a request or receive its answer.
pub const REQUESTS: Bounds = Bounds {
    per_user: 8,
    all_but_root: 32,
};

/// Limits for streams of events.
pub const FOLLOWERS: Bounds = Bounds {
    per_user: 8,
    all_but_root: 32,
};

/// Maximum size of unread answers of all users except root together, in bytes.
pub const MAX_UNREAD: usize = 4 << 20;

/// Phase of a connection, in the order in which connections are closed to make room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// No complete request has arrived.
    Idle,
    Answered,
    Following,
}

#[derive(Debug)]
struct Connection {
    uid: u32,
    phase: Phase,
    /// Size of the answer, in bytes.
    unread: usize,
    task: Option<AbortHandle>,
}

/// All open connections by id. Ids increase: the lowest belongs to the oldest connection.
#[derive(Debug, Default)]
pub(super) struct Connections {
    next: u64,
    open: BTreeMap<u64, Connection>,
}

/// The limit for which a connection was closed to make room for a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evicted {
    /// The limit of its user.
    UserBound(u32),
    /// The limit of all users except root; no user had more connections than this one.
    SharedBound(u32),
}

/// An entry among the open connections, which is removed on drop.
#[derive(Debug)]
pub(super) struct Slot {
    id: u64,
    connections: Rc<RefCell<Connections>>,
}

impl Slot {
    /// Adds a connection of `uid`. At a limit, closes the oldest idle connection (or else the oldest that receives an answer) of the same
    /// user, or of the users with the most.
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

    /// Id of the connection.
    pub(super) const fn id(&self) -> u64 {
        self.id
    }

    /// Records that the request has arrived.
    pub(super) fn answer(&self) {
        self.connections
            .borrow_mut()
            .enter(self.id, Phase::Answered);
    }

    /// Records the size of the answer. Above [`MAX_UNREAD`], closes other connections: the oldest answers of the users with the most bytes.
    pub(super) fn hold(&self, bytes: usize) {
        self.connections.borrow_mut().hold(self.id, bytes);
    }

    /// Makes the connection a stream of events, if the limits allow one more; returns whether it did.
    pub(super) fn follow(&self) -> bool {
        self.connections.borrow_mut().follow(self.id)
    }

    /// Whether the connection is a stream of events.
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
    /// Sets the task to abort when the connection `id` is closed to make room.
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

    /// Makes the connection `id` a stream of events. A stream is never closed for another one of its user, and for another user's only if
    /// that user has at least two fewer.
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

    /// Returns the sum of `weight` over each user's connections.
    fn sums(&self, weight: impl Fn(u64, &Connection) -> usize) -> BTreeMap<u32, usize> {
        let mut sums = BTreeMap::new();
        for (id, connection) in &self.open {
            *sums.entry(connection.uid).or_default() += weight(*id, connection);
        }
        sums
    }

    /// Closes the first of the connections `among`: by phase, then by age. Returns its user.
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

/// Returns the users except root with the highest count, and that count. It returns all of them, so that no choice depends on user ids.
fn users_with_most(counts: &BTreeMap<u32, usize>) -> Option<(BTreeSet<u32>, usize)> {
    let others = counts.iter().filter(|(uid, _)| **uid != ROOT);
    let most = others.clone().map(|(_, count)| *count).max()?;
    let with_most = others.filter(|(_, count)| **count == most);
    Some((with_most.map(|(uid, _)| *uid).collect(), most))
}

#[cfg(test)]
mod tests;
