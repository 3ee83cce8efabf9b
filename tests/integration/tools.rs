//! The real parts: where `make test` has put them.

/// The program that a variable names.
///
/// # Panics
/// When it is not set: a test that needs a real part is never skipped silently.
pub(crate) fn path(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} is not set: run `make test`, which sets up what this test needs")
    })
}
