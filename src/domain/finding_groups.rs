//! Findings that are one to a reader: Pods of one workload with the same image and diagnosis.

use super::findings::Explained;

/// Several findings, told by the first of them.
#[derive(Debug)]
pub struct Group<'a> {
    /// The one that is told.
    pub first: &'a Explained,
    /// How many more there are like it.
    pub others: usize,
}

/// Those that are alike, together; they must stand beside each other.
pub fn grouped(found: &[Explained]) -> Vec<Group<'_>> {
    let alike = found.chunk_by(is_alike);
    let groups = alike.filter_map(|all| {
        let (first, others) = all.split_first()?;
        Some(Group {
            first,
            others: others.len(),
        })
    });
    groups.collect()
}

fn is_alike(a: &Explained, b: &Explained) -> bool {
    let (a, b) = (&a.finding, &b.finding);
    let is_bare = &*a.workload.kind == "Pod";
    !is_bare
        && (a.state, &a.namespace, &a.workload) == (b.state, &b.namespace, &b.workload)
        && (&a.image, &a.container) == (&b.image, &b.container)
        && a.diagnosis == b.diagnosis
}
