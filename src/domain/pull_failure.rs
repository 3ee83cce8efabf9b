//! Why a pull failed, from what kubelet and runtime say of it.
//!
//! [`classify`] reads one message: an event, a waiting message, a line of a log, of any runtime. It
//! is total, takes time in proportion to the text whatever the text is, and calls `other` what the
//! text does not establish. Nothing of a message but its image and a host leaves this module.

mod evidence;
mod named;
mod reason;
mod rules;
mod unescape;
mod words;

use evidence::Evidence;
pub use reason::Reason;
pub use rules::{Context, RULES, Rule, Strength};

use super::image::Registry;

/// How much of a message is read. Kubernetes cuts events at 1 KiB; waiting messages have no limit.
pub const LONGEST_MESSAGE: usize = 64 * 1024;

/// What one message tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classified {
    /// Why the pull failed.
    pub reason: Reason,
    /// The host whose answer decided: a mirror's, a token endpoint's or a blob store's where it
    /// was that; else the registry that the image names.
    pub registry: Option<Registry>,
    /// The image as it is written there.
    pub image: Option<String>,
}

/// Reads one message.
pub fn classify(message: &str) -> Classified {
    let message = &message[..message.floor_char_boundary(LONGEST_MESSAGE)];
    let plain = unescape::unescape(message);
    let evidence = Evidence::of(&plain);
    let reason = rules::judge(&evidence);
    let image = named::image(&evidence);
    let registry = match reason {
        // Nobody was asked, and no host is in a name that is none.
        Reason::InvalidImageName => None,
        _ => named::registry(&evidence, image.as_deref()),
    };
    Classified {
        reason,
        registry,
        image,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_established_is_other() {
        for text in [
            "",
            " ",
            ":",
            "\"",
            "Failed to pull image \"a\": it is Tuesday",
            "429",
            "403",
        ] {
            assert_eq!(classify(text).reason, Reason::Other, "{text:?}");
        }
    }

    #[test]
    fn what_is_beyond_the_longest_message_is_not_read() {
        let padding = "é".repeat(LONGEST_MESSAGE / 2);
        assert_eq!(
            classify(&format!("{padding} 403 Forbidden")).reason,
            Reason::Other
        );
        assert_eq!(
            classify(&format!("403 Forbidden {padding}")).reason,
            Reason::Forbidden
        );
    }

    #[test]
    fn nothing_is_named_by_a_name_that_is_none() {
        let told =
            classify("Failed to apply default image tag \"r.example/A:1\": couldn't parse image");
        assert_eq!(told.reason, Reason::InvalidImageName);
        assert_eq!(told.image.as_deref(), Some("r.example/A:1"));
        assert_eq!(told.registry, None);
    }
}
