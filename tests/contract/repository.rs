//! The files of this repository that are text and ours.

use std::path::{Path, PathBuf};

/// One file.
#[derive(Debug)]
pub(crate) struct Document {
    /// Relative to the repository.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Document {
    /// What is wrong, by line.
    pub(crate) fn lines_of(&self, find: impl Fn(&str) -> Vec<String>) -> Vec<(usize, String)> {
        let lines = (1..).zip(self.text.lines());
        lines
            .flat_map(|(number, line)| find(line).into_iter().map(move |what| (number, what)))
            .collect()
    }
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every text file; what is built, hidden by git, or not text is left out.
pub(crate) fn documents() -> Vec<Document> {
    below("")
}

/// Every text file below a folder, in order; none where there is no such folder.
pub(crate) fn below(folder: &str) -> Vec<Document> {
    let mut found = Vec::new();
    collect(&root().join(folder), &mut found);
    found.sort();
    let read = |path: &PathBuf| {
        let text = String::from_utf8(std::fs::read(path).unwrap()).ok()?;
        let path = path.strip_prefix(root()).unwrap().to_str()?.to_owned();
        Some(Document { path, text })
    };
    found.iter().filter_map(read).collect()
}

pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    // What .gitignore names, and git's own.
    const LEFT_OUT: &[&str] = &["target", ".git", ".venv", "node_modules", "__pycache__"];
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if LEFT_OUT.contains(&name) {
            continue;
        }
        if path.is_dir() {
            collect(&path, found);
        } else {
            found.push(path);
        }
    }
}
