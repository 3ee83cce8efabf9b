//! `HOST|CIDR`: what an operator allows or denies.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use thiserror::Error;

use super::literal::{self, Class};
use super::{Contact, canonical};

/// A host, with or without port, or a network.
///
/// `registry.example.com`, `registry.example.com:5000`, `10.1.2.3`, `10.1.2.3:5000`, `[fd00::1]:5000`,
/// `10.0.0.0/8`, `fd00::/8`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A name and nothing under it.
    Name {
        /// Lower case, without closing dot.
        name: String,
        /// Any, where `None`.
        port: Option<u16>,
    },
    /// One address.
    Address {
        /// Canonical.
        address: IpAddr,
        /// Any, where `None`.
        port: Option<u16>,
    },
    /// All addresses of a network.
    Network {
        /// Its first.
        network: IpAddr,
        /// Length of the prefix in bits.
        prefix: u8,
    },
}

/// Why a text is no [`Target`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TargetError {
    /// Nothing there.
    #[error("a host or network is missing")]
    Empty,
    /// `https://...`: only the host is meant.
    #[error("write the host without http:// or https://")]
    HasScheme,
    /// `host/path`: only the host is meant.
    #[error("write the host without a path")]
    HasPath,
    /// Globs are not read: name the host, or the network.
    #[error("wildcards are not read, name the host or its network")]
    Wildcard,
    /// No port between 1 and 65535.
    #[error("the port is no number between 1 and 65535")]
    InvalidPort,
    /// No prefix length that fits the address.
    #[error("the prefix length does not fit the address")]
    InvalidPrefix,
    /// No name and no address.
    #[error("neither a host name, an address nor a network")]
    InvalidHost,
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        if text.is_empty() {
            return Err(TargetError::Empty);
        }
        if text.contains("://") {
            return Err(TargetError::HasScheme);
        }
        if text.contains('*') {
            return Err(TargetError::Wildcard);
        }
        if let Some((network, prefix)) = text.split_once('/') {
            return Self::network(network, prefix);
        }
        let (host, port) = split_port(text)?;
        let host = normalised(host);
        if let Some(address) = literal::parse(&host) {
            let address = canonical(address);
            return Ok(Self::Address { address, port });
        }
        if !is_name(&host) {
            return Err(TargetError::InvalidHost);
        }
        Ok(Self::Name { name: host, port })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let write_port = |f: &mut fmt::Formatter<'_>, port: &Option<u16>| match port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        };
        match self {
            Self::Name { name, port } => {
                f.write_str(name)?;
                write_port(f, port)
            }
            Self::Address {
                address: IpAddr::V6(address),
                port: Some(port),
            } => write!(f, "[{address}]:{port}"),
            Self::Address { address, port } => {
                write!(f, "{address}")?;
                write_port(f, port)
            }
            Self::Network { network, prefix } => write!(f, "{network}/{prefix}"),
        }
    }
}

impl Target {
    fn network(network: &str, prefix: &str) -> Result<Self, TargetError> {
        let Ok(network) = network.parse::<IpAddr>() else {
            return Err(TargetError::HasPath);
        };
        let bits = if network.is_ipv4() { 32 } else { 128 };
        let is_number = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix: u8 = prefix
            .parse()
            .ok()
            .filter(|prefix| is_number && *prefix <= bits)
            .ok_or(TargetError::InvalidPrefix)?;
        Ok(Self::Network {
            network: masked(network, prefix),
            prefix,
        })
    }

    /// Is the name of this contact.
    pub(super) fn names(&self, contact: &Contact) -> bool {
        matches!(self, Self::Name { name, port }
            if *name == contact.host && port.is_none_or(|port| port == contact.port))
    }

    /// Is or holds the address of this contact.
    pub(super) fn covers(&self, contact: &Contact, address: IpAddr) -> bool {
        match self {
            Self::Name { .. } => false,
            Self::Address { address: one, port } => {
                *one == address && port.is_none_or(|port| port == contact.port)
            }
            Self::Network { network, prefix } => {
                network.is_ipv4() == address.is_ipv4() && masked(address, *prefix) == *network
            }
        }
    }

    /// Is this contact, port included: by name, or by its address.
    pub(super) fn is_endpoint(&self, contact: &Contact, address: Option<IpAddr>) -> bool {
        match self {
            Self::Name { port, .. } => port.is_some() && self.names(contact),
            Self::Address { port, .. } => {
                port.is_some() && address.is_some_and(|address| self.covers(contact, address))
            }
            Self::Network { .. } => false,
        }
    }

    /// Opens an address of this class: an address opens itself, a name what is private or this
    /// machine, a network what is private or, where all of it is of that one class, anything but
    /// metadata. So `0.0.0.0/0` opens private addresses and none of the dangerous ones.
    pub(super) fn opens(&self, contact: &Contact, address: IpAddr, class: Class) -> bool {
        match self {
            Self::Name { .. } => {
                self.names(contact) && matches!(class, Class::Private | Class::Loopback)
            }
            Self::Address { .. } => self.covers(contact, address),
            Self::Network { network, prefix } => {
                let whole = match class {
                    Class::Public | Class::Private => true,
                    Class::Metadata => is_single(*network, *prefix),
                    Class::Loopback | Class::LinkLocal | Class::Multicast | Class::Unspecified => {
                        Class::of(*network) == class && Class::of(last(*network, *prefix)) == class
                    }
                };
                whole && self.covers(contact, address)
            }
        }
    }
}

/// Lower case, without brackets and closing dot.
pub(super) fn normalised(host: &str) -> String {
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    let bare = bare.strip_suffix('.').unwrap_or(bare);
    bare.to_ascii_lowercase()
}

/// What a URL parser takes for a name: labels of letters, digits, hyphen and underscore, the last
/// of which is no number.
pub(super) fn is_name(host: &str) -> bool {
    let is_label = |label: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=63).contains(&label.len()) && label.bytes().all(plain)
    };
    host.len() <= 253 && host.split('.').all(is_label) && !literal::looks_like_v4(host)
}

fn split_port(text: &str) -> Result<(&str, Option<u16>), TargetError> {
    // an IPv6 address without brackets has no port
    let is_v6 = !text.starts_with('[') && text.matches(':').count() > 1;
    let after_brackets = text.rfind(']').map_or(0, |end| end + 1);
    let Some(colon) = text[after_brackets..].find(':').filter(|_| !is_v6) else {
        return Ok((text, None));
    };
    let (host, port) = text.split_at(after_brackets + colon);
    let port = port[1..]
        .parse()
        .ok()
        .filter(|port| *port != 0)
        .ok_or(TargetError::InvalidPort)?;
    Ok((host, Some(port)))
}

fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    let prefix = u32::from(prefix);
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}

fn last(network: IpAddr, prefix: u8) -> IpAddr {
    let prefix = u32::from(prefix);
    match network {
        IpAddr::V4(v4) => {
            let rest = u32::MAX.checked_shr(prefix).unwrap_or(0);
            IpAddr::V4((v4.to_bits() | rest).into())
        }
        IpAddr::V6(v6) => {
            let rest = u128::MAX.checked_shr(prefix).unwrap_or(0);
            IpAddr::V6((v6.to_bits() | rest).into())
        }
    }
}

fn is_single(network: IpAddr, prefix: u8) -> bool {
    prefix == if network.is_ipv4() { 32 } else { 128 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_host_or_a_network() {
        let check = |text: &str, expected: Result<&str, TargetError>| {
            let read = text.parse::<Target>().map(|target| target.to_string());
            assert_eq!(read, expected.map(ToOwned::to_owned), "{text:?}");
        };
        check("registry.example.com", Ok("registry.example.com"));
        check("Registry.Example.com.", Ok("registry.example.com"));
        check("registry:5000", Ok("registry:5000"));
        check("my_registry", Ok("my_registry"));
        check("10.1.2.3", Ok("10.1.2.3"));
        check("10.1.2.3:5000", Ok("10.1.2.3:5000"));
        check("0x7f.1", Ok("127.0.0.1"));
        check("fd00::1", Ok("fd00::1"));
        check("[fd00::1]", Ok("fd00::1"));
        check("[fd00::1]:5000", Ok("[fd00::1]:5000"));
        check("::ffff:10.0.0.1", Ok("10.0.0.1"));
        check("10.1.2.3/8", Ok("10.0.0.0/8"));
        check("0.0.0.0/0", Ok("0.0.0.0/0"));
        check("10.1.2.3/32", Ok("10.1.2.3/32"));
        check("fd00::1/8", Ok("fd00::/8"));
        check("::/0", Ok("::/0"));
        check("", Err(TargetError::Empty));
        check("https://registry.example.com", Err(TargetError::HasScheme));
        check("registry.example.com/team", Err(TargetError::HasPath));
        check("*.example.com", Err(TargetError::Wildcard));
        check("registry:0", Err(TargetError::InvalidPort));
        check("registry:65536", Err(TargetError::InvalidPort));
        check("registry:http", Err(TargetError::InvalidPort));
        check("registry:", Err(TargetError::InvalidPort));
        check("10.0.0.0/33", Err(TargetError::InvalidPrefix));
        check("fd00::/129", Err(TargetError::InvalidPrefix));
        check("10.0.0.0/", Err(TargetError::InvalidPrefix));
        check("10.0.0.0/+8", Err(TargetError::InvalidPrefix));
        check("10.0.0.256", Err(TargetError::InvalidHost));
        check("a b", Err(TargetError::InvalidHost));
        check("a..b", Err(TargetError::InvalidHost));
        check("user@host", Err(TargetError::InvalidHost));
    }
}
