//! A day of one account: whatever happens around it, its registry refuses it eight times at most.
//!
//! The clock is set by hand, the registry is a real socket and counts. A restart drops everything
//! but what is kept in the state file.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use regcred_exporter::domain::cluster::Change;
use regcred_stand_ins::objects::docker_config;
use regcred_stand_ins::registry::{Answer, Behaviour, Registry, Step};

use super::keeper::Keeper;
use super::prober::{World, deploy, pod, secret, secret_changed};

/// Twenty passwords of an account that were good once, in 200 namespaces.
fn stale(registry: &Registry) -> impl Iterator<Item = Change> {
    let copies = (0..200).flat_map(|n| {
        let password = format!("stale-{}", n % 20);
        deploy(&format!("team-{n}"), registry, "bot", &password)
    });
    copies.collect::<Vec<_>>().into_iter()
}

fn holding(namespace: &str, registry: &Registry, password: &str) -> Change {
    let config = docker_config(&[(registry.host(), "bot", password)]);
    secret(namespace, &config)
}

fn start(registry: &Registry, now: DateTime<Utc>, keeper: &Keeper) -> World {
    let day = Duration::from_secs(86_400);
    let world = World::at(now, keeper.clone(), |probe| probe.ping_interval = day);
    world.apply(stale(registry));
    world.apply(deploy("same", registry, "bot", "stale-0"));
    world.apply(deploy("flips", registry, "bot", "flip-0"));
    world.apply(deploy("other", registry, "somebody", "right"));
    world
}

/// 24 hours: a restart every five minutes, a Secret rewritten with the same bytes and another
/// flipping between two wrong passwords every minute, a demand for everything every half hour.
/// Returns how many demands were made.
async fn day(registry: &Registry, keeper: &Keeper) -> usize {
    let begin = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let mut demands = 0;
    for restart in 0..288 {
        let now = begin + TimeDelta::minutes(5) * restart;
        let mut world = start(registry, now, keeper);
        // The day ends before its last minute does: a refusal of 24 hours ago is over.
        for minute in (0..5).filter(|minute| restart * 5 + minute < 24 * 60 - 1) {
            world.apply([holding("same", registry, "stale-0")]);
            let flip = format!("flip-{}", minute % 2);
            world.apply([holding("flips", registry, &flip)]);
            if (restart * 5 + minute) % 28 == 0 && demands < 50 {
                demands += 1;
                world.demand_all();
            }
            world.pass(TimeDelta::minutes(1)).await;
        }
    }
    demands
}

fn account() -> Behaviour {
    Behaviour::bearer()
        .user("bot", "right")
        .user("somebody", "right")
        .manifest("team/app", "1")
}

#[tokio::test]
async fn one_account_is_refused_eight_times_a_day_whatever_happens() {
    let registry = Registry::start(account()).await;
    let keeper = Keeper::default();
    assert_eq!(day(&registry, &keeper).await, 50);
    let refused = registry.refused_logins("bot");
    assert!((2..=8).contains(&refused), "{refused} refusals");
    assert!(registry.logins("somebody") > 0, "others are looked after");
}

/// With a place for two in half an hour, trying each of them first would tell of none in a day.
#[tokio::test]
async fn of_twenty_stale_passwords_two_are_told_within_an_hour_and_others_tried() {
    let registry = Registry::start(account()).await;
    let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let mut world = World::at(now, Keeper::default(), |_| {});
    world.apply(stale(&registry).take(40).collect::<Vec<_>>());
    world.pass(TimeDelta::minutes(65)).await;
    let told = (0..20).filter(|n| world.credential(&format!("team-{n}")).valid == Some(false));
    assert_eq!(told.count(), 2);
    let tried = registry.refused_logins("bot");
    assert_eq!(tried, 6, "two that were confirmed and two more");
}

#[tokio::test]
async fn without_a_state_file_that_can_be_written_nothing_that_may_be_refused_is_sent() {
    let registry = Registry::start(account()).await;
    let keeper = Keeper::default();
    keeper.set_broken(true);
    day(&registry, &keeper).await;
    assert_eq!(registry.all_refused_logins(), 0);
    assert_eq!(registry.logins("somebody"), 0, "it might have been refused");

    // It can be written again: what waited is asked for within half a minute.
    keeper.set_broken(false);
    let now = DateTime::from_timestamp(1_800_100_000, 0).unwrap();
    let mut world = start(&registry, now, &keeper);
    world.pass(TimeDelta::seconds(31)).await;
    assert_eq!(world.credential("other").valid, Some(true));
    assert!(registry.refused_logins("bot") <= 2);
}

#[tokio::test]
async fn a_state_file_that_breaks_while_we_run_is_told_and_stops_only_what_may_be_refused() {
    let registry = Registry::start(account()).await;
    let keeper = Keeper::default();
    let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let mut world = World::at(now, keeper.clone(), |_| {});
    world.apply(deploy("good", &registry, "somebody", "right"));
    world.step().await;
    assert_eq!(world.series("regcred_ledger_up"), Some(1.0));
    world.pass(TimeDelta::seconds(2)).await;

    keeper.set_broken(true);
    world.apply(deploy("new", &registry, "bot", "wrong"));
    world.pass(TimeDelta::minutes(61)).await;
    assert_eq!(world.series("regcred_ledger_up"), Some(0.0));
    assert_eq!(registry.all_refused_logins(), 0);
    let skipped = world.credential("new").skipped;
    assert_eq!(skipped.map(|why| why.as_str()), Some("budget"));
    let logins = registry.logins("somebody");
    assert!(logins >= 4, "{logins} logins of what is known to work");

    keeper.set_broken(false);
    world.pass(TimeDelta::seconds(31)).await;
    assert_eq!(world.series("regcred_ledger_up"), Some(1.0));
    assert_eq!(registry.refused_logins("bot"), 1);
    assert_eq!(world.credential("new").skipped, None);
}

/// Were it written over at once, the next start would believe that nothing was refused.
#[tokio::test]
async fn what_is_no_ledger_is_waited_for_at_each_start_and_then_written_over() {
    let registry = Registry::start(account()).await;
    let keeper = Keeper::default();
    keeper.overwrite("precious");
    let begin = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    for start in 0..3 {
        let now = begin + TimeDelta::minutes(10) * start;
        let mut world = World::at(now, keeper.clone(), |_| {});
        world.apply(deploy("a", &registry, "bot", "wrong"));
        world.pass(TimeDelta::minutes(10)).await;
        assert_eq!(world.series("regcred_ledger_up"), Some(0.0));
        assert_eq!(registry.all_refused_logins(), 0, "start {start}");
        assert_eq!(keeper.text(), "precious");
    }
    let mut world = World::at(begin + TimeDelta::hours(1), keeper.clone(), |_| {});
    world.apply(deploy("a", &registry, "bot", "wrong"));
    world.pass(TimeDelta::minutes(31)).await;
    assert_eq!(registry.refused_logins("bot"), 1);
    assert_eq!(world.series("regcred_ledger_up"), Some(1.0));
    assert!(keeper.text().contains("a/pull#"), "{}", keeper.text());
}

#[tokio::test]
async fn a_restart_keeps_what_was_learned_of_a_refused_login() {
    let registry = Registry::start(account()).await;
    let keeper = Keeper::default();
    let begin = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let unchanged = |world: &World| {
        let config = docker_config(&[(registry.host(), "bot", "wrong")]);
        world.apply([
            secret_changed("a", &config, begin - TimeDelta::days(30)),
            pod("a", &format!("{}/team/app:1", registry.host())),
        ]);
    };
    let mut world = World::at(begin, keeper.clone(), |_| {});
    unchanged(&world);
    world.pass(TimeDelta::minutes(10)).await;
    assert_eq!(registry.refused_logins("bot"), 2);
    let before = world.group("a/pull");

    let mut world = World::at(begin + TimeDelta::minutes(11), keeper.clone(), |_| {});
    unchanged(&world);
    world.step().await;
    assert_eq!(registry.refused_logins("bot"), 2, "not asked anew");
    assert_eq!(world.credential("a").valid, Some(false), "and known");
    let seconds = |at: Option<DateTime<Utc>>| at.map(|at| at.timestamp());
    let after = world.group("a/pull");
    assert_eq!(
        seconds(after.first_rejected),
        seconds(before.first_rejected)
    );
    let next = (seconds(after.next_run), seconds(before.next_run));
    assert!(next.0.unwrap().abs_diff(next.1.unwrap()) <= 1, "{next:?}");
    world.pass(TimeDelta::minutes(53)).await;
    assert_eq!(registry.refused_logins("bot"), 2);
    world.pass(TimeDelta::minutes(2)).await;
    assert_eq!(
        registry.refused_logins("bot"),
        3,
        "an hour after the second"
    );
    world.pass(TimeDelta::minutes(230)).await;
    assert_eq!(registry.refused_logins("bot"), 3);
}

#[tokio::test]
async fn a_login_that_was_cut_counts_as_refused_until_a_day_has_passed() {
    let registry = Registry::start(account()).await;
    let keeper = Keeper::default();
    let begin = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let never = Answer::status(401).delayed(Duration::from_secs(60));
    registry.answer(Step::Token, never);
    for restart in 0..20 {
        let now = begin + TimeDelta::hours(restart);
        let mut world = World::at(now, keeper.clone(), |_| {});
        world.apply(deploy("a", &registry, "bot", "wrong"));
        // Killed while the login is under way, if there is one.
        let before = registry.count(Step::Token);
        let sent = registry.until("a login", |registry| registry.count(Step::Token) > before);
        tokio::select! {
            _ = world.step() => {}
            () = sent => {}
        }
    }
    assert_eq!(registry.count(Step::Token), 8);
}

#[tokio::test]
async fn another_process_writes_and_what_does_not_fit_beside_it_is_not_sent() {
    let registry = Registry::start(account()).await;
    let keeper = Keeper::default();
    let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let mut worlds: Vec<World> = (0..6)
        .map(|_| World::at(now, keeper.clone(), |_| {}))
        .collect();
    // All have read before any writes.
    for world in &mut worlds {
        world.step().await;
    }
    for (n, world) in worlds.iter_mut().enumerate() {
        world.apply(deploy("a", &registry, "bot", &format!("wrong-{n}")));
        world.pass(TimeDelta::seconds(5)).await;
    }
    assert_eq!(registry.refused_logins("bot"), 2, "of six processes");
}
