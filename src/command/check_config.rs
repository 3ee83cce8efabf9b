//! `check-config`: are the flags right, and what do they give?

use crate::cli::RunArgs;
use crate::config::{Complaint, Settings};

/// The effective settings as flags, a line each; no secret is among them.
pub fn check_config(args: &RunArgs) -> Result<String, Vec<Complaint>> {
    Settings::try_from_args(args).map(|settings| settings.to_string())
}
