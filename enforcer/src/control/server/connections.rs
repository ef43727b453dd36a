//! The open control connections, and how many of them a user may have.

use std::cell::RefCell;
use std::collections::BTreeMap;
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
    /// All users but root have as many as they may have, and its user has the most.
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
    /// the same user, or of the one with the most.
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
        let counts = self.counts(requests);
        if counts
            .get(&uid)
            .is_some_and(|count| *count >= REQUESTS.per_user)
        {
            self.close_first(|it| requests(it) && it.uid == uid);
            return Some(Evicted::UserBound(uid));
        }
        if uid == ROOT || total_but_root(&counts) < REQUESTS.all_but_root {
            return None;
        }
        let (most, _count) = user_with_most(&counts)?;
        self.close_first(|it| requests(it) && it.uid == most);
        Some(Evicted::SharedBound(most))
    }

    /// Streams are meant to last: they give way to none of their own user, and to another user's only where that has at least two fewer.
    fn follow(&mut self, id: u64) -> bool {
        let follows = |it: &Connection| it.phase == Phase::Following;
        let Some(uid) = self.open.get(&id).map(|connection| connection.uid) else {
            return false;
        };
        let counts = self.counts(follows);
        let own = counts.get(&uid).copied().unwrap_or(0);
        if own >= FOLLOWERS.per_user {
            return false;
        }
        if uid != ROOT && total_but_root(&counts) >= FOLLOWERS.all_but_root {
            match user_with_most(&counts) {
                Some((most, count)) if count > own + 1 => self.close_newest_follower(most),
                Some(_) | None => return false,
            }
        }
        self.enter(id, Phase::Following);
        true
    }

    fn counts(&self, counted: impl Fn(&Connection) -> bool) -> BTreeMap<u32, usize> {
        let mut counts = BTreeMap::new();
        for connection in self.open.values().filter(|it| counted(it)) {
            *counts.entry(connection.uid).or_default() += 1;
        }
        counts
    }

    /// Closes the oldest of those that are idle, or else of all.
    fn close_first(&mut self, among: impl Fn(&Connection) -> bool) {
        let candidates = self.open.iter().filter(|(_, it)| among(it));
        let first = candidates.min_by_key(|(id, it)| (it.phase, **id));
        self.close(first.map(|(id, _)| *id));
    }

    fn close_newest_follower(&mut self, uid: u32) {
        let mut newest_first = self.open.iter().rev();
        let newest = newest_first.find(|(_, it)| it.uid == uid && it.phase == Phase::Following);
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

/// The user with the most, root left out.
fn user_with_most(counts: &BTreeMap<u32, usize>) -> Option<(u32, usize)> {
    let others = counts.iter().filter(|(uid, _)| **uid != ROOT);
    let most = others.max_by_key(|(_, count)| **count);
    most.map(|(uid, count)| (*uid, *count))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: u32 = 1000;
    const BOB: u32 = 1001;

    type Table = Rc<RefCell<Connections>>;

    fn take(table: &Table, uid: u32, count: usize) -> Vec<Slot> {
        (0..count).map(|_| Slot::take(table, uid).0).collect()
    }

    fn open(table: &Table) -> Vec<u64> {
        table.borrow().open.keys().copied().collect()
    }

    #[test]
    fn the_oldest_idle_connection_of_the_same_user_gives_way() {
        let table = Table::default();
        let slots = take(&table, ANN, 8);
        slots[0].answer();
        let _other = take(&table, BOB, 1);
        let (_new, evicted) = Slot::take(&table, ANN);
        assert_eq!(evicted, Some(Evicted::UserBound(ANN)));
        assert_eq!(open(&table), [1, 3, 4, 5, 6, 7, 8, 9, 10]);
        slots.iter().for_each(Slot::answer);
        let (_newer, evicted) = Slot::take(&table, BOB);
        assert_eq!(evicted, None, "another user has room");
    }

    #[test]
    fn where_none_is_idle_the_oldest_answer_gives_way() {
        let table = Table::default();
        let slots = take(&table, ANN, 8);
        slots.iter().for_each(Slot::answer);
        let _new = Slot::take(&table, ANN);
        assert_eq!(open(&table), [2, 3, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn many_users_together_leave_room_for_another_and_for_root() {
        let table = Table::default();
        let most = take(&table, BOB, 3);
        let singles: Vec<Slot> = (2000..2029).flat_map(|uid| take(&table, uid, 1)).collect();
        let _root = take(&table, ROOT, 8);
        assert_eq!(open(&table).len(), 40);
        let (_ann, evicted) = Slot::take(&table, ANN);
        assert_eq!(evicted, Some(Evicted::SharedBound(BOB)));
        assert!(!open(&table).contains(&most[0].id()), "the oldest of Bob's");
        assert!(singles.iter().all(|slot| open(&table).contains(&slot.id())));
    }

    #[test]
    fn ten_thousand_users_open_no_more_than_the_bounds_allow() {
        let table = Table::default();
        let slots: Vec<Slot> = (1..10_000).flat_map(|uid| take(&table, uid, 2)).collect();
        assert_eq!(open(&table).len(), REQUESTS.all_but_root);
        let (_root, evicted) = Slot::take(&table, ROOT);
        assert_eq!(evicted, None);
        drop(slots);
        assert_eq!(open(&table).len(), 1, "a slot that was lost ends once");
    }

    #[test]
    fn followers_have_bounds_of_their_own_and_stay() {
        let table = Table::default();
        let followers = take(&table, ANN, 8);
        assert!(followers.iter().all(Slot::follow));
        let more = take(&table, ANN, 9);
        assert!(!more[8].follow(), "a ninth");
        assert!(followers.iter().all(Slot::follows));
        assert_eq!(open(&table).len(), 16);
    }

    #[test]
    fn a_user_with_fewer_streams_displaces_the_newest_of_the_one_with_most() {
        let table = Table::default();
        let streams = |uid| {
            let slots = take(&table, uid, 8);
            assert!(slots.iter().all(Slot::follow));
            slots
        };
        let held: Vec<Vec<Slot>> = (2000..2004).map(streams).collect();
        let own = take(&table, ANN, 8);
        let followed = own.iter().filter(|slot| slot.follow()).count();
        assert_eq!(followed, 6, "a fair share of 32 among five");
        let lost = held.iter().flatten().filter(|slot| !slot.follows());
        assert_eq!(lost.count(), 6);
        assert!(
            held.iter().all(|slots| slots[0].follows()),
            "the oldest stay"
        );
        let root = take(&table, ROOT, 8);
        assert!(root.iter().all(Slot::follow));
    }

    #[test]
    fn streams_of_many_users_are_not_displaced_by_one_more() {
        let table = Table::default();
        let held: Vec<Slot> = (2000..2032).flat_map(|uid| take(&table, uid, 1)).collect();
        assert!(held.iter().all(Slot::follow));
        let one_more = take(&table, ANN, 1);
        assert!(!one_more[0].follow());
        assert!(held.iter().all(Slot::follows));
    }
}
