// src/domain/expiry.rs
//! Asks the machine what time it is.

use chrono::{DateTime, Utc};

fn is_expired(at: DateTime<Utc>) -> bool {
    at < Utc::now() // caught
}
