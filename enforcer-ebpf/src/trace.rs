//! Steps of a judgement for `explain --trace`, as log records. Only the object of the feature `trace` writes them, and that is never attached.

#[cfg(feature = "trace")]
mod records;
mod step;

pub(crate) use step::Step;

/// Logs a step.
#[inline(always)]
pub(crate) fn step(step: Step) {
    #[cfg(feature = "trace")]
    records::log(step);
    #[cfg(not(feature = "trace"))]
    let _ = step;
}
