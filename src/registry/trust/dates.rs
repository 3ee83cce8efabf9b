//! The dates of a certificate, and nothing else of it.
//!
//! `der` reads each element; which of them to step over is RFC 5280, section 4.1. A whole X.509
//! reader would refuse certificates for fields that nobody here looks at.

use chrono::{DateTime, Utc};
use der::asn1::{AnyRef, GeneralizedTime, UtcTime};
use der::{Decode, Error, SliceReader, Tag, Tagged};

use crate::domain::certificate::Validity;

/// What stands in `tbsCertificate` between the version, which may be absent, and the validity:
/// serial number, signature algorithm, issuer.
const BEFORE_VALIDITY: usize = 3;

/// The validity in a certificate's DER; `None` where it cannot be read, or lies before 1970.
pub(super) fn of(certificate: &[u8]) -> Option<Validity> {
    read(certificate).ok().flatten()
}

fn read(certificate: &[u8]) -> Result<Option<Validity>, Error> {
    let certificate = sequence(&mut SliceReader::new(certificate)?)?;
    let mut fields = SliceReader::new(sequence(&mut SliceReader::new(certificate)?)?)?;
    if Tag::peek(&fields)?.is_context_specific() {
        AnyRef::decode(&mut fields)?;
    }
    for _ in 0..BEFORE_VALIDITY {
        AnyRef::decode(&mut fields)?;
    }
    let mut dates = SliceReader::new(sequence(&mut fields)?)?;
    let (not_before, not_after) = (date(&mut dates)?, date(&mut dates)?);
    Ok(not_before
        .zip(not_after)
        .map(|(not_before, not_after)| Validity {
            not_before,
            not_after,
        }))
}

fn sequence<'a>(reader: &mut SliceReader<'a>) -> Result<&'a [u8], Error> {
    let element = AnyRef::decode(reader)?;
    element.tag().assert_eq(Tag::Sequence)?;
    Ok(element.value())
}

fn date(reader: &mut SliceReader<'_>) -> Result<Option<DateTime<Utc>>, Error> {
    let since_1970 = match Tag::peek(reader)? {
        Tag::UtcTime => UtcTime::decode(reader)?.to_unix_duration(),
        _ => GeneralizedTime::decode(reader)?.to_unix_duration(),
    };
    let seconds = i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX);
    Ok(DateTime::from_timestamp(seconds, 0))
}

#[cfg(test)]
mod tests {
    use regcred_stand_ins::tls::Ca;

    use super::*;

    fn date(text: &str) -> DateTime<Utc> {
        format!("{text}T00:00:00Z").parse().unwrap()
    }

    #[test]
    fn dates_are_read_in_both_forms() {
        let ca = Ca::new();
        let check = |from: (i32, u8, u8), until: (i32, u8, u8), expected: (&str, &str)| {
            let certificate = ca.certificate(&["r.test"]).valid(from, until).der();
            let (not_before, not_after) = (date(expected.0), date(expected.1));
            let expected = Validity {
                not_before,
                not_after,
            };
            assert_eq!(of(&certificate), Some(expected));
        };
        // UTCTime until 2049, GeneralizedTime from 2050 on
        check((2025, 1, 1), (2035, 1, 1), ("2025-01-01", "2035-01-01"));
        check((2049, 12, 31), (2050, 1, 1), ("2049-12-31", "2050-01-01"));
        check((1970, 1, 1), (9999, 12, 31), ("1970-01-01", "9999-12-31"));
    }

    #[test]
    fn a_certificate_cut_anywhere_or_with_any_byte_changed_does_no_harm() {
        let certificate = Ca::new().certificate(&["r.test"]).der().to_vec();
        assert!(of(&certificate).is_some());
        // The dates stand within the first 160 bytes.
        for length in 0..100 {
            assert_eq!(of(&certificate[..length]), None, "{length}");
        }
        for place in 0..certificate.len() {
            for value in [0x00, 0x1f, 0x30, 0x7f, 0x80, 0x84, 0xa0, 0xff] {
                let mut broken = certificate.clone();
                broken[place] = value;
                let _any = of(&broken);
            }
        }
    }

    #[test]
    fn what_is_no_certificate_has_no_dates() {
        let check = |bytes: &[u8]| assert_eq!(of(bytes), None, "{bytes:?}");
        check(b"");
        check(b"-----BEGIN CERTIFICATE-----");
        check(&[0x30, 0x00]);
        check(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]);
        check(&[0x30, 0x80, 0x30, 0x80, 0x00, 0x00, 0x00, 0x00]);
        check(&[0x30; 4096]);
    }
}
