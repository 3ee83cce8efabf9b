//! What is due when, in days that pass by hand.

use super::super::samples;
use super::*;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn registry(host: &str) -> Registry {
    Registry::from_domain(host)
}

fn logins(host: &str, count: usize) -> Vec<Job> {
    let groups = samples::groups(host, count).into_iter();
    groups.map(Job::Login).collect()
}

#[test]
fn what_is_due_is_taken_once() {
    let mut schedule = Schedule::new(4);
    let job = Job::Ping(registry("ghcr.io"));
    schedule.hasten(&job, at(0));
    assert_eq!(schedule.take_due(at(0)), std::slice::from_ref(&job));
    assert_eq!(schedule.take_due(at(0)), []);
    assert_eq!(schedule.finished(&job, at(60), at(1)), Some(at(60)));
    assert_eq!(schedule.take_due(at(59)), []);
    assert_eq!(schedule.take_due(at(60)), [job]);
}

#[test]
fn a_registry_is_never_asked_by_more_than_its_share_at_once() {
    let mut schedule = Schedule::new(3);
    let jobs = logins("ghcr.io", 10);
    jobs.iter().for_each(|job| schedule.hasten(job, at(0)));
    let taken = schedule.take_due(at(0));
    assert_eq!(taken.len(), 3);
    assert_eq!(
        schedule.next_due(at(0)),
        None,
        "waits for an end, not for a time"
    );
    schedule.finished(&taken[0], at(900), at(1));
    assert_eq!(schedule.take_due(at(1)).len(), 1);
}

#[test]
fn logins_keep_the_pace_after_the_burst() {
    let mut schedule = Schedule::new(usize::MAX);
    logins("ghcr.io", 620)
        .iter()
        .for_each(|job| schedule.hasten(job, at(0)));
    let mut now = at(0);
    let mut started = 0;
    while started < 620 {
        started += schedule.take_due(now).len();
        now = schedule.next_due(now).unwrap_or(now);
    }
    assert!(now <= at(121), "{now} is too late");
    assert!(now >= at(119), "{now} is too early");
}

#[test]
fn a_busy_registry_holds_up_no_other() {
    let mut schedule = Schedule::new(1);
    logins("slow.example", 50)
        .iter()
        .for_each(|job| schedule.hasten(job, at(0)));
    schedule.take_due(at(0));
    let other = logins("ghcr.io", 1);
    schedule.hasten(&other[0], at(1));
    assert_eq!(schedule.take_due(at(1)), other);
}

#[test]
fn a_ping_waits_behind_no_login() {
    let mut schedule = Schedule::new(2);
    logins("ghcr.io", 1000)
        .iter()
        .for_each(|job| schedule.hasten(job, at(0)));
    let ping = Job::Ping(registry("ghcr.io"));
    schedule.hasten(&ping, at(60));
    let slow = schedule.take_due(at(0));
    assert_eq!(slow.len(), 2);
    schedule.finished(&slow[0], at(900), at(60));
    assert_eq!(schedule.take_due(at(60)), std::slice::from_ref(&ping));
}

#[test]
fn a_ping_is_due_though_logins_wait_for_the_pace() {
    let mut schedule = Schedule::new(usize::MAX);
    logins("ghcr.io", 1000)
        .iter()
        .for_each(|job| schedule.hasten(job, at(0)));
    assert_eq!(schedule.take_due(at(0)).len(), BURST as usize);
    let ping = Job::Ping(registry("ghcr.io"));
    let soon = at(0) + TimeDelta::milliseconds(1);
    schedule.hasten(&ping, soon);
    assert_eq!(schedule.next_due(at(0)), Some(soon));
    assert_eq!(schedule.take_due(soon), [ping]);
}

#[test]
fn the_longest_retry_after_holds() {
    let mut schedule = Schedule::new(1);
    let ghcr = registry("ghcr.io");
    let job = Job::Ping(ghcr.clone());
    schedule.hasten(&job, at(0));
    schedule.hold(&ghcr, at(1800), at(0));
    schedule.hold(&ghcr, at(1), at(0));
    assert_eq!(schedule.take_due(at(1799)), []);
    assert_eq!(schedule.take_due(at(1800)), [job]);
}

#[test]
fn retry_after_holds_for_an_hour_at_most() {
    let mut schedule = Schedule::new(1);
    let job = Job::Ping(registry("ghcr.io"));
    schedule.hasten(&job, at(0));
    schedule.hold(&registry("ghcr.io"), at(1_000_000_000), at(0));
    assert_eq!(schedule.take_due(at(3599)), []);
    assert_eq!(schedule.next_due(at(0)), Some(at(3600)));
    assert_eq!(schedule.take_due(at(3600)), [job]);
}

#[test]
fn what_is_asked_for_while_under_way_is_done_once_more() {
    let mut schedule = Schedule::new(1);
    let job = Job::Ping(registry("ghcr.io"));
    schedule.hasten(&job, at(0));
    schedule.take_due(at(0));
    schedule.hasten(&job, at(1));
    schedule.hasten(&job, at(1));
    assert_eq!(schedule.finished(&job, at(900), at(2)), Some(at(2)));
    assert_eq!(schedule.take_due(at(2)).len(), 1);
    assert_eq!(schedule.finished(&job, at(900), at(3)), Some(at(900)));
}

#[test]
fn what_is_forgotten_while_under_way_does_not_come_back() {
    let mut schedule = Schedule::new(1);
    let job = Job::Ping(registry("ghcr.io"));
    schedule.hasten(&job, at(0));
    schedule.take_due(at(0));
    schedule.forget(&job);
    assert_eq!(schedule.finished(&job, at(60), at(1)), None);
    assert!(schedule.is_empty());
    assert!(
        schedule.lanes.is_empty(),
        "a registry that nobody names leaves nothing behind"
    );
}

#[test]
fn a_phase_is_at_least_half_an_interval_away_and_then_one_interval_apart() {
    let interval = Duration::from_secs(900);
    for name in ["team-a/pull", "team-b/pull", "x/y"] {
        let first = next_in_phase(&name, interval, 0.0, at(0));
        assert!(first >= at(450) && first < at(1350), "{first}");
        let second = next_in_phase(&name, interval, 0.0, first);
        assert_eq!(second - first, TimeDelta::seconds(900));
    }
}

#[test]
fn jitter_moves_a_phase_by_a_twentieth_at_most() {
    let interval = Duration::from_secs(900);
    let still = next_in_phase(&"a", interval, 0.0, at(0));
    let moved = next_in_phase(&"a", interval, 1.0, at(0));
    assert_eq!(moved - still, TimeDelta::seconds(45));
}

fn home(job: &Job, name: &str, schedule: &mut Schedule) {
    schedule.belongs_to(job, &name.into());
}

#[test]
fn namespaces_are_served_in_turn_and_the_longest_due_first_in_each() {
    let mut schedule = Schedule::new(usize::MAX);
    let crowd = logins("crowd.example.com", 1_000);
    for (n, job) in crowd.iter().enumerate() {
        home(job, "crowd", &mut schedule);
        schedule.hasten(job, at(n as i64 / 100));
    }
    assert_eq!(schedule.take_due(at(10)).len(), 20, "the burst");
    // They come later, and each has its turn before the crowd has its second.
    let others = logins("other.example.com", 10);
    for (n, job) in others.iter().enumerate() {
        home(job, &format!("team-{n}"), &mut schedule);
        schedule.hasten(job, at(11));
    }
    let mut taken = Vec::new();
    let mut now = at(11);
    while taken.len() < 12 {
        taken.extend(schedule.take_due(now));
        now += TimeDelta::milliseconds(200);
    }
    let of_others = taken[..11]
        .iter()
        .filter(|job| others.contains(job))
        .count();
    assert_eq!(of_others, 10, "within two seconds");
    assert!(now - at(11) <= TimeDelta::seconds(3));
}

#[test]
fn a_namespace_has_one_turn_over_all_registries() {
    let mut schedule = Schedule::new(1);
    let hosts: Vec<_> = (0..30).map(|n| format!("r{n}.example.com")).collect();
    for host in &hosts {
        let job = &logins(host, 1)[0];
        home(job, "crowd", &mut schedule);
        schedule.hasten(job, at(0));
    }
    let mine = &logins("mine.example.com", 1)[0];
    home(mine, "mine", &mut schedule);
    schedule.hasten(mine, at(5));
    let taken = schedule.take_due(at(5));
    assert!(taken[..2].contains(mine), "{taken:?}");
}

#[test]
fn namespaces_that_come_and_go_leave_nothing_behind() {
    let mut schedule = Schedule::new(usize::MAX);
    let jobs = logins("ghcr.io", 2_000);
    for (n, job) in jobs.iter().enumerate() {
        let now = at(n as i64);
        home(job, &format!("team-{n}"), &mut schedule);
        schedule.hasten(job, now);
        assert_eq!(schedule.take_due(now), std::slice::from_ref(job));
        schedule.finished(job, now + TimeDelta::days(1), now);
        schedule.forget(job);
    }
    let remembered = schedule.served.len();
    assert!(remembered <= 64, "{remembered} namespaces");
}

#[test]
fn it_is_behind_while_what_is_due_has_to_wait_for_the_pace() {
    let mut schedule = Schedule::new(10);
    let (own, others) = (logins("ghcr.io", 30), logins("quay.io", 15));
    assert!(!schedule.is_behind(at(0)));
    own.iter().for_each(|job| schedule.hasten(job, at(0)));
    assert!(!schedule.is_behind(at(0)), "the whole burst is there");
    assert_eq!(schedule.take_due(at(0)).len(), 10);
    assert!(schedule.is_behind(at(0)), "its registry keeps the rest");
    assert_eq!(schedule.recovered_at(), at(2));
    assert!(!schedule.is_behind(at(2)), "and has nothing to wait for");

    others.iter().for_each(|job| schedule.hasten(job, at(3)));
    assert_eq!(schedule.take_due(at(3)).len(), 10);
    schedule.hold(&registry("ghcr.io"), at(60), at(3));
    schedule.hold(&registry("quay.io"), at(60), at(3));
    assert!(!schedule.is_behind(at(3)), "both want quiet");
}

#[test]
fn it_is_not_behind_with_what_comes_later() {
    let mut schedule = Schedule::new(usize::MAX);
    let jobs = logins("ghcr.io", 21);
    let (now, later) = jobs.split_at(20);
    now.iter().for_each(|job| schedule.hasten(job, at(0)));
    later.iter().for_each(|job| schedule.hasten(job, at(1)));
    assert_eq!(schedule.take_due(at(0)).len(), 20);
    assert!(!schedule.is_behind(at(0)));
    assert!(schedule.is_behind(at(1)));
}
