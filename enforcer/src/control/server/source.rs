//! The data that the server provides.

use std::rc::Rc;
use std::sync::Arc;

use crate::core::Status;
use crate::daemon::{EventLog, Published};

/// Source of the status and the events.
pub trait Source {
    /// Returns the current status.
    fn status(&self) -> Status;
    /// Returns the log of events.
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
