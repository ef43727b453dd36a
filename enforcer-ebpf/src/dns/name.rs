//! The allowed or watched name that a message queries. Exported functions, as in [`crate::policy_maps`]: the verifier checks the walk along a
//! name once, not for each name of each record.

use core::cell::Cell;

use enforcer_common::dns::{Question, Side, WALKS};
use enforcer_common::layout::{NAME_BYTES, NameEntry, NameKey};

use super::scratch::{INGRESS, scratch};
use crate::maps::{DnsScratch, NAMES};

/// The question of the message in scratch `slot` as a [`Question::word`] for the resolver of this number; 0 if there is none, or none for an allowed
/// name. Stores the name's entry in the scratch memory.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn question_word(slot: u32, server: u32) -> u64 {
    let Some(scratch) = scratch(slot) else {
        return 0;
    };
    let word = read_question(scratch, slot).and_then(|question| question.word(server));
    word.unwrap_or(0)
}

#[inline(always)]
fn read_question(scratch: &DnsScratch, slot: u32) -> Option<Question> {
    let side = if slot == INGRESS {
        Side::Server
    } else {
        Side::Client
    };
    let question = scratch.reading.question(side, |_| {
        walk_name(slot);
    })?;
    let reading = &scratch.reading;
    let entry = entry(reading.key())
        .or_else(|| entry(reading.wildcard()))
        .or_else(|| entry(reading.parent()?))?;
    scratch.entry.set(entry);
    Some(question)
}

#[inline(always)]
fn entry(key: &[Cell<u8>; NAME_BYTES]) -> Option<NameEntry> {
    // SAFETY: cells have the layout of their contents, and nothing writes these during the look-up.
    let key: &NameKey = unsafe { &*core::ptr::from_ref(key).cast() };
    // SAFETY: an entry that changes while it is read is the old or the new one.
    unsafe { NAMES.get(key) }.copied()
}

/// Reads the name that was begun in scratch `slot` to its end.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn walk_name(slot: u32) -> u32 {
    for _ in 0..WALKS {
        if walk_part(slot) == 0 {
            break;
        }
    }
    0
}

/// Reads the next part of it; 0 at its end.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn walk_part(slot: u32) -> u32 {
    scratch(slot).is_some_and(|scratch| scratch.reading.walk_on()) as u32
}

/// As [`question_word`].
#[inline(always)]
pub(crate) fn query_word(slot: u32, server: u32) -> Option<u64> {
    match question_word(slot, server) {
        0 => None,
        word => Some(word),
    }
}
