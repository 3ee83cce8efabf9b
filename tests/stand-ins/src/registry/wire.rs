//! What happens below HTTP.

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How a listener treats a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Wire {
    /// Speaks HTTP, behind TLS if the behaviour has it.
    #[default]
    Http,
    /// Says these bytes first, as an SSH or SMTP server does, and closes after the first it hears.
    Banner(Bytes),
    /// Closes after accepting.
    Close,
    /// Resets the connection at the first bytes.
    Reset,
    /// Accepts, reads and never says anything.
    Silent,
}

impl Wire {
    /// The banner of an SSH server.
    pub fn ssh() -> Self {
        Self::Banner(Bytes::from_static(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"))
    }

    /// Gives the connection back if it is to speak HTTP.
    pub(super) async fn treat(self, mut stream: TcpStream) -> Option<TcpStream> {
        let mut heard = [0; 4096];
        match self {
            Self::Http => return Some(stream),
            Self::Close => {}
            Self::Banner(banner) => {
                if stream.write_all(&banner).await.is_ok() {
                    let _ = stream.read(&mut heard).await;
                }
            }
            Self::Reset => {
                let _ = stream.read(&mut heard).await;
                let _ = stream.set_zero_linger();
            }
            Self::Silent => while matches!(stream.read(&mut heard).await, Ok(1..)) {},
        }
        None
    }
}
