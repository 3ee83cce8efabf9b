// src/domain/image.rs
//! A way out of the pure part by `super`.

use super::super::state::Shared; // caught
use super::name::Names;
