//! Hostile targets in Secrets and Pods: none is contacted, counted at listeners that stand at every
//! one of their addresses.
//!
//! That takes a network where every address is ours, so each test runs itself again in a network and
//! mount namespace of its own ([`namespace`]). There one listener on each port hears whatever address
//! was connected to ([`traps`]), names resolve as the table says ([`dns`]), and before anything is
//! asked a plain connection to each target proves that somebody stands there.

mod dns;
mod namespace;
mod proxy;
mod rows;
mod traps;
mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use regcred_stand_ins::scrape::Page;

use proxy::Proxy;
use rows::Row;
use world::World;

use super::exporter::Exporter;

/// 20 logins at once, then 5 a second, of somewhat more than a hundred.
const PACED: Duration = Duration::from_secs(90);

#[test]
fn no_hostile_target_is_contacted() {
    const NAME: &str = "hostile::no_hostile_target_is_contacted";
    namespace::inside(NAME, async {
        let world = World::start(rows::all()).await;
        world.every_target_can_be_reached().await;
        let table = world.check(&[]).await;
        world.only_the_invited_were_contacted(|row| Some(&row.expected));
        world.rows_say(&table, |row| Some(&row.expected));
        world.names_have_changed();
    });
}

#[test]
fn no_hostile_target_is_contacted_by_the_daemon() {
    const NAME: &str = "hostile::no_hostile_target_is_contacted_by_the_daemon";
    namespace::inside(NAME, async {
        let world = World::start(rows::all()).await;
        world.every_target_can_be_reached().await;
        let mut command = world.command();
        let exporter = Exporter::spawn(command.args(world.flags())).await;
        let all = |page: &Page, told: fn(&Page, &Row) -> bool| {
            world.rows.iter().all(|row| told(page, row))
        };
        let refused =
            |page: &Page| all(page, |page, row| !row.is_blocked() || is_blocked(page, row));
        exporter.until("all refusals", PACED, refused).await;
        let valid = |page: &Page| {
            all(page, |page, row| {
                row.expected != "ok" || is_valid(page, row)
            })
        };
        exporter.until("the good ones", PACED, valid).await;
        world.only_the_invited_were_contacted(|row| Some(&row.expected));
    });
}

#[test]
fn no_hostile_target_is_contacted_through_a_proxy() {
    const NAME: &str = "hostile::no_hostile_target_is_contacted_through_a_proxy";
    namespace::inside(NAME, async {
        let world = World::start(rows::all()).await;
        world.every_target_can_be_reached().await;
        let proxy = Proxy::start().await;
        let url = format!("http://{}", proxy.address());
        let table = world
            .check(&[("HTTPS_PROXY", &url), ("HTTP_PROXY", &url)])
            .await;
        world.only_the_invited_were_contacted(|row| Some(&row.proxied));
        world.rows_say(&table, |row| Some(&row.proxied));
        world.names_have_changed();
        // nor did it hear of others, where nobody can stand; of names where there is no TLS
        let mut invited: BTreeSet<_> = world.fronts().map(|front| front.to_string()).collect();
        let plain = world.rows.iter().filter(|row| row.is_plain());
        invited.extend(plain.map(Row::endpoint));
        // the way to the cluster leads through it too; a registry would be asked there in TLS
        invited.insert(world::API_SERVER.to_owned());
        let asked = proxy.asked();
        assert!(asked.is_subset(&invited), "{asked:?}");
        let good = world.front_of("good.test").to_string();
        assert!(asked.contains(&good), "{asked:?} without {good}");
    });
}

#[test]
fn the_targets_are_forty_and_more() {
    let rows = rows::all();
    let refused = |row: &&Row| row.is_blocked();
    assert!(rows.iter().filter(refused).count() >= 40);
    let with_listener = |row: &&Row| row.is_blocked() && !row.at.is_empty();
    assert!(rows.iter().filter(with_listener).count() >= 40);
    let endpoints: BTreeSet<_> = rows.iter().flat_map(|row| row.at.iter().copied()).collect();
    assert!(endpoints.len() >= 40, "{} listeners", endpoints.len());
}

/// Some step with the row's credential was refused by policy.
fn is_blocked(page: &Page, row: &Row) -> bool {
    let credential = format!("{}/pull", row.name());
    let labels = [("credential", &*credential), ("outcome", "blocked")];
    page.count("regcred_probe_outcome", &labels) >= 1
}

fn is_valid(page: &Page, row: &Row) -> bool {
    let labels = [("secret_namespace", row.name())];
    page.value("regcred_credential_valid", &labels) == Some(1.0)
}
