//! docs/registries.md.

use std::fmt::Write;

use regcred_exporter::domain::outcome::Situation;
use regcred_exporter::domain::provider::Provider;

use super::fixture::{Case, Fixture};
use super::{COLUMNS, Got, Replayed};

const HEAD: &str = "\
# Registries

The same status means different things on different registries: 403 is a bad token at GHCR, a missing right at Google, an
expired token at ECR, an account held back at JFrog. This page says for each what it answers in which situation and what
the exporter makes of it. It is written by the test that replays these answers (`tests/fixtures/exchanges`) over sockets
through the program's own client; `UPDATE=1 cargo test --test integration docs_registries` writes it anew.

## How to read an outcome

- The outcome of the step `token` is the login's; that of the step `manifest` is one repository's. A repository that is
  refused after a login that works is no wrong password.
- `unauthorized` is what most registries say of a wrong password and of one that has expired alike. Where the credential
  has a date of its own, the exporter reads that and says `expired` without asking.
- `forbidden` or `not_found` for a manifest is, at many registries, the one answer for \"private\" and \"not there\": check
  the name before the right. The tables below name all that an answer may mean; of a refused login, so do `check` and
  `doubt` in the log line about a login whose outcome changed.
- `locked_out` is an account or an address that is held back after failed logins. It is not the quota, which is
  `rate_limited`. Find who still logs in with the old password before you do anything else: each try makes it longer.
- `registry_error` says nothing about the credential.

## Who it is

The label `provider` of `regcred_credential_info` is told by the host name where that belongs to a provider; an answer that
claims another is not believed. Under any other name it is told by the answer to an anonymous `GET /v2/`: the service and
the token endpoint of the challenge, the Basic realm, headers. `distribution` is also what answers exactly as it does.

## All of them

Expected and got; one word where both agree. The step that decides is the login where no manifest is named in the tables
below. `~` answered like another situation, so that it cannot be told from it; `?` taken from memory or by likeness: no public
source was found that shows it; `-` there is no such thing.

";

/// The page.
pub(super) fn of(all: &[Replayed]) -> String {
    let mut page = HEAD.to_owned();
    let titles: Vec<_> = COLUMNS.iter().map(|column| title(*column)).collect();
    let _ = writeln!(page, "| Registry | {} |", titles.join(" | "));
    let _ = writeln!(page, "|---|{}", "---|".repeat(COLUMNS.len()));
    for one in all {
        let cells: Vec<_> = COLUMNS.iter().map(|column| cell(one, *column)).collect();
        let _ = writeln!(page, "| {} | {} |", one.fixture.title, cells.join(" | "));
    }
    for one in all {
        section(&mut page, one);
    }
    page
}

fn title(situation: Situation) -> &'static str {
    match situation {
        Situation::CredentialNeeded => "no credential",
        Situation::WrongPassword => "wrong password",
        Situation::ExpiredCredential => "expired",
        Situation::NoRight => "no right",
        Situation::RepositoryAbsent => "no such repository",
        Situation::TagAbsent => "no such tag",
        Situation::OverLimit => "over a limit",
        Situation::LockedOut => "locked out",
        Situation::Withheld => "withheld by a policy",
        Situation::AddressRefused => "our address refused",
        Situation::NamespaceDisabled => "namespace switched off",
    }
}

fn cell(one: &Replayed, column: Situation) -> String {
    let of_column = one
        .cases
        .iter()
        .filter(|(case, _)| case.situation() == column);
    let mut cells: Vec<String> = Vec::new();
    for (case, got) in of_column {
        let cell = match got {
            None => "-".to_owned(),
            Some(got) => {
                let alike = if got.meaning().leaves_doubt() {
                    " ~"
                } else {
                    ""
                };
                format!("{}{alike}{}", both(case, got), unverified(case))
            }
        };
        if !cells.contains(&cell) {
            cells.push(cell);
        }
    }
    cells.join("; ")
}

/// The deciding word, or both words where they are two.
fn both(case: &Case, got: &Got) -> String {
    let expected = match case.manifest.as_str() {
        "-" => &case.login,
        manifest => manifest,
    };
    let got = got.meaning().outcome.as_str();
    match expected == got {
        true => format!("`{got}`"),
        false => format!("`{expected}`, got `{got}`"),
    }
}

fn unverified(case: &Case) -> &'static str {
    if case.verified { "" } else { " ?" }
}

fn section(page: &mut String, one: &Replayed) {
    let Replayed { fixture, cases } = one;
    let _ = writeln!(page, "\n## {}\n", fixture.title);
    let (label, known_by) = (&fixture.provider, known_by(one));
    let about = format!("`provider=\"{label}\"`, {known_by}. {}", fixture.notes);
    let _ = writeln!(page, "{}\n", wrapped(&about));
    page.push_str("| Situation | Answered | Expected | Got | May as well be | Note |\n");
    page.push_str("|---|---|---|---|---|---|\n");
    for (case, got) in cases {
        row(page, fixture, case, got.as_ref());
    }
    let sources = format!("Sources: {}.", fixture.sources.join("; "));
    let _ = writeln!(page, "\n{}", wrapped(&sources));
}

/// In lines of at most 120 characters.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().unwrap();
        if last.is_empty() {
            last.push_str(word);
        } else if last.chars().count() + word.chars().count() < 120 {
            let _ = write!(last, " {word}");
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.join("\n")
}

fn known_by(one: &Replayed) -> String {
    let provider = one.fixture.provider();
    if provider == Provider::Unknown {
        return "where neither name nor answers tell".to_owned();
    }
    let mut answers = one.cases.iter().filter_map(|(_, got)| got.as_ref());
    let by_answer = answers.all(|got| got.by_answer == provider);
    let named = regcred_exporter::domain::image::Registry::from_domain(&one.fixture.host);
    let by_name = Provider::named(&named) == provider;
    match (by_name, by_answer) {
        (true, true) => "known by its name or by its answers".to_owned(),
        (true, false) => "known by its name, or by the name of its token endpoint".to_owned(),
        (false, _) => "known by its answers".to_owned(),
    }
}

fn row(page: &mut String, fixture: &Fixture, case: &Case, got: Option<&Got>) {
    let mut situation = title(case.situation()).to_owned();
    if let Some(note) = &case.note {
        let _ = write!(situation, " ({note})");
    }
    let (Some(steps), Some(got)) = (&case.steps, got) else {
        let why = case.none.as_deref().unwrap_or_default();
        let _ = writeln!(page, "| {situation} | - | - | - | | {why} |");
        return;
    };
    let others = got.meaning().may_mean.iter();
    let others = others.filter(|other| **other != case.situation());
    let others: Vec<_> = others.map(|other| title(*other)).collect();
    let (login, manifest) = got.words();
    let _ = writeln!(
        page,
        "| {situation} | {} | {} | {} | {} | {} |",
        fixture.answered(steps),
        words(&case.login, &case.manifest),
        words(&login, &manifest),
        others.join(", "),
        if case.verified { "" } else { "unverified" },
    );
}

fn words(login: &str, manifest: &str) -> String {
    match (login, manifest) {
        (login, "-") => format!("login `{login}`"),
        ("-", manifest) => format!("manifest `{manifest}`"),
        (login, manifest) => format!("login `{login}`, manifest `{manifest}`"),
    }
}
