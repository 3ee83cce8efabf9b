//! What is counted, over days that pass by hand and seasons that are drawn.

use std::collections::{HashMap, VecDeque};

use super::*;
use crate::domain::credential::{Credential, Credentials};

/// Logins of several accounts and registries, and a registry that remembers.
struct World {
    budget: Budget,
    credentials: Credentials,
    accounts: HashMap<Group, AccountName>,
    now: DateTime<Utc>,
}

impl World {
    fn new(limits: Limits) -> Self {
        Self {
            budget: Budget::new(limits, 1),
            credentials: Credentials::default(),
            accounts: HashMap::new(),
            now: start(),
        }
    }

    fn group(&mut self, host: &str, user: &str, password: &str) -> Group {
        let credential = Credential::basic(user.as_bytes(), password.as_bytes());
        let id = self.credentials.intern(credential);
        let group = Group {
            registry: Registry::from_domain(host),
            credential: id,
        };
        let credential = self.credentials.get(id).unwrap();
        let account = AccountName::of(credential).unwrap();
        self.accounts.insert(group.clone(), account);
        group
    }

    fn enter(
        &mut self,
        group: &Group,
        holder: &str,
        standing: Standing,
    ) -> Result<EntryId, Shortage> {
        let login = Login {
            group,
            account: &self.accounts[group],
            holders: &[holder.to_owned()],
            standing,
            first_rejected: None,
        };
        self.budget.enter(&login, self.now)
    }

    fn refused(&mut self, group: &Group, holder: &str) -> Result<(), Shortage> {
        let id = self.enter(group, holder, Standing::Unproven)?;
        self.budget.answered(id, Toll::Refused, self.now);
        Ok(())
    }

    fn pass(&mut self, time: TimeDelta) {
        self.now += time;
    }

    /// Another process takes over what is written, and nothing else.
    fn restart(&mut self, origin: u32) {
        let text = self.budget.to_text(self.now).unwrap();
        self.budget = Budget::new(Limits::DAEMON, origin);
        self.budget.take_in(&text, self.now).unwrap();
    }
}

fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

#[test]
fn an_account_has_two_refusals_in_half_an_hour_and_eight_a_day() {
    let mut world = World::new(Limits::DAEMON);
    let groups: Vec<_> = (0..20)
        .map(|n| world.group("r.example.com", "ada", &n.to_string()))
        .collect();
    let mut times = Vec::new();
    for minute in 0..3 * 24 * 60 {
        for (n, group) in groups.iter().enumerate() {
            if world
                .refused(group, &format!("ns-{n}/pull#r.example.com"))
                .is_ok()
            {
                times.push(minute);
            }
        }
        world.pass(TimeDelta::minutes(1));
    }
    assert_eq!(times[..9], [0, 0, 30, 30, 60, 60, 90, 90, 1440]);
    assert_eq!(times.len(), 24);
}

#[test]
fn an_account_is_the_user_name_at_one_registry() {
    let mut world = World::new(Limits::DAEMON);
    let check = |world: &mut World, host: &str, user: &str, password: &str, expected: bool| {
        let group = world.group(host, user, password);
        let is_in = world
            .refused(&group, &format!("{user}/{password}#{host}"))
            .is_ok();
        assert_eq!(is_in, expected, "{host} {user} {password}");
    };
    check(&mut world, "r.example.com", "ada", "1", true);
    check(&mut world, "r.example.com", "ada", "2", true);
    check(&mut world, "r.example.com", "ada", "3", false);
    check(&mut world, "r.example.com", "Ada", "3", true);
    check(&mut world, "s.example.com", "ada", "3", true);
    for token in ["1", "2", "3", "4"] {
        check(&mut world, "r.example.com", "AWS", token, true);
    }
}

#[test]
fn a_registry_refuses_us_twenty_times_in_ten_minutes_at_most() {
    let mut world = World::new(Limits::DAEMON);
    let mut refused = 0;
    for n in 0..100 {
        let group = world.group("r.example.com", &format!("user-{n}"), "x");
        refused += usize::from(world.refused(&group, &format!("ns-{n}/pull#r")).is_ok());
    }
    assert!((10..=20).contains(&refused), "{refused}");
    let group = world.group("r.example.com", "late", "x");
    assert!(world.refused(&group, "late/pull#r").is_err());
    world.pass(TimeDelta::minutes(10));
    assert!(world.refused(&group, "late/pull#r").is_ok());
}

#[test]
fn a_place_is_given_back_by_a_good_answer_and_not_by_silence() {
    let check = |toll: Toll, is_free: bool| {
        let mut world = World::new(Limits::DAEMON);
        let groups: Vec<_> = (0..4)
            .map(|n| world.group("r.example.com", "ada", &n.to_string()))
            .collect();
        for group in &groups[..2] {
            let id = world.enter(group, "a/pull#r", Standing::Unproven).unwrap();
            assert_eq!(
                world.budget.answered(id, toll, world.now),
                is_free,
                "{toll:?}"
            );
        }
        let third = world.enter(&groups[2], "b/pull#r", Standing::Unproven);
        assert_eq!(third.is_ok(), is_free, "{toll:?}");
    };
    check(Toll::Accepted, true);
    check(Toll::NotSent, true);
    check(Toll::Refused, false);
    check(Toll::Unanswered, false);
}

#[test]
fn a_login_under_way_holds_its_place() {
    let mut world = World::new(Limits::DAEMON);
    let groups: Vec<_> = (0..3)
        .map(|n| world.group("r.example.com", "ada", &n.to_string()))
        .collect();
    let first = world
        .enter(&groups[0], "a/pull#r", Standing::Unproven)
        .unwrap();
    world
        .enter(&groups[1], "b/pull#r", Standing::Unproven)
        .unwrap();
    let shortage = world
        .enter(&groups[2], "c/pull#r", Standing::Unproven)
        .unwrap_err();
    assert_eq!(shortage.by, Taken::ByOthers);
    let registry = &groups[2].registry;
    assert_eq!(world.budget.next_waiting(registry, world.now), []);
    world.budget.answered(first, Toll::Accepted, world.now);
    let next = world.budget.next_waiting(registry, world.now);
    assert_eq!(next, [groups[2].clone()]);
}

#[test]
fn what_was_never_refused_goes_before_what_was() {
    let mut world = World::new(Limits::DAEMON);
    let stale = world.group("r.example.com", "ada", "stale");
    let good = world.group("r.example.com", "ada", "good");
    world.refused(&stale, "stale/pull#r").unwrap();
    world.refused(&stale, "stale/pull#r").unwrap();
    for (group, holder) in [(&stale, "stale/pull#r"), (&good, "good/pull#r")] {
        let shortage = world.enter(group, holder, Standing::Unproven).unwrap_err();
        assert_eq!(shortage.by, Taken::ByRefusals);
    }
    world.pass(TimeDelta::minutes(30));
    let next = world.budget.next_waiting(&stale.registry, world.now);
    assert_eq!(next, [good]);
}

/// Copies of one account's password, each of which asks whenever it is told to.
struct Copies {
    groups: Vec<Group>,
    holders: Vec<String>,
    next: Vec<DateTime<Utc>>,
    first: Vec<Option<DateTime<Utc>>>,
    times: Vec<u32>,
}

impl Copies {
    fn of(world: &mut World, count: usize) -> Self {
        let group = |n: usize| world.group("r.example.com", "ada", &n.to_string());
        Self {
            groups: (0..count).map(group).collect(),
            holders: (0..count).map(|n| format!("ns-{n}/pull#r")).collect(),
            next: vec![start(); count],
            first: vec![None; count],
            times: vec![0; count],
        }
    }

    /// Other bytes in the same entry: another credential, asked for at once.
    fn change(&mut self, n: usize, world: &mut World) {
        self.groups[n] = world.group("r.example.com", "ada", "corrected");
        (self.next[n], self.first[n], self.times[n]) = (world.now, None, 0);
    }

    fn pass(&mut self, time: TimeDelta, world: &mut World) {
        let end = world.now + time;
        while world.now < end {
            for n in 0..self.groups.len() {
                if self.next[n] <= world.now {
                    self.ask(n, world);
                }
            }
            world.pass(TimeDelta::minutes(1));
        }
    }

    fn ask(&mut self, n: usize, world: &mut World) {
        let login = Login {
            group: &self.groups[n],
            account: &world.accounts[&self.groups[n]],
            holders: &self.holders[n..=n],
            standing: Standing::Unproven,
            first_rejected: self.first[n],
        };
        self.next[n] = match world.budget.enter(&login, world.now) {
            Ok(id) => {
                world.budget.answered(id, Toll::Refused, world.now);
                self.first[n].get_or_insert(world.now);
                self.times[n] += 1;
                world.now + TimeDelta::minutes(if self.times[n] == 1 { 5 } else { 60 })
            }
            Err(shortage) => shortage.until,
        };
    }
}

#[test]
fn of_many_stale_ones_some_are_confirmed_and_new_ones_are_tried_all_the_same() {
    let mut world = World::new(Limits::DAEMON);
    let mut copies = Copies::of(&mut world, 20);
    copies.pass(TimeDelta::hours(23), &mut world);
    let times = &copies.times;
    assert_eq!(times.iter().sum::<u32>(), 8, "{times:?}");
    let confirmed = times.iter().filter(|times| **times > 1).count();
    let tried = times.iter().filter(|times| **times > 0).count();
    assert!(confirmed >= 3, "{times:?}");
    assert!(tried >= 4, "{times:?}");
}

#[test]
fn a_corrected_password_is_not_kept_behind_all_that_are_stale() {
    let mut world = World::new(Limits::DAEMON);
    let mut copies = Copies::of(&mut world, 20);
    copies.pass(TimeDelta::minutes(31), &mut world);
    let known = |times: &u32| *times > 1;
    let corrected = copies.times.iter().position(known).unwrap();
    copies.change(corrected, &mut world);
    copies.pass(TimeDelta::minutes(90), &mut world);
    assert!(copies.times[corrected] > 0, "{:?}", copies.times);
}

#[test]
fn every_place_that_is_free_is_offered_whoever_is_slow_to_come() {
    let mut world = World::new(Limits::DAEMON);
    let groups: Vec<_> = (0..60)
        .map(|n| world.group("r.example.com", &format!("user-{n}"), "x"))
        .collect();
    let enter = |world: &mut World, n: usize| {
        let holder = format!("ns-{n}/pull#r");
        world.enter(&groups[n], &holder, Standing::Unproven)
    };
    let entered: Vec<_> = (0..60).filter_map(|n| enter(&mut world, n).ok()).collect();
    let most = entered.len();
    for id in &entered {
        world.budget.answered(*id, Toll::Accepted, world.now);
    }
    let offered = world.budget.next_waiting(&groups[0].registry, world.now);
    assert!(offered.len() >= most, "{} of {most}", offered.len());
    let distinct: std::collections::HashSet<_> = offered.iter().collect();
    assert_eq!(distinct.len(), offered.len());
}

#[test]
fn a_login_behind_others_is_told_of_the_next_place_and_not_of_the_next_day() {
    let mut world = World::new(Limits::DAEMON);
    let groups: Vec<_> = (0..20)
        .map(|n| world.group("r.example.com", "ada", &n.to_string()))
        .collect();
    world.refused(&groups[0], "ns-0/pull#r").unwrap();
    world.refused(&groups[1], "ns-1/pull#r").unwrap();
    // Never refused, so they go first; and they may be deleted before it is their turn.
    for (n, group) in groups.iter().enumerate().skip(2) {
        let holder = format!("ns-{n}/pull#r");
        world.enter(group, &holder, Standing::Unproven).unwrap_err();
    }
    let last = world.enter(&groups[0], "ns-0/pull#r", Standing::Unproven);
    let shortage = last.unwrap_err();
    assert_eq!(shortage.by, Taken::ByRefusals);
    let wait = shortage.until - world.now;
    assert!(wait >= TimeDelta::minutes(30), "{wait}");
    assert!(wait <= TimeDelta::minutes(40), "{wait}");
}

#[test]
fn a_command_has_each_account_refused_once() {
    let mut world = World::new(Limits::ONE_RUN);
    let groups: Vec<_> = (0..3)
        .map(|n| world.group("r.example.com", "ada", &n.to_string()))
        .collect();
    let first = world
        .enter(&groups[0], "a/pull#r", Standing::Unproven)
        .unwrap();
    world.budget.answered(first, Toll::Accepted, world.now);
    assert!(world.refused(&groups[1], "b/pull#r").is_ok());
    assert!(world.refused(&groups[2], "c/pull#r").is_err());
}

#[test]
fn the_ledger_names_no_user_and_is_known_again_by_its_holders() {
    let mut world = World::new(Limits::DAEMON);
    let old = world.group("r.example.com", "ada-lovelace", "pass-word");
    world.refused(&old, "shop/pull#r.example.com").unwrap();
    world.refused(&old, "shop/pull#r.example.com").unwrap();
    let text = world.budget.to_text(world.now).unwrap();
    for secret in ["ada", "lovelace", "pass", "word"] {
        assert!(!text.contains(secret), "{text}");
    }
    world.restart(2);
    let same = world.group("r.example.com", "ada-lovelace", "other");
    assert!(world.refused(&same, "shop/pull#r.example.com").is_err());
    let others = world.group("r.example.com", "grace", "other");
    assert!(world.refused(&others, "shop/grace#r.example.com").is_ok());
}

#[test]
fn refusals_whose_holders_are_gone_still_count_against_the_registry() {
    let mut world = World::new(Limits::DAEMON);
    for n in 0..16 {
        let group = world.group("r.example.com", &format!("user-{n}"), "x");
        world.refused(&group, &format!("ns-{n}/pull#r")).unwrap();
    }
    world.restart(2);
    let group = world.group("r.example.com", "new", "x");
    assert!(world.refused(&group, "new/pull#r").is_err());
    world.pass(TimeDelta::minutes(11));
    assert!(world.refused(&group, "new/pull#r").is_ok());
}

#[test]
fn what_is_no_ledger_is_told_and_changes_nothing() {
    let check = |text: &str| {
        let mut budget = Budget::new(Limits::DAEMON, 1);
        assert_eq!(budget.take_in(text, start()), Err(Broken), "{text}");
    };
    let wrap = |accounts: &str| {
        format!(r#"{{"version":1,"base":1800000000,"origins":[7],"accounts":[{accounts}]}}"#)
    };
    check("");
    check("null");
    check("{");
    check(r#"{"version":2,"base":0,"origins":[],"accounts":[]}"#);
    check(r#"{"version":1,"base":9223372036854775807,"origins":[],"accounts":[]}"#);
    check(&wrap(r#"{"registry":"r","holders":[],"logins":[[1]]}"#));
    check(&wrap(
        r#"{"registry":"r","holders":[],"logins":[[0,0,9,1]]}"#,
    ));
    check(&wrap(
        r#"{"registry":"r","holders":[],"logins":[[9223372036854775807,0,0,1]]}"#,
    ));
    let logins = vec!["[0,0,0,1]"; 65].join(",");
    check(&wrap(&format!(
        r#"{{"registry":"r","holders":[],"logins":[{logins}]}}"#
    )));
    check(&"x".repeat(500_000));
    let empty = wrap("");
    assert_eq!(
        Budget::new(Limits::DAEMON, 1).take_in(&empty, start()),
        Ok(())
    );
}

#[test]
fn a_ledger_that_is_too_long_keeps_one_holder_each_and_then_nothing_more() {
    let mut world = World::new(Limits::DAEMON);
    let long = "x".repeat(200);
    let mut hosts = 0;
    while hosts % 50 != 0 || world.budget.to_text(world.now).is_ok() {
        hosts += 1;
        assert!(hosts < 5_000, "never full");
        let group = world.group(&format!("r{hosts}.example.com"), "ada", "x");
        let login = Login {
            group: &group,
            account: &world.accounts[&group],
            holders: &(0..8)
                .map(|n| format!("{long}{n}/pull#r"))
                .collect::<Vec<_>>(),
            standing: Standing::Unproven,
            first_rejected: None,
        };
        let id = world.budget.enter(&login, world.now).unwrap();
        world.budget.answered(id, Toll::Refused, world.now);
    }
    assert!(hosts > 500, "{hosts} accounts");
    assert_eq!(world.budget.to_text(world.now), Err(Full));
    world.pass(TimeDelta::hours(25));
    assert!(world.budget.to_text(world.now).is_ok());
}

/// Numbers that look drawn, and are the same each time (Knuth's MMIX generator).
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// Refusals of the last `span`, counted by the registry.
fn count(times: &mut VecDeque<DateTime<Utc>>, span: TimeDelta, now: DateTime<Utc>) -> usize {
    times.retain(|at| *at + TimeDelta::hours(24) > now);
    times.iter().filter(|at| **at + span > now).count()
}

#[test]
fn no_window_of_a_season_holds_more_than_its_limit_whoever_asks() {
    for seed in 0..2 {
        let (mut world, mut draw) = (World::new(Limits::DAEMON), Draw(seed));
        // A process that starts recognises every entry that it sees.
        let holder = |n: u64| format!("ns-{n}/pull#r");
        let restart = |world: &mut World, groups: &[Group], draw: &mut Draw| {
            world.restart(draw.below(1 << 30) as u32);
            for (n, group) in groups.iter().enumerate() {
                let account = &world.accounts[group];
                let holders = [holder(n as u64)];
                world.budget.recognise(&group.registry, account, &holders);
            }
        };
        let groups: Vec<_> = (0..60)
            .map(|n| world.group("r.example.com", &format!("user-{}", n % 12), &n.to_string()))
            .collect();
        let mut by_account: HashMap<u64, VecDeque<DateTime<Utc>>> = HashMap::new();
        let mut of_registry = VecDeque::new();
        let mut all = 0;
        let end = world.now + TimeDelta::days(45);
        while world.now < end {
            world.pass(TimeDelta::seconds(draw.below(1_200) as i64));
            if draw.below(20) == 0 {
                restart(&mut world, &groups, &mut draw);
            }
            let n = draw.below(60);
            let Ok(id) = world.enter(&groups[n as usize], &holder(n), Standing::Unproven) else {
                continue;
            };
            let outcome = draw.below(10);
            match outcome {
                0 => drop(world.budget.answered(id, Toll::Accepted, world.now)),
                1 => drop(world.budget.answered(id, Toll::NotSent, world.now)),
                // Ended before its answer came: the registry has counted it all the same.
                2 => restart(&mut world, &groups, &mut draw),
                _ => drop(world.budget.answered(id, Toll::Refused, world.now)),
            }
            if outcome < 2 {
                continue;
            }
            let now = world.now;
            let account = by_account.entry(n % 12).or_default();
            account.push_back(now);
            of_registry.push_back(now);
            all += 1;
            assert!(
                count(account, TimeDelta::minutes(30), now) <= 2,
                "seed {seed}"
            );
            assert!(
                count(account, TimeDelta::hours(24), now) <= 8,
                "seed {seed}"
            );
            assert!(count(&mut of_registry, TimeDelta::minutes(10), now) <= 20);
        }
        assert!(all > 1_000, "a budget that frees is used: {all}");
    }
}
