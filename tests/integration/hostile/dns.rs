//! A name server on UDP whose answers may change from one look-up to the next.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

/// Where it listens; port 53.
pub(super) const ADDRESS: &str = "127.0.0.1";

/// What a name resolves to.
#[derive(Clone, Debug)]
pub(super) enum Zone {
    /// Always the same, in this order.
    Always(Vec<IpAddr>),
    /// At each odd look-up of its IPv4 address the first, at each even one the second.
    InTurn(IpAddr, IpAddr),
    /// The first until somebody has connected to it, then the second.
    UntilContacted(IpAddr, IpAddr),
}

/// See the module; ends with its handle.
pub(super) struct Dns {
    task: JoinHandle<()>,
    look_ups: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Dns {
    pub(super) async fn start(
        names: BTreeMap<String, Zone>,
        is_contacted: impl Fn(IpAddr) -> bool + Send + 'static,
    ) -> Self {
        let socket = UdpSocket::bind((ADDRESS, 53)).await.unwrap();
        let look_ups = Arc::<Mutex<BTreeMap<String, usize>>>::default();
        let counted = Arc::clone(&look_ups);
        let task = tokio::spawn(async move {
            let mut query = [0; 512];
            loop {
                let (length, peer) = socket.recv_from(&mut query).await.unwrap();
                let answered = Question::parse(&query[..length]).and_then(|question| {
                    let turn = question.turn(&counted);
                    let addresses = names
                        .get(&question.name)
                        .map(|zone| zone.addresses(turn, &is_contacted));
                    question.answer(addresses)
                });
                if let Some(answer) = answered {
                    // who has gone away needs none
                    let _ = socket.send_to(&answer, peer).await;
                }
            }
        });
        Self { task, look_ups }
    }

    /// How often the IPv4 address of a name was asked for.
    pub(super) fn look_ups(&self, name: &str) -> usize {
        let look_ups = self.look_ups.lock().unwrap();
        look_ups.get(name).copied().unwrap_or_default()
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.task.abort();
    }
}

const A: u16 = 1;
const AAAA: u16 = 28;
/// Header: an answer, recursion desired and available; its last four bits are the code.
const ANSWERED: u16 = 0x8180;
const NO_SUCH_NAME: u16 = ANSWERED | 3;

impl Zone {
    fn addresses(&self, turn: usize, is_contacted: &impl Fn(IpAddr) -> bool) -> Vec<IpAddr> {
        match self {
            Self::Always(addresses) => addresses.clone(),
            Self::InTurn(odd, even) => vec![if turn % 2 == 1 { *odd } else { *even }],
            Self::UntilContacted(first, then) if is_contacted(*first) => vec![*then],
            Self::UntilContacted(first, _) => vec![*first],
        }
    }
}

/// RFC 1035: a query of one question.
struct Question<'a> {
    id: &'a [u8],
    bytes: &'a [u8],
    name: String,
    kind: u16,
}

impl<'a> Question<'a> {
    fn parse(query: &'a [u8]) -> Option<Self> {
        let (id, rest) = (query.get(..2)?, query.get(12..)?);
        let mut labels = Vec::new();
        let mut at = 0;
        while let length @ 1.. = usize::from(*rest.get(at)?) {
            let label = rest.get(at + 1..=at + length)?;
            labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
            at += 1 + length;
        }
        let kind = rest.get(at + 1..at + 3)?.try_into().ok()?;
        Some(Self {
            id,
            bytes: rest.get(..at + 5)?,
            name: labels.join("."),
            kind: u16::from_be_bytes(kind),
        })
    }

    /// Which look-up of the IPv4 address this is; the other kinds come beside it.
    fn turn(&self, look_ups: &Mutex<BTreeMap<String, usize>>) -> usize {
        let mut look_ups = look_ups.lock().unwrap();
        let count = look_ups.entry(self.name.clone()).or_default();
        if self.kind == A {
            *count += 1;
        }
        *count
    }

    /// Those of the kind that is asked for; no such name where there are none at all.
    fn answer(&self, addresses: Option<Vec<IpAddr>>) -> Option<Vec<u8>> {
        let flags = addresses.as_ref().map_or(NO_SUCH_NAME, |_| ANSWERED);
        let is_asked = |one: &IpAddr| self.kind == if one.is_ipv4() { A } else { AAAA };
        let records: Vec<_> = addresses.into_iter().flatten().filter(is_asked).collect();
        let mut message = self.id.to_vec();
        for number in [flags, 1, u16::try_from(records.len()).ok()?, 0, 0] {
            message.extend(number.to_be_bytes());
        }
        message.extend(self.bytes);
        for address in records {
            message.extend(record(self.kind, address));
        }
        Some(message)
    }
}

/// The name of the question, class IN, to be forgotten at once.
fn record(kind: u16, address: IpAddr) -> Vec<u8> {
    let bytes = match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    let mut record = vec![0xc0, 12];
    record.extend(kind.to_be_bytes());
    record.extend([0, 1, 0, 0, 0, 0, 0, u8::try_from(bytes.len()).unwrap()]);
    record.extend(bytes);
    record
}
