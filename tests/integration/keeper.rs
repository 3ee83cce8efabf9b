//! Somebody who keeps the ledger, in memory: what is written, what is refused, and by whom.

use std::sync::{Arc, Mutex};

use regcred_exporter::prober::{Ask, Trouble};
use tokio::sync::mpsc;

/// A ledger's keeper; clones share one text.
#[derive(Clone, Default)]
pub(crate) struct Keeper(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    text: Option<String>,
    is_broken: bool,
}

impl Keeper {
    /// Where a prober asks; each handle has seen nothing yet.
    pub(crate) fn open(&self) -> mpsc::Sender<Ask> {
        let (asks, mut questions) = mpsc::channel(1);
        let kept = Arc::clone(&self.0);
        tokio::spawn(async move {
            let mut seen = None;
            while let Some(ask) = questions.recv().await {
                let mut kept = kept.lock().unwrap();
                match ask {
                    Ask::Read(answer) => {
                        seen = kept.text.clone();
                        let _ = answer.send(kept.answer(seen.clone()));
                    }
                    Ask::Write(text, answer) if kept.is_broken => {
                        drop(text);
                        let _ = answer.send(kept.answer(()));
                    }
                    Ask::Write(..) if kept.text != seen => {
                        seen = kept.text.clone();
                        let Ask::Write(_, answer) = ask else { continue };
                        let _ = answer.send(Err(Trouble::Conflict(seen.clone())));
                    }
                    Ask::Write(text, answer) => {
                        seen = Some(text.clone());
                        kept.text = Some(text);
                        let _ = answer.send(Ok(()));
                    }
                }
            }
        });
        asks
    }

    /// From now on nothing can be read or written, or it can again.
    pub(crate) fn set_broken(&self, is_broken: bool) {
        self.0.lock().unwrap().is_broken = is_broken;
    }
}

impl Kept {
    fn answer<T>(&self, well: T) -> Result<T, Trouble> {
        match self.is_broken {
            false => Ok(well),
            true => Err(Trouble::Failed("the disk is full".to_owned())),
        }
    }
}
