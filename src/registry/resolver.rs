//! Names to addresses, each vetted before it is connected to.
//!
//! The system's resolver, asked once per connection: what policy saw is what is connected to, so a
//! name that changes its address between two look-ups gains nothing.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use thiserror::Error;

use super::progress::{Progress, Reached};
use crate::domain::exchange::DnsFault;
use crate::domain::policy::{self, Contact, Policy, Rule};

/// The resolver of one conversation.
#[derive(Debug)]
pub(super) struct Vetting {
    pub(super) policy: Arc<Policy>,
    pub(super) progress: Arc<Progress>,
}

/// Why a name gave no address; found again in the chain of reqwest's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum Unresolved {
    /// The resolver said no.
    #[error("failed to resolve: {}", .0.as_str())]
    Dns(DnsFault),
    /// Every address is refused.
    #[error("all addresses refused: {0}")]
    Refused(Rule),
}

impl Resolve for Vetting {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = Arc::clone(&self.policy);
        let progress = Arc::clone(&self.progress);
        Box::pin(async move {
            let Some(contact) = progress.contact() else {
                return Err(Unresolved::Refused(Rule::Malformed).into());
            };
            progress.reach(Reached::Resolving);
            let addresses = look_up(name.as_str(), contact.port()).await?;
            let accepted = vet(&policy, &contact, addresses)?;
            if accepted.iter().any(|one| policy::is_inward(one.ip())) {
                progress.turned_inward();
            }
            progress.reach(Reached::Connecting);
            let addresses: Addrs = Box::new(accepted.into_iter());
            Ok(addresses)
        })
    }
}

/// Asks the system's resolver.
pub(super) async fn look_up(name: &str, port: u16) -> Result<Vec<SocketAddr>, Unresolved> {
    let addresses = tokio::net::lookup_host((name, port))
        .await
        .map_err(|error| Unresolved::Dns(dns_fault(&error)))?;
    let addresses: Vec<_> = addresses.collect();
    if addresses.is_empty() {
        return Err(Unresolved::Dns(DnsFault::NoAddress));
    }
    Ok(addresses)
}

/// Those that policy accepts; the rule of the first refused one if none is left.
fn vet(
    policy: &Policy,
    contact: &Contact,
    addresses: Vec<SocketAddr>,
) -> Result<Vec<SocketAddr>, Unresolved> {
    let mut refused = None;
    let mut accepted = addresses;
    accepted.retain(|one| {
        let judgement = policy.judge_address(contact, one.ip());
        refused = refused.or_else(|| judgement.err());
        judgement.is_ok()
    });
    match refused {
        Some(rule) if accepted.is_empty() => Err(Unresolved::Refused(rule)),
        _ => Ok(accepted),
    }
}

/// getaddrinfo's answer, known by its text alone: std drops the code. The texts are glibc's and
/// musl's; they are not translated, since nothing here calls setlocale.
fn dns_fault(error: &io::Error) -> DnsFault {
    let text = error.to_string();
    if text.contains("Name or service not known") || text.contains("Name does not resolve") {
        DnsFault::NoSuchHost
    } else if text.contains("No address associated with hostname") {
        DnsFault::NoAddress
    } else {
        DnsFault::Unanswered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_addresses_are_left_out_and_none_left_is_the_rule() {
        let check = |addresses: &[&str], expected: Result<&[&str], Rule>| {
            let parse = |texts: &[&str]| -> Vec<SocketAddr> {
                texts.iter().map(|text| text.parse().unwrap()).collect()
            };
            let contact = Contact::new("evil.example", 443, false);
            let vetted = vet(&Policy::default(), &contact, parse(addresses));
            let expected = expected.map(parse).map_err(Unresolved::Refused);
            assert_eq!(vetted, expected, "{addresses:?}");
        };
        check(&["8.8.8.8:443"], Ok(&["8.8.8.8:443"]));
        check(&["127.0.0.1:443", "8.8.8.8:443"], Ok(&["8.8.8.8:443"]));
        check(&["169.254.169.254:443"], Err(Rule::Metadata));
        check(&["[::1]:443", "10.0.0.1:443"], Err(Rule::Loopback));
        check(&["[::ffff:10.0.0.1]:443"], Err(Rule::Private));
    }

    #[test]
    fn the_resolver_says_one_of_three_things() {
        let check = |text: &str, expected| {
            let text = format!("failed to lookup address information: {text}");
            assert_eq!(
                dns_fault(&io::Error::other(text.clone())),
                expected,
                "{text}"
            );
        };
        check("Name or service not known", DnsFault::NoSuchHost);
        check("Name does not resolve", DnsFault::NoSuchHost);
        check("No address associated with hostname", DnsFault::NoAddress);
        check("Temporary failure in name resolution", DnsFault::Unanswered);
        check("Try again", DnsFault::Unanswered);
        check("System error", DnsFault::Unanswered);
    }
}
