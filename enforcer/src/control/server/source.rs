//! What the server serves.

use std::rc::Rc;
use std::sync::Arc;

use crate::core::Status;
use crate::daemon::{EventLog, Published};

/// The published state and events.
pub trait Source {
    /// The state at this moment.
    fn status(&self) -> Status;
    /// The events.
    fn events(&self) -> Arc<EventLog>;
}

impl<S: Source + ?Sized> Source for Rc<S> {
    fn status(&self) -> Status {
        (**self).status()
    }

    fn events(&self) -> Arc<EventLog> {
        (**self).events()
    }
}

impl Source for Published {
    fn status(&self) -> Status {
        Published::status(self)
    }

    fn events(&self) -> Arc<EventLog> {
        Published::events(self)
    }
}
