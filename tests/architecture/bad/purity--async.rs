// src/domain/schedule.rs
//! Waits itself.

async fn wait(turn: Turn) { // caught
    turn.await; // caught
}
