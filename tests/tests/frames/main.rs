//! Network devices and their filters, in network namespaces of the tests.

mod listing;
