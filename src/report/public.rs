//! Refused logins that keep the kubelet from images which anybody may pull.

use super::printable::printable;
use super::{About, ImageReport, Line};

/// Repositories that a note names.
const MOST_NAMED: usize = 3;

/// Why a public image is not pulled (k8s pkg/kubelet/kuberuntime/kuberuntime_image.go: `PullImage`).
const WORSE: &str = "a refused login is worse than none, since the kubelet does not pull without \
                     it. Correct it, or take it away.";

/// A line for each such login, or image.
pub(super) fn notes(about: &About) -> Vec<String> {
    match about {
        About::Credentials(lines) => lines.iter().filter_map(of_line).collect(),
        About::Images(images) => images.iter().filter_map(of_image).collect(),
        // Each finding tells it itself.
        About::Workloads(..) => Vec::new(),
    }
}

pub(super) fn of_line(line: &Line) -> Option<String> {
    let public = line.anonymous.iter().filter(|(_, would_work)| **would_work);
    let public: Vec<&str> = public.map(|(repository, _)| repository.as_str()).collect();
    let (shown, more) = public.split_at(public.len().min(MOST_NAMED));
    let more = match more.len() {
        _ if shown.is_empty() => return None,
        0 => String::new(),
        count => format!(" and {count} more"),
    };
    let (source, registry) = (&line.source, line.registry.as_deref().unwrap_or("-"));
    let repositories = shown.join(", ");
    let said = format!("{source}: at {registry} anybody may pull {repositories}{more}");
    Some(format!("{}: {WORSE}", printable(&said)))
}

pub(super) fn of_image(image: &ImageReport) -> Option<String> {
    let is_public = image.anonymous_would_work() == Some(true);
    is_public.then(|| format!("{}: anybody may pull it: {WORSE}", printable(&image.image)))
}
