//! Turns a heard message into what the models read.

pub mod contract;
pub mod store;
pub mod text;
pub mod tfidf;
pub mod vector;
