//! Addresses: every spelling of them, what they really mean, and what kind they are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What stands at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Public,
    Private,
    Loopback,
    LinkLocal,
    Metadata,
    Multicast,
    Unspecified,
}

impl Class {
    /// Of a [canonical] address.
    pub(super) fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self::of_v4(v4),
            IpAddr::V6(v6) => Self::of_v6(v6),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        match address.octets() {
            // AWS, Google, Azure and most others; Alibaba; Azure's wire server
            [169, 254, 169, 254] | [100, 100, 100, 200] | [168, 63, 129, 16] => Self::Metadata,
            [0, ..] => Self::Unspecified,
            [127, ..] => Self::Loopback,
            [169, 254, ..] => Self::LinkLocal,
            [224..=239, ..] | [255, 255, 255, 255] => Self::Multicast,
            // RFC 1918; shared address space (RFC 6598) and 240/4, which clouds give to pods;
            // protocol assignments and benchmarks, which nobody outside announces
            [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Self::Private,
            [100, 64..=127, ..] | [240..=255, ..] => Self::Private,
            [192, 0, 0, _] | [198, 18..=19, ..] => Self::Private,
            _ => Self::Public,
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        /// Amazon's metadata service.
        const METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
        match address.segments() {
            _ if address == METADATA => Self::Metadata,
            _ if address.is_unspecified() => Self::Unspecified,
            _ if address.is_loopback() => Self::Loopback,
            [0xff00..=0xffff, ..] => Self::Multicast,
            [0xfe80..=0xfebf, ..] => Self::LinkLocal,
            // unique local; site-local of old; NAT64 inside a network (RFC 8215), where the length
            // of the prefix and so the address behind it is unknown
            [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] | [0x64, 0xff9b, 1, ..] => Self::Private,
            _ => Self::Public,
        }
    }
}

/// The address that packets end at: IPv4 out of v4-mapped, v4-compatible, NAT64 and 6to4 ones.
pub fn canonical(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else {
        return address;
    };
    let inner = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            inner(high, low)
        }
        // `::` and `::1` are themselves
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => inner(high, low),
        [0x2002, high, low, ..] => inner(high, low),
        _ => address,
    }
}

/// The address that a host means, if it means one: IPv6 without brackets, or IPv4 as the WHATWG URL
/// standard reads it: one to four parts, each decimal, octal or hexadecimal, the last one filling
/// what is left.
pub(super) fn parse(host: &str) -> Option<IpAddr> {
    if host.contains(':') {
        return host.parse().ok().map(IpAddr::V6);
    }
    let parts: Vec<u32> = host.split('.').map(number).collect::<Option<_>>()?;
    let (last, first) = parts.split_last()?;
    if first.len() > 3 || first.iter().any(|part| *part > 255) {
        return None;
    }
    let room = 32 - 8 * u32::try_from(first.len()).ok()?;
    if u64::from(*last) >= 1 << room {
        return None;
    }
    let high = first
        .iter()
        .zip([24, 16, 8])
        .fold(0, |sum, (part, shift)| sum | part << shift);
    Some(IpAddr::V4(Ipv4Addr::from_bits(high | last)))
}

/// Whether a URL parser takes the host for an IPv4 address: it does so by its last part alone, and
/// refuses the host where the rest does not fit.
pub(super) fn looks_like_v4(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_decimal = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    is_decimal || number(last).is_some()
}

fn number(text: &str) -> Option<u32> {
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let (digits, radix) = match (hexadecimal, text.strip_prefix('0')) {
        (Some(digits), _) => (digits, 16),
        (None, Some(digits)) => (digits, 8),
        (None, None) if text.is_empty() => return None,
        (None, None) => (text, 10),
    };
    if digits.is_empty() {
        return Some(0);
    }
    if digits.starts_with('+') {
        return None;
    }
    u32::from_str_radix(digits, radix).ok()
}
