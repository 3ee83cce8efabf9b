//! Tells the program which compiler built it: `regcred_build_info{rust_version}`.
//!
//! The pin in rust-toolchain.toml would be a guess (rustup can be overruled, distributions have
//! none) and `CARGO_PKG_RUST_VERSION` is the oldest compiler that would do.

use std::env;
use std::process::Command;

fn main() {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let told = Command::new(rustc).arg("--version").output().ok();
    let told = told.and_then(|output| String::from_utf8(output.stdout).ok());
    let version = told.as_deref().and_then(|told| told.split(' ').nth(1));
    println!(
        "cargo::rustc-env=REGCRED_RUST_VERSION={}",
        version.unwrap_or("unknown")
    );
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=RUSTC");
}
