//! A name server that answers as a test sets, and records every query.
//!
//! It behaves like the name server of a system's resolver: it follows aliases, and over UDP it truncates answers of
//! more than 512 bytes.

use std::{
    collections::HashMap,
    io::{self, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, TcpListener, TcpStream, UdpSocket},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use simple_dns::{CLASS, Name, Packet, PacketFlag, QTYPE, RCODE, ResourceRecord, TYPE, rdata::RData};

/// The limit without EDNS, which the system's resolver does not use by default (RFC 1035 section 4.2.1).
const LONGEST_DATAGRAM: usize = 512;
/// More aliases than this are a loop.
const MOST_ALIASES: usize = 8;

/// Listens on port 53 of 127.0.0.1 until the process ends.
pub(crate) struct NameServer(Arc<Mutex<Zone>>);

#[derive(Default)]
struct Zone {
    /// The answers of each name in turn; the last one repeats.
    answers: HashMap<String, Vec<Answer>>,
    /// The answer for every name that is not in `answers`.
    otherwise: Answer,
    asked: Vec<(String, TYPE)>,
}

#[derive(Clone)]
enum Answer {
    Records(Vec<Record>),
    Failure(RCODE),
    Silence,
}

#[derive(Clone)]
enum Record {
    Address(IpAddr),
    Alias(String),
}

impl Default for Answer {
    fn default() -> Self {
        Self::Failure(RCODE::NameError)
    }
}

impl Answer {
    /// `NXDOMAIN`, `SERVFAIL` or `SILENCE`; or a mixture of addresses and aliases (`CNAME name`) of all types.
    fn of(words: &[&str]) -> Self {
        match words {
            ["NXDOMAIN"] => Self::Failure(RCODE::NameError),
            ["SERVFAIL"] => Self::Failure(RCODE::ServerFailure),
            ["SILENCE"] => Self::Silence,
            records => Self::Records(records.iter().map(|record| Record::of(record)).collect()),
        }
    }
}

impl Record {
    fn of(word: &str) -> Self {
        match word.strip_prefix("CNAME ") {
            Some(name) => Self::Alias(name.to_owned()),
            None => Self::Address(word.parse().unwrap()),
        }
    }
}

impl NameServer {
    pub(crate) fn start() -> io::Result<Self> {
        let zone = Arc::<Mutex<Zone>>::default();
        let datagrams = UdpSocket::bind((Ipv4Addr::LOCALHOST, 53))?;
        let connections = TcpListener::bind((Ipv4Addr::LOCALHOST, 53))?;
        let shared = Arc::clone(&zone);
        thread::spawn(move || {
            let mut buffer = [0; LONGEST_DATAGRAM];
            while let Ok((length, from)) = datagrams.recv_from(&mut buffer) {
                if let Some(reply) = reply(&shared, &buffer[..length], LONGEST_DATAGRAM) {
                    let _ = datagrams.send_to(&reply, from);
                }
            }
        });
        let shared = Arc::clone(&zone);
        thread::spawn(move || {
            for connection in connections.incoming().flatten() {
                let _ = converse(&shared, connection);
            }
        });
        Ok(Self(zone))
    }

    /// Sets the answer of a name and deletes its recorded queries; see [`Answer::of`].
    pub(crate) fn on(&self, name: &str, words: &[&str]) {
        self.on_in_turn(name, &[words]);
    }

    /// Sets the first, second and later answers of a name. Queries of each type are counted and answered separately.
    pub(crate) fn on_in_turn(&self, name: &str, answers: &[&[&str]]) {
        let mut zone = lock(&self.0);
        zone.answers.insert(name.to_owned(), answers.iter().map(|words| Answer::of(words)).collect());
        zone.asked.retain(|(asked, _)| asked != name);
    }

    /// Deletes all recorded queries.
    pub(crate) fn forget_questions(&self) {
        lock(&self.0).asked.clear();
    }

    /// Sets the answer of all other names.
    pub(crate) fn otherwise(&self, words: &[&str]) {
        lock(&self.0).otherwise = Answer::of(words);
    }

    /// All recorded queries, sorted: `A example.com`.
    pub(crate) fn asked(&self) -> Vec<String> {
        let mut asked: Vec<_> = lock(&self.0).asked.iter().map(|(name, kind)| format!("{kind:?} {name}")).collect();
        asked.sort();
        asked
    }
}

/// Serves a TCP connection: each message follows its length.
fn converse(zone: &Mutex<Zone>, mut connection: TcpStream) -> io::Result<()> {
    loop {
        let mut length = [0; 2];
        connection.read_exact(&mut length)?;
        let mut query = vec![0; u16::from_be_bytes(length).into()];
        connection.read_exact(&mut query)?;
        if let Some(reply) = reply(zone, &query, usize::MAX) {
            let length = u16::try_from(reply.len()).unwrap();
            connection.write_all(&[&length.to_be_bytes(), &*reply].concat())?;
        }
    }
}

fn reply(zone: &Mutex<Zone>, query: &[u8], longest: usize) -> Option<Vec<u8>> {
    let query = Packet::parse(query).unwrap();
    let question = query.questions[0].clone();
    let QTYPE::TYPE(kind) = question.qtype else { panic!("unexpected query type {:?}", question.qtype) };
    let mut reply = Packet::new_reply(query.id());
    reply.set_flags(PacketFlag::RECURSION_DESIRED | PacketFlag::RECURSION_AVAILABLE);
    let mut name = question.qname.to_string().to_lowercase();
    reply.questions.push(question);

    let mut zone = lock(zone);
    zone.asked.push((name.clone(), kind));
    for _ in 0..MOST_ALIASES {
        let records = match zone.answer(&name, kind) {
            Answer::Silence => return None,
            Answer::Records(records) => records,
            Answer::Failure(rcode) => {
                *reply.rcode_mut() = rcode;
                break;
            }
        };
        let owner = Name::new(&name).unwrap().into_owned();
        let record = |data| ResourceRecord::new(owner.clone(), CLASS::IN, 1, data);
        let mut alias = None;
        for given in records {
            match (given, kind) {
                (Record::Address(IpAddr::V4(address)), TYPE::A) => reply.answers.push(record(RData::A(address.into()))),
                (Record::Address(IpAddr::V6(address)), TYPE::AAAA) => {
                    reply.answers.push(record(RData::AAAA(address.into())));
                }
                (Record::Alias(target), _) => {
                    let canonical = Name::new(&target).unwrap().into_owned();
                    reply.answers.push(record(RData::CNAME(canonical.into())));
                    alias = Some(target);
                }
                _ => {}
            }
        }
        match alias {
            Some(target) => name = target,
            None => break,
        }
    }
    while reply.build_bytes_vec_compressed().unwrap().len() > longest {
        reply.answers.pop();
        reply.set_flags(PacketFlag::TRUNCATION);
    }
    Some(reply.build_bytes_vec_compressed().unwrap())
}

impl Zone {
    fn answer(&self, name: &str, kind: TYPE) -> Answer {
        let Some(answers) = self.answers.get(name) else { return self.otherwise.clone() };
        let times = self.asked.iter().filter(|(asked, of)| asked == name && *of == kind).count();
        answers[times.clamp(1, answers.len()) - 1].clone()
    }
}

fn lock(zone: &Mutex<Zone>) -> MutexGuard<'_, Zone> {
    zone.lock().unwrap_or_else(PoisonError::into_inner)
}
