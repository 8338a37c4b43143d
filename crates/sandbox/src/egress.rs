//! The way to the world: a proxy that understands CONNECT and nothing else, for listed hosts and nothing else.
//!
//! The name is compared exactly after normalisation, resolved outside, and the address that was checked is the one that
//! is connected to. Private, link-local and loopback addresses are refused unless the operator lists their range; an
//! address of a metadata service is refused always.

use crate::sni;
use domain::egress::{EgressDecision, EgressPolicy};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

const HEAD_BYTES_MAX: usize = 8 << 10;
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Where nothing but TLS is spoken.
const TLS_PORT: u16 = 443;
/// One connection lasts no longer than this.
const LIFE_MAX: Duration = Duration::from_secs(15 * 60);
/// And carries no more than this, each way.
const BYTES_MAX: u64 = 4 << 30;

/// A range of addresses such as `10.1.0.0/16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    address: IpAddr,
    bits: u8,
}

impl FromStr for Cidr {
    type Err = domain::Error;
    fn from_str(text: &str) -> Result<Self, domain::Error> {
        let bad = || domain::Error::invalid(format!("`{text}` is not a range of addresses such as 10.1.0.0/16"));
        let (address, bits) = text.split_once('/').ok_or_else(bad)?;
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let bits: u8 = bits.parse().map_err(|_| bad())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        if bits > most { Err(bad()) } else { Ok(Cidr { address, bits }) }
    }
}

impl Cidr {
    pub fn contains(&self, address: IpAddr) -> bool {
        let prefix = |value: u128, width: u8| if self.bits == 0 { 0 } else { value >> (width - self.bits) };
        match (self.address, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => prefix(u32::from(a).into(), 32) == prefix(u32::from(b).into(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => prefix(a.into(), 128) == prefix(b.into(), 128),
            _ => false,
        }
    }
}

/// Serves one connection from inside.
pub async fn serve<S, F>(mut stream: S, policy: &EgressPolicy, allowed: &[Cidr], tell: F)
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Fn(EgressDecision),
{
    let target = match tokio::time::timeout(HEAD_TIMEOUT, read_target(&mut stream)).await {
        Ok(Ok(target)) => target,
        Ok(Err(why)) => return refuse(&mut stream, "400 Bad Request", why).await,
        Err(_) => return refuse(&mut stream, "408 Request Timeout", "no request came in time").await,
    };
    let decide = |is_allowed: bool, reason: String| {
        tell(EgressDecision { host: target.host.clone(), port: target.port, allowed: is_allowed, reason });
    };
    if !policy.allows(&target.host, target.port) {
        decide(false, "the policy does not list it".into());
        return refuse(&mut stream, "403 Forbidden", "the egress policy of this sandbox does not list it").await;
    }
    let address = match resolve(&target, allowed).await {
        Ok(address) => address,
        Err(why) => {
            decide(false, why.clone());
            return refuse(&mut stream, "403 Forbidden", &why).await;
        }
    };
    decide(true, format!("listed; connected to {address}"));
    match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
        Ok(Ok(far)) => {
            if let Err(why) = carry(stream, far, &target).await {
                decide(false, why);
            }
        }
        _ => refuse(&mut stream, "502 Bad Gateway", "it could not be connected to").await,
    }
}

/// Carries bytes both ways until both ends are done, or the client turns out to want another host than it said.
async fn carry<S: AsyncRead + AsyncWrite + Unpin>(mut near: S, far: TcpStream, target: &Target) -> Result<(), String> {
    if near.write_all(b"HTTP/1.1 200 Connection Established\r\n\r\n").await.is_err() {
        return Ok(());
    }
    let (mut near_read, mut near_write) = tokio::io::split(near);
    let (far_read, mut far_write) = far.into_split();
    let up = async {
        let opening = read_opening(&mut near_read, target).await?;
        let _ = far_write.write_all(&opening).await;
        let _ = tokio::io::copy(&mut near_read.take(BYTES_MAX), &mut far_write).await;
        let _ = far_write.shutdown().await;
        Ok(())
    };
    let down = async {
        let _ = tokio::io::copy(&mut far_read.take(BYTES_MAX), &mut near_write).await;
        let _ = near_write.shutdown().await;
        Ok::<(), String>(())
    };
    let both = async { tokio::try_join!(up, down) };
    tokio::time::timeout(LIFE_MAX, both).await.unwrap_or(Ok(((), ()))).map(drop)
}

/// Reads as much as it takes to see whom a TLS client greets: it must be the host it asked us for, or a front could hide another
/// behind it.
async fn read_opening<R: AsyncRead + Unpin>(near: &mut R, target: &Target) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(2048);
    loop {
        match sni::look(&bytes) {
            sni::Opening::More if bytes.len() <= sni::RECORD_BYTES_MAX => {
                if near.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                    return Ok(bytes);
                }
            }
            sni::Opening::Tls(Some(name)) if name == target.host => return Ok(bytes),
            sni::Opening::Tls(Some(name)) => return Err(format!("its TLS greeting names `{name}` instead")),
            sni::Opening::Tls(None) => return Err("its TLS greeting names no host".into()),
            sni::Opening::Other if target.port != TLS_PORT => return Ok(bytes),
            sni::Opening::Other => return Err("something other than TLS on the port of TLS".into()),
            sni::Opening::More | sni::Opening::Broken => return Err("its TLS greeting is malformed".into()),
        }
    }
}

async fn refuse<S: AsyncWrite + Unpin>(stream: &mut S, status: &str, why: &str) {
    let body = format!("{why}\n");
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    let _ = stream.write_all((head + &body).as_bytes()).await;
    let _ = stream.shutdown().await;
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    host: String,
    port: u16,
}

/// Reads exactly the head, byte by byte at its end, so that nothing of the tunnel is swallowed.
async fn read_target<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Target, &'static str> {
    let mut head = Vec::with_capacity(256);
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= HEAD_BYTES_MAX {
            return Err("the request is too long");
        }
        head.push(stream.read_u8().await.map_err(|_| "the request ended early")?);
    }
    parse(&head)
}

/// Strict: one form of request is understood, and every header must be well formed.
fn parse(head: &[u8]) -> Result<Target, &'static str> {
    let text = std::str::from_utf8(head).map_err(|_| "the request is not text")?;
    let mut lines = text.strip_suffix("\r\n\r\n").ok_or("the request ended early")?.split("\r\n");
    let line = lines.next().unwrap_or_default();
    let authority = line
        .strip_prefix("CONNECT ")
        .and_then(|rest| rest.strip_suffix(" HTTP/1.1").or_else(|| rest.strip_suffix(" HTTP/1.0")))
        .ok_or("only CONNECT is understood")?;
    let target = parse_authority(authority)?;
    for header in lines {
        let (name, value) = header.split_once(':').ok_or("a malformed header")?;
        let is_token = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_!#$%&'*+.^`|~".contains(&b));
        if !is_token || value.bytes().any(|b| b.is_ascii_control() && b != b'\t') {
            return Err("a malformed header");
        }
        if name.eq_ignore_ascii_case("host") && parse_host(value.trim(), target.port)? != target {
            return Err("the Host header names another target");
        }
        let has_body = name.eq_ignore_ascii_case("transfer-encoding") || name.eq_ignore_ascii_case("content-length") && value.trim() != "0";
        if has_body {
            return Err("CONNECT carries no body");
        }
    }
    Ok(target)
}

/// Some clients leave the port out of the `Host` header.
fn parse_host(value: &str, port: u16) -> Result<Target, &'static str> {
    if value.contains(':') { parse_authority(value) } else { parse_authority(&format!("{value}:{port}")) }
}

fn parse_authority(authority: &str) -> Result<Target, &'static str> {
    let (host, port) = authority.rsplit_once(':').ok_or("a target without a port")?;
    let is_number = !port.is_empty() && port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit());
    let port: u16 = if is_number { port.parse().map_err(|_| "a port out of range")? } else { return Err("a malformed port") };
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let is_name = !host.is_empty()
        && host.len() <= 253
        && host.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        });
    if !is_name || port == 0 {
        return Err("the target is not a plain host name with a port");
    }
    Ok(Target { host, port })
}

/// The first address that may be connected to.
async fn resolve(target: &Target, allowed: &[Cidr]) -> Result<SocketAddr, String> {
    let lookup = tokio::net::lookup_host((target.host.as_str(), target.port));
    let addresses: Vec<SocketAddr> = match tokio::time::timeout(CONNECT_TIMEOUT, lookup).await {
        Ok(Ok(addresses)) => addresses.take(16).collect(),
        _ => return Err("its name could not be resolved".into()),
    };
    let mut why = "its name has no address".to_string();
    for address in addresses {
        match check(address.ip(), allowed) {
            Ok(()) => return Ok(address),
            Err(reason) => why = format!("{} is {reason}", address.ip()),
        }
    }
    Err(why)
}

fn check(address: IpAddr, allowed: &[Cidr]) -> Result<(), &'static str> {
    let address = unmap(address);
    if is_metadata(address) {
        return Err("an address of a metadata service");
    }
    if allowed.iter().any(|cidr| cidr.contains(address)) {
        return Ok(());
    }
    if is_public(address) { Ok(()) } else { Err("not a public address; the operator may list its range") }
}

/// Addresses that clouds answer with credentials on. Never allowed, whatever a list says.
pub fn is_metadata(address: IpAddr) -> bool {
    match unmap(address) {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            (a, b) == (169, 254)
                || v4 == Ipv4Addr::new(168, 63, 129, 16)
                || v4 == Ipv4Addr::new(100, 100, 100, 200)
                || v4 == Ipv4Addr::new(192, 0, 0, 192)
        }
        IpAddr::V6(v6) => {
            v6 == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254) || v6 == Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)
        }
    }
}

/// An IPv4 address in any of its IPv6 dresses.
fn unmap(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let s = v6.segments();
    let embedded = |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match s {
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] if !(high == 0 && low <= 1) => embedded(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        [0x2002, high, low, ..] => embedded(high, low),
        _ => address,
    }
}

/// Ranges kept for examples count as public: nobody's network has hosts there by accident, and closed networks put their
/// package mirrors on them.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_multicast()
                || a == 0
                || a >= 240
                || (a == 100 && (64..128).contains(&b))
                || (a, b, c) == (192, 0, 0)
                || (a == 198 && (b & 0xfe) == 18))
        }
        // Global unicast is 2000::/3; within it only documentation and tunnels are not places.
        IpAddr::V6(v6) => {
            let s = v6.segments();
            (s[0] & 0xe000) == 0x2000 && (s[0], s[1]) != (0x2001, 0xdb8) && (s[0], s[1]) != (0x2001, 0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::egress::HostPort;

    fn parsed(head: &str) -> Result<Target, &'static str> {
        parse(head.as_bytes())
    }

    #[test]
    fn only_a_plain_connect_is_understood() {
        let target = Target { host: "pypi.org".into(), port: 443 };
        assert_eq!(parsed("CONNECT PyPI.org.:443 HTTP/1.1\r\nHost: pypi.org:443\r\n\r\n"), Ok(target.clone()));
        assert_eq!(parsed("CONNECT pypi.org:443 HTTP/1.1\r\nHost: pypi.org\r\nUser-Agent: x\r\n\r\n"), Ok(target));
        for head in [
            "GET http://pypi.org/ HTTP/1.1\r\n\r\n",
            "CONNECT pypi.org HTTP/1.1\r\n\r\n",
            "CONNECT a@pypi.org:443 HTTP/1.1\r\n\r\n",
            "CONNECT pypi.org:0443x HTTP/1.1\r\n\r\n",
            "CONNECT pypi.org:443 HTTP/2\r\n\r\n",
            "CONNECT pypi.org:443  HTTP/1.1\r\n\r\n",
            "CONNECT [::1]:443 HTTP/1.1\r\n\r\n",
            "CONNECT pypi.org:443 HTTP/1.1\r\nHost: evil.org:443\r\n\r\n",
            "CONNECT pypi.org:443 HTTP/1.1\r\n folded: x\r\n\r\n",
            "CONNECT pypi.org:443 HTTP/1.1\r\nContent-Length: 5\r\n\r\n",
            "CONNECT pypi.org:443 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "CONNECT pyp\u{456}.org:443 HTTP/1.1\r\n\r\n",
        ] {
            assert!(parsed(head).is_err(), "{head:?}");
        }
    }

    #[test]
    fn look_alikes_are_not_listed() {
        let policy = EgressPolicy { allow: vec![HostPort { host: "example.com".into(), port: 443 }] };
        let allows = |authority: &str| parse_authority(authority).is_ok_and(|t| policy.allows(&t.host, t.port));
        assert!(allows("EXAMPLE.com:443") && allows("example.com.:443"));
        for other in ["evilexample.com:443", "example.com.evil.org:443", "example.com:80", "example.com..:443", "xn--exmple-cua.com:443"] {
            assert!(!allows(other), "{other}");
        }
        assert!(!EgressPolicy::deny_all().allows("example.com", 443));
    }

    #[test]
    fn addresses_are_judged_in_every_dress() {
        let check = |text: &str, allowed: &[Cidr]| super::check(text.parse().unwrap(), allowed).is_ok();
        for public in ["1.1.1.1", "2606:4700::1111"] {
            assert!(check(public, &[]), "{public}");
        }
        let private = [
            "10.0.0.1",
            "127.0.0.1",
            "192.168.1.1",
            "172.16.0.1",
            "100.64.0.1",
            "0.0.0.0",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "::ffff:10.0.0.1",
            "::10.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::",
            "224.0.0.1",
            "255.255.255.255",
            "::ffff:127.0.0.1",
        ];
        for address in private {
            assert!(!check(address, &[]), "{address}");
        }
        let everything: Vec<Cidr> = ["0.0.0.0/0", "::/0"].iter().map(|c| c.parse().unwrap()).collect();
        assert!(check("10.0.0.1", &everything));
        for metadata in ["169.254.169.254", "::ffff:a9fe:a9fe", "fd00:ec2::254", "168.63.129.16", "100.100.100.200", "64:ff9b::a9fe:a9fe"] {
            assert!(!check(metadata, &everything), "{metadata}");
        }
    }

    #[test]
    fn a_range_contains_what_shares_its_prefix() {
        let range: Cidr = "10.1.0.0/16".parse().unwrap();
        assert!(range.contains("10.1.255.1".parse().unwrap()) && !range.contains("10.2.0.1".parse().unwrap()));
        assert!("10.1.0.0/33".parse::<Cidr>().is_err() && "10.1".parse::<Cidr>().is_err());
    }
}
