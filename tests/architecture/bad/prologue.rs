// src/web/page.rs
use crate::state::Shared;
