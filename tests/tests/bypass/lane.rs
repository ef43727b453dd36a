//! Techniques that share sockets and run one after another.

use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::{
    bypasses::Bypass,
    comparison::{ARRIVAL, Attempt, SendResult, Target, Technique, With},
    event_log::is_to,
    fixture::Fixture,
};

/// A lane of any state.
pub(crate) trait Lane: Send {
    /// Runs all techniques; `is_hooked` is whether devices have filters.
    fn run(&mut self, fixture: &Fixture, is_hooked: bool) -> Result<Vec<MadeAttempt>>;

    /// Returns the techniques in the order in which they run.
    fn rows(&self) -> Vec<Row>;
}

/// What the documentation and the comparison know of a technique.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) with: With,
    pub(crate) bypass: &'static Bypass,
}

/// An attempt that was made.
#[derive(Debug)]
pub(crate) struct MadeAttempt {
    pub(crate) to: std::net::IpAddr,
    pub(crate) result: SendResult,
    pub(crate) has_arrived: bool,
}

struct Techniques<S> {
    bypass: &'static Bypass,
    shared: S,
    techniques: Vec<Technique<S>>,
    prepare: Prepare,
}

/// What is done to the topology before a lane runs, and undone behind it.
type Prepare = Option<[fn(&Fixture) -> Result<()>; 2]>;

/// Returns a lane of techniques that share `shared`.
pub(crate) fn lane<S: Send + 'static>(
    bypass: &'static Bypass,
    shared: S,
    techniques: Vec<Technique<S>>,
) -> Box<dyn Lane> {
    Box::new(Techniques {
        bypass,
        shared,
        techniques,
        prepare: None,
    })
}

/// As [`lane`], between two changes of the topology.
pub(crate) fn lane_between<S: Send + 'static>(
    changes: [fn(&Fixture) -> Result<()>; 2],
    bypass: &'static Bypass,
    shared: S,
    techniques: Vec<Technique<S>>,
) -> Box<dyn Lane> {
    Box::new(Techniques {
        bypass,
        shared,
        techniques,
        prepare: Some(changes),
    })
}

impl<S: Send> Lane for Techniques<S> {
    fn run(&mut self, fixture: &Fixture, is_hooked: bool) -> Result<Vec<MadeAttempt>> {
        if let Some([before, _]) = self.prepare {
            before(fixture)?;
        }
        let mut all = Vec::new();
        for technique in &self.techniques {
            let sent = attempt(fixture, &mut self.shared, technique, is_hooked);
            all.push(sent.with_context(|| technique.name.clone())?);
        }
        if let Some([_, after]) = self.prepare {
            after(fixture)?;
        }
        Ok(all)
    }

    fn rows(&self) -> Vec<Row> {
        let rows = self.techniques.iter().map(|technique| Row {
            name: technique.name.clone(),
            with: technique.with,
            bypass: self.bypass,
        });
        rows.collect()
    }
}

/// Sends with a technique, and waits for what is expected of it, an arrival or an event, and for the fence behind it.
fn attempt<S>(
    fixture: &Fixture,
    shared: &mut S,
    technique: &Technique<S>,
    is_hooked: bool,
) -> Result<MadeAttempt> {
    let number = fixture.next_number();
    let attempt = Attempt {
        to: match technique.target {
            Target::Storage => fixture.next_storage(technique.is_v4)?,
            Target::Login => fixture.next_login(technique.is_v4)?,
            Target::Fixed(address) => address,
        },
        number,
        marker: format!("m{number:06}.azurecr.io").into_bytes(),
    };
    fixture.use_address(attempt.to);
    let known = fixture.far.count();
    let result = (technique.act)(fixture, shared, &attempt)?;
    let trace = (technique.trace)(&attempt);
    match technique.with {
        With::Denied(_) | With::DeniedAt(..) | With::DeniedIn(..) if is_hooked => {
            let is_denial = |event: &_| is_to(event, attempt.to);
            fixture.events.await_denial(ARRIVAL, is_denial)?;
        }
        With::Unchanged if is_hooked => {}
        With::Denied(_)
        | With::DeniedAt(..)
        | With::DeniedIn(..)
        | With::Unchanged
        | With::Passes => {
            let _seen_below = fixture.far.await_frame_with(known, &trace, ARRIVAL);
        }
    }
    fixture.fences(|fences| fences.pass_frame(fixture))?;
    Ok(MadeAttempt {
        to: attempt.to,
        result,
        has_arrived: fixture.far.await_frame_with(known, &trace, Duration::ZERO),
    })
}
