//! Listeners that hear every address: whoever is not invited there is noted and hung up on.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Who stands behind an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behind {
    /// A registry that is listening at this place.
    Registry(SocketAddr),
    /// An API server that speaks plain HTTP: TLS there is a contact, anything else is passed on.
    ApiServer(SocketAddr),
}

/// See the module; end with their handle.
pub(super) struct Traps {
    contacts: Arc<Mutex<BTreeMap<SocketAddr, usize>>>,
    _listeners: JoinSet<()>,
}

impl Traps {
    /// Listens on each of the ports, at all addresses of both families.
    pub(super) async fn start(
        ports: &BTreeSet<u16>,
        invited: BTreeMap<SocketAddr, Behind>,
    ) -> Self {
        let contacts = Arc::default();
        let invited = Arc::new(invited);
        let mut listeners = JoinSet::new();
        for port in ports {
            let listener = TcpListener::bind(("::", *port)).await.unwrap();
            let (contacts, invited) = (Arc::clone(&contacts), Arc::clone(&invited));
            listeners.spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(hear(stream, Arc::clone(&contacts), Arc::clone(&invited)));
                }
            });
        }
        Self {
            contacts,
            _listeners: listeners,
        }
    }

    /// Addresses that were connected to, and how often.
    pub(super) fn contacts(&self) -> BTreeMap<SocketAddr, usize> {
        self.contacts.lock().unwrap().clone()
    }

    /// Tells whether an address was connected to, at any port.
    pub(super) fn watcher(&self) -> impl Fn(IpAddr) -> bool + Send + 'static {
        let contacts = Arc::clone(&self.contacts);
        move |address| {
            let contacts = contacts.lock().unwrap();
            contacts.keys().any(|contact| contact.ip() == address)
        }
    }

    pub(super) fn forget(&self) {
        self.contacts.lock().unwrap().clear();
    }
}

async fn hear(
    mut stream: TcpStream,
    contacts: Arc<Mutex<BTreeMap<SocketAddr, usize>>>,
    invited: Arc<BTreeMap<SocketAddr, Behind>>,
) {
    let address = canonical(stream.local_addr().unwrap());
    let note = || *contacts.lock().unwrap().entry(address).or_default() += 1;
    let place = match invited.get(&address) {
        Some(Behind::ApiServer(place)) if !is_tls(&stream).await => *place,
        Some(Behind::Registry(place)) => {
            note();
            *place
        }
        Some(Behind::ApiServer(_)) | None => return note(),
    };
    if let Ok(mut behind) = TcpStream::connect(place).await {
        let _ = copy_bidirectional(&mut stream, &mut behind).await;
    }
}

/// A ClientHello is a record of type 22. Who says nothing is none of the API server's clients.
async fn is_tls(stream: &TcpStream) -> bool {
    let mut first = [0];
    !matches!(stream.peek(&mut first).await, Ok(1)) || first == [22]
}

/// A socket of both families shows IPv4 addresses as v4-mapped ones.
pub(super) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
