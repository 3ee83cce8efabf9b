//! How far the request under way has come: what a time-out was waiting for.
//!
//! A conversation asks one thing at a time, so one note for all of its requests is enough.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;

use crate::domain::policy::Contact;

/// Shared by the conversation, its resolver and its TLS.
#[derive(Debug, Default)]
pub(super) struct Progress(Mutex<Note>);

#[derive(Debug, Default)]
struct Note {
    contact: Option<Contact>,
    reached: Reached,
    inward: bool,
}

/// The last thing that was begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Reached {
    /// Nothing yet, or TCP to a literal address.
    #[default]
    Nothing,
    /// The name is being looked up.
    Resolving,
    /// The name has an address that we may use.
    Connecting,
    /// TCP stands, the ClientHello for the registry is made.
    Handshake,
}

impl Progress {
    /// A request to `contact` begins.
    pub(super) fn begin(&self, contact: Contact) {
        let mut note = self.note();
        note.contact = Some(contact);
        note.reached = Reached::Nothing;
    }

    /// Whom the request under way goes to.
    pub(super) fn contact(&self) -> Option<Contact> {
        self.note().contact.clone()
    }

    /// Whether it is the registry or its realm that shows this name, and not a proxy before it.
    pub(super) fn is_with(&self, server: &ServerName<'_>) -> bool {
        let note = self.note();
        note.contact.as_ref().is_some_and(|contact| match server {
            ServerName::IpAddress(address) => contact.literal() == Some((*address).into()),
            ServerName::DnsName(name) => name.as_ref().trim_end_matches('.') == contact.host(),
            _ => false,
        })
    }

    pub(super) fn reach(&self, reached: Reached) {
        self.note().reached = reached;
    }

    pub(super) fn reached(&self) -> Reached {
        self.note().reached
    }

    /// An address that is not public was accepted.
    pub(super) fn turned_inward(&self) {
        self.note().inward = true;
    }

    pub(super) fn is_inward(&self) -> bool {
        self.note().inward
    }

    fn note(&self) -> MutexGuard<'_, Note> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Remembers no session: a handshake is to show the certificate that stands there now. rustls asks
/// for the hint when it makes the ClientHello, which is when TCP has ended and TLS begins; the one
/// for an https proxy comes before, and is a part of the way.
impl ClientSessionStore for Progress {
    fn kx_hint(&self, server: &ServerName<'_>) -> Option<NamedGroup> {
        if self.is_with(server) {
            self.reach(Reached::Handshake);
        }
        None
    }

    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, _: Tls13ClientSessionValue) {}

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        None
    }
}
