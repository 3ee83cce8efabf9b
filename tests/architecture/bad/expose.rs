// src/report/table.rs
//! Shows the password of each entry.

fn row(entry: &Entry) -> String {
    entry.password().expose_secret().to_owned() // caught
}
