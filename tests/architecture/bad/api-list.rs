// src/kubernetes/lease.rs
//! Lists through the typed client.

use kube::{Api, Client};

async fn all(client: Client) {
    let api: Api<Secret> = Api::all(client);
    api.list(&ListParams::default()).await; // caught
}
