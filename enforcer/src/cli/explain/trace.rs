//! `--trace`: the steps of the decision, from a program that logs them.

use super::evaluator::protocol_number;
use super::explanation::{Explanation, HTTPS};
use crate::bpf::{Pins, TraceProgram};
use crate::sys::KernelError;

/// Adds the steps of the decision on each address or, where the program cannot be loaded or run, a note with the error.
pub(super) fn add(explanation: &mut Explanation, pins: &Pins) {
    let traced = TraceProgram::load(pins).and_then(|program| add_steps(explanation, program));
    if let Err(error) = traced {
        explanation.notes.push(format!("no trace: {error}"));
    }
}

fn add_steps(explanation: &mut Explanation, mut program: TraceProgram) -> Result<(), KernelError> {
    let port = explanation.port.unwrap_or(HTTPS);
    for answer in &mut explanation.answers {
        let address = answer.address;
        let steps = match &explanation.sni {
            Some(server_name) => program.hello_steps(address, server_name)?,
            None => {
                let protocol = protocol_number(explanation.protocol, address);
                program.steps(address, protocol, port)?
            }
        };
        answer.trace = Some(steps);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use enforcer_common::Reason;

    use super::*;
    use crate::cli::explain::explanation::tests::explanation;

    #[test]
    fn a_trace_that_fails_is_a_note_and_the_answer_stays() {
        let mut explanation = explanation("20.38.98.100", &[("20.38.98.100", Reason::Storage)]);
        let before = explanation.to_string();
        add(&mut explanation, &Pins::new(Path::new("/nonexistent")));
        let [note] = explanation.notes.as_slice() else {
            panic!("{:?}", explanation.notes);
        };
        assert!(note.starts_with("no trace: "), "{note}");
        let after = explanation.to_string();
        assert_eq!(after.replace(&format!("  {note}\n"), ""), before);
        assert!(explanation.is_denied());
    }
}
