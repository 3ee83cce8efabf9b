// src/files.rs
//! Looks at a file as often as it can.

fn run(file: &File) {
    loop { // caught
        look_at(file);
    }
}

async fn good(file: &File) {
    loop {
        look_at(file);
        pause().await;
    }
}
