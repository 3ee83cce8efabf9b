//! How well messages with known answers are classified: rows in, a score out, and its text.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use regcred_exporter::domain::image::Registry;
use regcred_exporter::domain::pull_failure::{Reason, classify};
use serde::Deserialize;

/// One message and what is right of it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) message: String,
    pub(crate) class: String,
    pub(crate) registry_host: Option<String>,
    pub(crate) image: Option<String>,
    #[serde(default)]
    pub(crate) runtime: String,
    #[serde(default)]
    pub(crate) source: String,
    #[serde(default)]
    pub(crate) note: String,
}

impl Row {
    /// Corpora that are older than the word count `malformed_secret` among `other`, with a note.
    pub(crate) fn reason(&self) -> &str {
        let is_old = self.class == "other" && self.note.starts_with("malformed pull secret");
        if is_old {
            "malformed_secret"
        } else {
            &self.class
        }
    }
}

/// Reads JSON Lines.
pub(crate) fn rows(text: &str) -> Result<Vec<Row>, String> {
    let row = |(number, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|error| format!("line {number}: {error}"))
    };
    (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.is_empty())
        .map(row)
        .collect()
}

/// One row that is not all right: what was told, where it should be something else.
#[derive(Debug)]
pub(crate) struct Miss<'a> {
    pub(crate) row: &'a Row,
    pub(crate) reason: Option<Reason>,
    pub(crate) registry: Option<Option<String>>,
    pub(crate) image: Option<Option<String>>,
}

/// What came of a corpus.
#[derive(Debug, Default)]
pub(crate) struct Score<'a> {
    pub(crate) rows: usize,
    /// By what is right and what was told.
    pub(crate) matrix: BTreeMap<(String, &'static str), usize>,
    pub(crate) misses: Vec<Miss<'a>>,
    /// Rows of each source, and those of them with a wrong reason.
    pub(crate) sources: BTreeMap<&'a str, (usize, usize)>,
}

impl<'a> Score<'a> {
    pub(crate) fn of(rows: &'a [Row]) -> Self {
        let mut score = Self::default();
        for row in rows {
            score.count(row);
        }
        score
    }

    fn count(&mut self, row: &'a Row) {
        let told = classify(&row.message);
        let told_registry = told.registry.as_ref().map(Registry::as_str);
        let is_wrong = told.reason.as_str() != row.reason();
        let miss = Miss {
            row,
            reason: is_wrong.then_some(told.reason),
            registry: (told_registry != row.registry_host.as_deref())
                .then(|| told_registry.map(str::to_owned)),
            image: (told.image != row.image).then(|| told.image.clone()),
        };
        self.rows += 1;
        let cell = (row.reason().to_owned(), told.reason.as_str());
        *self.matrix.entry(cell).or_default() += 1;
        let of_source = self.sources.entry(&row.source).or_default();
        of_source.0 += 1;
        of_source.1 += usize::from(is_wrong);
        if miss.reason.is_some() || miss.registry.is_some() || miss.image.is_some() {
            self.misses.push(miss);
        }
    }

    fn share(&self, is_miss: impl Fn(&Miss<'_>) -> bool) -> f64 {
        let missed = self.misses.iter().filter(|miss| is_miss(miss)).count();
        percent(self.rows - missed, self.rows)
    }

    /// Rows with this class, rows that were told it, and rows that both is true of.
    fn of_class(&self, class: &str) -> (usize, usize, usize) {
        let sum = |wanted: &dyn Fn(&str, &str) -> bool| {
            let cells = self
                .matrix
                .iter()
                .filter(|((right, told), _)| wanted(right, told));
            cells.map(|(_, count)| count).sum()
        };
        (
            sum(&|right, _| right == class),
            sum(&|_, told| told == class),
            sum(&|right, told| right == class && told == class),
        )
    }

    /// The classes that occur, in the order of [`Reason::ALL`].
    fn classes(&self) -> Vec<&'static str> {
        let all = Reason::ALL.iter().map(|reason| reason.as_str());
        let occurs = |class: &&str| {
            let (right, told, _) = self.of_class(class);
            right + told > 0
        };
        all.filter(occurs).collect()
    }

    /// A Markdown table: a row for each right reason, a column for each told one.
    pub(crate) fn confusion(&self) -> String {
        let classes = self.classes();
        let mut text = String::from("| right \\ told |");
        let columns = 'a'..;
        for (letter, _) in columns.clone().zip(&classes) {
            let _ = write!(text, " {letter} |");
        }
        text.push_str(" rows | recall | precision |\n|---|");
        text.push_str(&"---|".repeat(classes.len() + 3));
        for (letter, right) in columns.zip(&classes) {
            let _ = write!(text, "\n| {letter} `{right}` |");
            for told in &classes {
                match self.matrix.get(&((*right).to_owned(), *told)) {
                    Some(count) => write!(text, " {count} |"),
                    None => write!(text, " |"),
                }
                .expect("a string takes all");
            }
            let (rows, told, both) = self.of_class(right);
            let (recall, precision) = (percent(both, rows), percent(both, told));
            let _ = write!(text, " {rows} | {recall:.0} % | {precision:.0} % |");
        }
        text.push('\n');
        text
    }

    /// The shares that are right.
    pub(crate) fn summary(&self) -> String {
        let is_guess = |miss: &Miss<'_>| miss.reason.is_some_and(|told| told != Reason::Other);
        format!(
            "{} messages: reason {:.1} %, registry {:.1} %, image {:.1} % right; \
             a wrong reason that is not `other`: {:.1} %",
            self.rows,
            self.share(|miss| miss.reason.is_some()),
            self.share(|miss| miss.registry.is_some()),
            self.share(|miss| miss.image.is_some()),
            100.0 - self.share(is_guess),
        )
    }

    /// Each source counts once, however many rows it has.
    fn by_source(&self) -> String {
        let shares = self
            .sources
            .values()
            .map(|(rows, wrong)| percent(rows - wrong, *rows));
        let mean = shares.sum::<f64>() / self.sources.len().max(1) as f64;
        format!(
            "{} sources: reason {mean:.1} % right, each source counted once",
            self.sources.len()
        )
    }
}

impl fmt::Display for Score<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}\n{}\n\n{}",
            self.summary(),
            self.by_source(),
            self.confusion()
        )?;
        for miss in &self.misses {
            let Row {
                registry_host,
                image,
                ..
            } = miss.row;
            let Row {
                id,
                runtime,
                message,
                ..
            } = miss.row;
            writeln!(f, "{id} ({runtime}): {message:?}")?;
            if let Some(told) = miss.reason {
                writeln!(f, "    reason {}, not {}", miss.row.reason(), told.as_str())?;
            }
            if let Some(told) = &miss.registry {
                writeln!(f, "    registry {registry_host:?}, not {told:?}")?;
            }
            if let Some(told) = &miss.image {
                writeln!(f, "    image {image:?}, not {told:?}")?;
            }
        }
        Ok(())
    }
}

fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        return 100.0;
    }
    100.0 * part as f64 / whole as f64
}
