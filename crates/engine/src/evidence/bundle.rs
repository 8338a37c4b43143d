//! The signed bundle of a run's evidence.
