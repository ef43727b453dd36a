//! Azure: clouds, endpoint names, service tags and the bundle of them in the binary.
