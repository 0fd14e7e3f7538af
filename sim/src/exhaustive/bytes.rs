//! Every bit of small logs.
