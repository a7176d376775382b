//! Questions to a name server and what it answers (RFC 1035; AAAA by RFC 3596): as much of it as one lookup of an
//! address needs.

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, Question, TYPE};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The response code of an answer that is none of an error.
pub const NO_ERROR: &str = "NOERROR";

/// What a name server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its response code in words: `NOERROR`, `NXDOMAIN`, `SERVFAIL`.
    pub code: String,
    /// The addresses of the requested family, in its order. Of a chain of aliases those at its end.
    pub addresses: Vec<IpAddr>,
}

/// A text that is not a DNS name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a name such as kubernetes.default.svc.cluster.local")]
pub struct NameError(pub String);

/// Checks a name for a query: labels of 1 to 63 letters, digits, dashes and underscores, 253
/// characters at most, with or without a dot at the end.
///
/// # Errors
/// The text is not such a name.
pub fn name(text: &str) -> Result<String, NameError> {
    let bare = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if bare.len() > 253 || !bare.split('.').all(is_label) {
        return Err(NameError(text.to_owned()));
    }
    Ok(bare.to_owned())
}

/// The DNS query for the address of a name that [`name`] has checked. `v6` queries an IPv6 address. `id` comes back in
/// the answer. Empty for what is no name.
pub fn question(name: &str, v6: bool, id: u16) -> Vec<u8> {
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let kind = if v6 { TYPE::AAAA } else { TYPE::A };
    let name = Name::new_unchecked(name);
    packet.questions.push(Question::new(name, kind.into(), CLASS::IN.into(), false));
    packet.build_bytes_vec().unwrap_or_default()
}

/// Reads the answer to a question; none for what is no answer to it: of another id, without the question in it, or cut
/// short in its midst.
pub fn reply(asked: &[u8], bytes: &[u8]) -> Option<Reply> {
    let (asked, answer) = (Packet::parse(asked).ok()?, Packet::parse(bytes).ok()?);
    let ([wanted], [question]) = (asked.questions.as_slice(), answer.questions.as_slice()) else { return None };
    // Names are compared without regard to case (RFC 1035, section 2.3.3).
    let same_name = question.qname.to_string().eq_ignore_ascii_case(&wanted.qname.to_string());
    let is_same = same_name && question.qtype == wanted.qtype && question.qclass == wanted.qclass;
    if answer.id() != asked.id() || !answer.has_flags(PacketFlag::RESPONSE) || !is_same {
        return None;
    }
    let v6 = wanted.qtype == TYPE::AAAA.into();
    let address = |data: &RData<'_>| match data {
        RData::A(found) if !v6 => Some(IpAddr::V4(Ipv4Addr::from(found.address))),
        RData::AAAA(found) if v6 => Some(IpAddr::V6(Ipv6Addr::from(found.address))),
        _ => None,
    };
    let records = answer.answers.iter().filter(|record| record.class == CLASS::IN);
    let addresses = records.filter_map(|record| address(&record.rdata)).collect();
    // The library knows the low four bits by name; the header has them in its fourth byte.
    Some(Reply { code: code(bytes.get(3)? & 0x0f), addresses })
}

fn code(number: u8) -> String {
    match number {
        0 => NO_ERROR.to_owned(),
        1 => "FORMERR".to_owned(),
        2 => "SERVFAIL".to_owned(),
        3 => "NXDOMAIN".to_owned(),
        4 => "NOTIMP".to_owned(),
        5 => "REFUSED".to_owned(),
        other => format!("code {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: u16 = 1;
    const AAAA: u16 = 28;
    const IS_ANSWER: u16 = 0x8000;
    const HEADER: usize = 12;
    const NAME: &str = "kubernetes.default.svc.cluster.local";

    /// An answer with these records behind the question, each named by a pointer to it.
    fn answer(asked: &[u8], code: u16, records: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = asked.to_vec();
        bytes[2..4].copy_from_slice(&(IS_ANSWER | code).to_be_bytes());
        bytes[6..8].copy_from_slice(&u16::try_from(records.len()).unwrap().to_be_bytes());
        for (kind, data) in records {
            bytes.extend([0xc0, 12]);
            bytes.extend(kind.to_be_bytes());
            bytes.extend([0, 1, 0, 0, 0, 30]);
            bytes.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
            bytes.extend(*data);
        }
        bytes
    }

    #[test]
    fn only_valid_names_are_queried() {
        assert_eq!(name("a.b."), Ok("a.b".to_owned()));
        assert_eq!(name(NAME), Ok(NAME.to_owned()));
        for text in ["", ".", "a..b", "a b", "ä.b", &"a".repeat(64), &format!("{}b", "a.".repeat(127))] {
            assert!(name(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_query_has_the_form_of_rfc_1035() {
        let bytes = question("a.bc", false, 0x0102);
        assert_eq!(bytes, [1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, b'a', 2, b'b', b'c', 0, 0, 1, 0, 1]);
        assert_eq!(question("a", true, 0)[HEADER..], [1, b'a', 0, 0, 28, 0, 1]);
    }

    #[test]
    fn addresses_are_taken_from_the_records_of_the_requested_type() {
        let asked = question(NAME, false, 7);
        let alias: &[u8] = &[1, b'x', 0];
        let mut bytes = answer(&asked, 0, &[(5, alias), (A, &[172, 30, 0, 1]), (AAAA, &[0; 16])]);
        let wanted = Reply { code: "NOERROR".into(), addresses: vec!["172.30.0.1".parse().unwrap()] };
        assert_eq!(reply(&asked, &bytes), Some(wanted.clone()));
        bytes[13] = b'K';
        assert_eq!(reply(&asked, &bytes), Some(wanted), "a server may write the name in capitals");
        let asked = question(NAME, true, 7);
        let found = reply(&asked, &answer(&asked, 0, &[(AAAA, &[0; 16])])).unwrap();
        assert_eq!(found.addresses, ["::".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn a_name_that_does_not_exist_has_its_response_code() {
        let asked = question(NAME, false, 7);
        let found = reply(&asked, &answer(&asked, 3, &[])).unwrap();
        assert_eq!((found.code.as_str(), found.addresses.len()), ("NXDOMAIN", 0));
        assert_eq!(reply(&asked, &answer(&asked, 11, &[])).unwrap().code, "code 11");
    }

    #[test]
    fn what_is_no_answer_to_it_is_none() {
        let asked = question(NAME, false, 7);
        let good = answer(&asked, 0, &[(A, &[1, 2, 3, 4])]);
        for length in 0..good.len() {
            assert_eq!(reply(&asked, &good[..length]), None, "cut to {length}");
        }
        assert_eq!(reply(&asked, &asked), None, "the question itself");
        assert_eq!(reply(&question(NAME, false, 8), &good), None, "another id");
        assert_eq!(reply(&question("other", false, 7), &good), None, "another name");
        assert_eq!(reply(&question(NAME, true, 7), &good), None, "another type");
        assert_eq!(reply(&[], &good), None);
    }
}
