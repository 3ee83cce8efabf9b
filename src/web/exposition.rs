//! An exposition as it is sent: a writer of small texts in, large pieces of bytes out.
//!
//! OpenMetrics text is collected until 32 KiB are there, rewritten to text 0.0.4 where that is
//! wanted, compressed where that is wanted. The whole text never exists in one place.

use std::fmt;
use std::io::{self, Write};
use std::mem;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::negotiation::{Coding, Format};

/// Large enough that nothing is done often, small enough for the allocator's common sizes.
const PIECE: usize = 32 * 1024;

/// Level 1: a fifth of the time of level 6 for a tenth more bytes, on every scrape.
const LEVEL: u32 = 1;

/// The writer.
#[derive(Debug)]
pub(super) struct Exposition {
    collected: String,
    rewrite: Option<Rewrite>,
    out: Out,
}

#[derive(Debug)]
enum Out {
    Identity(Vec<Bytes>),
    Gzip(GzEncoder<Pieces>),
}

impl Exposition {
    pub(super) fn new(format: Format, coding: Coding) -> Self {
        Self {
            collected: room(),
            rewrite: match format {
                Format::OpenMetrics => None,
                Format::Text => Some(Rewrite::default()),
            },
            out: match coding {
                Coding::Identity => Out::Identity(Vec::new()),
                Coding::Gzip => {
                    let level = Compression::new(LEVEL);
                    Out::Gzip(GzEncoder::new(Pieces::default(), level))
                }
            },
        }
    }

    /// What is to be sent.
    pub(super) fn finish(mut self) -> Result<Vec<Bytes>, fmt::Error> {
        self.pass_on()?;
        match self.out {
            Out::Identity(pieces) => Ok(pieces),
            Out::Gzip(encoder) => Ok(encoder.finish().map_err(|_| fmt::Error)?.finish()),
        }
    }

    /// Passes on what is collected: whole lines.
    fn pass_on(&mut self) -> fmt::Result {
        let mut lines = mem::replace(&mut self.collected, room());
        if let Some(rewrite) = &mut self.rewrite {
            lines = rewrite.lines(&lines);
        }
        match &mut self.out {
            Out::Identity(pieces) => pieces.push(Bytes::from(lines)),
            Out::Gzip(encoder) => {
                let written = encoder.write_all(lines.as_bytes());
                written.map_err(|_| fmt::Error)?;
            }
        }
        Ok(())
    }
}

/// A piece is passed on at the end of the line that fills it.
fn room() -> String {
    String::with_capacity(PIECE + PIECE / 8)
}

impl fmt::Write for Exposition {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.collected.push_str(text);
        if self.collected.len() >= PIECE && text.ends_with('\n') {
            self.pass_on()?;
        }
        Ok(())
    }
}

/// Compressed bytes, in pieces.
#[derive(Debug, Default)]
struct Pieces {
    full: Vec<Bytes>,
    filling: Vec<u8>,
}

impl Pieces {
    fn finish(mut self) -> Vec<Bytes> {
        self.full.push(Bytes::from(self.filling));
        self.full
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.filling.extend_from_slice(bytes);
        if self.filling.len() >= PIECE {
            self.full.push(Bytes::from(mem::take(&mut self.filling)));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// OpenMetrics lines made text 0.0.4.
///
/// The formats differ in comments only, as far as we use them (no exemplars, no timestamps): in
/// 0.0.4 the family of a counter is named with its `_total`, and there are no units, no info
/// metrics and no end mark.
#[derive(Debug, Default)]
struct Rewrite {
    /// `name help` of a family whose type, and so whose full name, comes with the next line.
    help: Option<String>,
}

impl Rewrite {
    fn lines(&mut self, lines: &str) -> String {
        let mut out = String::with_capacity(lines.len() + lines.len() / 8);
        for line in lines.split_inclusive('\n') {
            match line.strip_prefix("# ") {
                None => out.push_str(line),
                Some(comment) => self.comment(comment.trim_end(), &mut out),
            }
        }
        out
    }

    fn comment(&mut self, comment: &str, out: &mut String) {
        match comment.split_once(' ') {
            Some(("HELP", help)) => self.help = Some(help.to_owned()),
            Some(("TYPE", family)) => {
                let (name, kind) = family.split_once(' ').unwrap_or((family, "unknown"));
                let (suffix, kind) = match kind {
                    "counter" => ("_total", "counter"),
                    "info" => ("_info", "gauge"),
                    "stateset" => ("", "gauge"),
                    "unknown" => ("", "untyped"),
                    same => ("", same),
                };
                if let Some(help) = self.help.take() {
                    let help = help.strip_prefix(name).unwrap_or(&help);
                    out.extend(["# HELP ", name, suffix, help, "\n"]);
                }
                out.extend(["# TYPE ", name, suffix, " ", kind, "\n"]);
            }
            _ => {} // UNIT, EOF
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    fn written(format: Format, coding: Coding, texts: &[&str]) -> Vec<Bytes> {
        let mut exposition = Exposition::new(format, coding);
        for text in texts {
            exposition.write_str(text).unwrap();
        }
        exposition.finish().unwrap()
    }

    fn text(pieces: &[Bytes]) -> String {
        String::from_utf8(pieces.concat()).unwrap()
    }

    #[test]
    fn comments_are_rewritten_and_samples_are_not() {
        let open = "# HELP a_b Help of a_b.\n# TYPE a_b counter\na_b_total{x=\"# TYPE a counter\\n\"} 1\n\
                    # HELP s Help.\n# TYPE s gauge\n# UNIT s seconds\ns 1\n\
                    # HELP i Help.\n# TYPE i info\ni_info{v=\"1\"} 1\n\
                    # HELP h Help.\n# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\n\
                    # TYPE u unknown\nu 1\n# EOF\n";
        let text004 = "# HELP a_b_total Help of a_b.\n# TYPE a_b_total counter\na_b_total{x=\"# TYPE a counter\\n\"} 1\n\
                       # HELP s Help.\n# TYPE s gauge\ns 1\n\
                       # HELP i_info Help.\n# TYPE i_info gauge\ni_info{v=\"1\"} 1\n\
                       # HELP h Help.\n# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\n\
                       # TYPE u untyped\nu 1\n";
        assert_eq!(
            text(&written(Format::Text, Coding::Identity, &[open])),
            text004
        );
        assert_eq!(
            text(&written(Format::OpenMetrics, Coding::Identity, &[open])),
            open
        );
    }

    #[test]
    fn pieces_end_with_a_line_and_lose_nothing_wherever_they_end() {
        let mut texts = Vec::new();
        for _ in 0..4_000 {
            texts.extend([
                "# HELP",
                " a_b Help.\n",
                "# TYPE a_b",
                " counter\n",
                "a_b",
                "_total 1",
                "\n",
            ]);
        }
        let whole = texts.concat();
        let pieces = written(Format::OpenMetrics, Coding::Identity, &texts);
        assert!(pieces.len() > 5);
        assert!(pieces.iter().all(|piece| piece.len() < PIECE + PIECE / 8));
        assert!(pieces.iter().all(|piece| piece.ends_with(b"\n")));
        assert_eq!(text(&pieces), whole);

        let pieces = written(Format::Text, Coding::Identity, &texts);
        assert_eq!(text(&pieces), whole.replace(" a_b ", " a_b_total "));
    }

    #[test]
    fn gzip_comes_in_pieces_and_unpacks_to_the_same() {
        // Numbers that do not compress to nothing.
        let lines: Vec<_> = (0..60_000_u64)
            .map(|number| {
                format!(
                    "a{{n=\"{}\"}} 1\n",
                    number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
                )
            })
            .collect();
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        let pieces = written(Format::Text, Coding::Gzip, &lines);
        assert!(pieces.len() > 5);
        let mut unpacked = String::new();
        let packed = pieces.concat();
        GzDecoder::new(packed.as_slice())
            .read_to_string(&mut unpacked)
            .unwrap();
        assert_eq!(unpacked, lines.concat());
    }
}
