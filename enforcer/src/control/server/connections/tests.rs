//! Which connection is closed to make room.

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
fn the_oldest_idle_connection_of_the_same_user_is_closed() {
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
fn without_idle_connections_the_oldest_answer_is_closed() {
    let table = Table::default();
    let slots = take(&table, ANN, 8);
    slots.iter().for_each(Slot::answer);
    let _new = Slot::take(&table, ANN);
    assert_eq!(open(&table), [2, 3, 4, 5, 6, 7, 8, 9]);
}

#[test]
fn many_users_leave_room_for_another_user_and_for_root() {
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
fn among_equal_users_the_oldest_connection_is_closed_whatever_its_uid() {
    for users in [[2000, 2001, 2002, 2003], [2003, 2002, 2001, 2000]] {
        let table = Table::default();
        let held: Vec<Slot> = (0..8)
            .flat_map(|_| users.iter().flat_map(|uid| take(&table, *uid, 1)))
            .collect();
        let (_ann, evicted) = Slot::take(&table, ANN);
        assert_eq!(evicted, Some(Evicted::SharedBound(users[0])));
        assert!(!open(&table).contains(&held[0].id()), "the oldest");
        held[1..5].iter().for_each(Slot::answer);
        let (_next, evicted) = Slot::take(&table, ANN);
        assert_eq!(evicted, Some(Evicted::SharedBound(users[1])));
        assert!(!open(&table).contains(&held[5].id()), "the oldest idle one");
    }
}

#[test]
fn among_users_with_equally_many_streams_the_newest_is_closed_whatever_its_uid() {
    for users in [[2000, 2001, 2002, 2003], [2003, 2002, 2001, 2000]] {
        let table = Table::default();
        let held: Vec<Slot> = users.iter().flat_map(|uid| take(&table, *uid, 8)).collect();
        assert!(held.iter().all(Slot::follow));
        let own = take(&table, ANN, 1);
        assert!(own[0].follow());
        let lost: Vec<usize> = (0..32).filter(|at| !held[*at].follows()).collect();
        assert_eq!(lost, [31]);
    }
}

#[test]
fn among_users_with_equally_many_bytes_the_oldest_answer_is_closed_whatever_its_uid() {
    for users in [[ANN, BOB], [BOB, ANN]] {
        let table = Table::default();
        let hold = |uid| {
            let slot = Slot::take(&table, uid).0;
            slot.answer();
            slot.hold(MAX_UNREAD / 2);
            slot
        };
        let held = users.map(hold);
        let _third = hold(3000);
        assert!(!open(&table).contains(&held[0].id()), "{users:?}");
        assert!(open(&table).contains(&held[1].id()), "{users:?}");
    }
}

#[test]
fn ten_thousand_users_stay_within_the_limits() {
    let table = Table::default();
    let slots: Vec<Slot> = (1..10_000).flat_map(|uid| take(&table, uid, 2)).collect();
    assert_eq!(open(&table).len(), REQUESTS.all_but_root);
    let (_root, evicted) = Slot::take(&table, ROOT);
    assert_eq!(evicted, None);
    drop(slots);
    assert_eq!(open(&table).len(), 1, "a slot that was lost ends once");
}

#[test]
fn streams_have_separate_limits_and_are_not_closed_for_requests() {
    let table = Table::default();
    let followers = take(&table, ANN, 8);
    assert!(followers.iter().all(Slot::follow));
    let more = take(&table, ANN, 9);
    assert!(!more[8].follow(), "a ninth");
    assert!(followers.iter().all(Slot::follows));
    assert_eq!(open(&table).len(), 16);
}

#[test]
fn a_user_with_fewer_streams_displaces_the_newest_of_the_users_with_the_most() {
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
fn a_further_user_displaces_no_stream_of_a_user_with_only_one() {
    let table = Table::default();
    let held: Vec<Slot> = (2000..2032).flat_map(|uid| take(&table, uid, 1)).collect();
    assert!(held.iter().all(Slot::follow));
    let one_more = take(&table, ANN, 1);
    assert!(!one_more[0].follow());
    assert!(held.iter().all(Slot::follows));
}

#[test]
fn unread_answers_beyond_the_limit_are_closed() {
    const MEBIBYTE: usize = 1 << 20;
    let table = Table::default();
    let hold = |uid| {
        let slot = Slot::take(&table, uid).0;
        slot.answer();
        slot.hold(MEBIBYTE);
        slot
    };
    let root: Vec<Slot> = (0..8).map(|_| hold(ROOT)).collect();
    let bobs = [hold(BOB), hold(BOB), hold(BOB)];
    let anns = [hold(ANN), hold(ANN)];
    let is_open = |slot: &Slot| open(&table).contains(&slot.id());
    assert!(!is_open(&bobs[0]), "the oldest of the user with most");
    assert!(bobs[1..].iter().chain(&anns).chain(&root).all(is_open));
    anns[0].hold(5 * MEBIBYTE);
    assert!(is_open(&anns[0]), "one that is too long by itself stays");
    assert_eq!(open(&table).len(), root.len() + 1);
}
