//! The body of an answer: pieces that are there already, and what is held until they are sent.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::vec;

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

/// An answer's bytes, in pieces. Its length is known, so that it is sent as `Content-Length`.
#[derive(Debug)]
pub struct Body {
    pieces: vec::IntoIter<Bytes>,
    left: u64,
    /// A scrape's turn ends when its bytes are out, or slow readers would pile up expositions.
    _turn: Option<OwnedSemaphorePermit>,
    _sending: Option<Sending>,
}

impl Body {
    pub(super) fn new(pieces: Vec<Bytes>) -> Self {
        Self {
            left: pieces.iter().map(|piece| piece.len() as u64).sum(),
            pieces: pieces.into_iter(),
            _turn: None,
            _sending: None,
        }
    }

    pub(super) fn taking(self, turn: OwnedSemaphorePermit) -> Self {
        Self {
            _turn: Some(turn),
            ..self
        }
    }

    pub(super) fn held_by(self, sending: Sending) -> Self {
        Self {
            _sending: Some(sending),
            ..self
        }
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self::new(vec![Bytes::from_static(text.as_bytes())])
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::new(vec![Bytes::from(text)])
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.pieces.next();
        self.left -= piece.as_ref().map_or(0, |piece| piece.len() as u64);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// Lives as long as an answer is being sent, and tells the connection until when it may.
#[derive(Debug)]
pub(super) struct Sending(watch::Sender<Option<Instant>>);

impl Sending {
    pub(super) fn until(due: Instant, connection: watch::Sender<Option<Instant>>) -> Self {
        connection.send_replace(Some(due));
        Self(connection)
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.0.send_replace(None);
    }
}
