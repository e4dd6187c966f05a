//! The trace of one completion, from its queue to the endpoint, in AWS X-Ray.
//!
//! A message carries its trace as SQS's `AWSTraceHeader`. Fan-out continues the completion's trace, or begins one if
//! Lambda chose to trace the invocation. The dispatcher continues the delivery's trace. Each writes one segment per
//! message, because the segment that Lambda writes covers a whole batch. Retries are further segments of the same
//! trace.
//!
//! The header: <https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>, the
//! segments: <https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html>, the endpoint's
//! header: <https://www.w3.org/TR/trace-context/#traceparent-header>.

use std::{
    env, fmt, io,
    net::{Ipv4Addr, Ipv6Addr, ToSocketAddrs as _, UdpSocket},
    sync::Once,
};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::config::{self, ConfigError};

/// The position of a step: its trace, and the step that it follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// `1-`, eight hex digits of seconds, `-`, 24 random hex digits.
    root: String,
    parent: Option<String>,
    sampled: bool,
}

impl Trace {
    /// Parses a trace header, as SQS and Lambda pass it on. Returns `None` without a valid root.
    pub fn parse(header: &str) -> Option<Self> {
        let field = |name: &str| header.split(';').find_map(|field| field.trim().strip_prefix(name));
        let root = field("Root=").filter(|root| is_root(root))?;
        let parent = field("Parent=").filter(|parent| is_hex(parent, 16));
        Some(Self { root: root.to_owned(), parent: parent.map(str::to_owned), sampled: field("Sampled=") == Some("1") })
    }

    /// A new trace for one message of an invocation, sampled if the invocation is.
    fn new(invocation: &Self, now: Timestamp) -> Self {
        let random = format!("{:016x}{:08x}", random(), random() >> 32);
        Self { root: format!("1-{:08x}-{random}", now.as_second()), parent: None, sampled: invocation.sampled }
    }

    /// The trace's id, for logs.
    pub fn id(&self) -> &str {
        &self.root
    }
}

impl fmt::Display for Trace {
    /// Writes the trace header.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Root={}", self.root)?;
        if let Some(parent) = &self.parent {
            write!(f, ";Parent={parent}")?;
        }
        write!(f, ";Sampled={}", u8::from(self.sampled))
    }
}

/// A step that has begun and not yet ended.
#[derive(Debug)]
pub struct Segment {
    trace: Trace,
    id: String,
    began: Timestamp,
}

impl Segment {
    /// Begins a step of a trace.
    pub fn begin(trace: Trace, now: Timestamp) -> Self {
        Self { trace, id: format!("{:016x}", random()), began: now }
    }

    /// The trace to pass on to the step that follows this one.
    pub fn next(&self) -> Trace {
        Trace { parent: Some(self.id.clone()), ..self.trace.clone() }
    }

    /// The same position for an endpoint, as the `traceparent` of W3C's Trace Context.
    pub fn traceparent(&self) -> String {
        let id = self.trace.root.trim_start_matches("1-").replace('-', "");
        format!("00-{id}-{}-{:02x}", self.id, u8::from(self.trace.sampled))
    }

    /// The trace that this step belongs to.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The step as a segment document. `called` is the call that it made, as a subsegment.
    fn segment(&self, name: &str, now: Timestamp, annotations: &Value, called: Option<(Timestamp, Value)>) -> Value {
        let mut segment = json!({
            "name": name,
            "id": self.id,
            "trace_id": self.trace.root,
            "start_time": seconds(self.began),
            "end_time": seconds(now),
            "annotations": annotations,
        });
        if let Some(parent) = &self.trace.parent {
            segment["parent_id"] = parent.as_str().into();
        }
        if let Some((began, mut called)) = called {
            called["id"] = format!("{:016x}", random()).into();
            called["start_time"] = seconds(began);
            called["end_time"] = seconds(now);
            segment["subsegments"] = json!([called]);
        }
        segment
    }
}

/// Whether steps are traced, and where they are sent.
#[derive(Debug)]
pub enum Tracer {
    /// Traces are neither begun, continued nor written.
    Off,
    /// Traces are begun and continued, and written to the daemon that Lambda runs, if there is one.
    On(Option<Daemon>),
}

/// X-Ray's daemon. On Lambda it has a link-local address, outside the function's own loopback network.
#[derive(Debug)]
pub struct Daemon {
    socket: UdpSocket,
    /// So that an unreachable daemon is logged once, not for every segment.
    failure: Once,
}

impl Daemon {
    /// Opens a socket to a daemon at an address such as `169.254.79.129:2000`. Sends nothing yet.
    pub fn at(address: &str) -> io::Result<Self> {
        let mut last = io::Error::new(io::ErrorKind::InvalidInput, "it is not an address");
        for address in address.to_socket_addrs()? {
            // Bound to any address of this machine: a socket that is bound to loopback reaches nothing else.
            let any = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
            let socket = UdpSocket::bind::<(std::net::IpAddr, u16)>((any, 0))?;
            socket.set_nonblocking(true)?;
            match socket.connect(address) {
                Ok(()) => return Ok(Self { socket, failure: Once::new() }),
                Err(err) => last = err,
            }
        }
        Err(last)
    }

    fn send(&self, segment: &Value) {
        let datagram = format!("{{\"format\":\"json\",\"version\":1}}\n{segment}");
        if let Err(err) = self.socket.send(datagram.as_bytes()) {
            self.failure.call_once(|| log(&err));
        }
    }
}

fn log(cause: &io::Error) {
    tracing::warn!(cause = cause.to_string(), "traces do not reach X-Ray");
}

impl Tracer {
    /// Reads `TRACING` (`on` or `off`) and Lambda's `AWS_XRAY_DAEMON_ADDRESS`.
    pub fn from_env() -> Result<Self, ConfigError> {
        if !config::switch("TRACING")? {
            return Ok(Self::Off);
        }
        let address = env::var("AWS_XRAY_DAEMON_ADDRESS").ok();
        let daemon = address.map(|address| Daemon::at(&address).inspect_err(log));
        Ok(Self::On(daemon.and_then(Result::ok)))
    }

    /// Begins the step that handles a message: in the message's own trace if it has one, otherwise in a new trace,
    /// sampled as the header `invocation` of the whole invocation says. Returns `None` if there is neither, or
    /// tracing is off.
    pub fn begin(&self, message: Option<&str>, invocation: Option<&str>, now: Timestamp) -> Option<Segment> {
        if matches!(self, Self::Off) {
            return None;
        }
        let own = message.and_then(Trace::parse);
        let trace = own.or_else(|| Some(Trace::new(&Trace::parse(invocation?)?, now)))?;
        Some(Segment::begin(trace, now))
    }

    /// Sends the segment of a step that ended. A segment that does not arrive is only missing from the trace; the
    /// first failure is logged. Traces can be searched by `annotations`. `called` is the start of a call that the
    /// step made, and the fields of its subsegment.
    pub fn end(
        &self,
        step: &Segment,
        name: &str,
        now: Timestamp,
        annotations: &Value,
        called: Option<(Timestamp, Value)>,
    ) {
        let Self::On(Some(daemon)) = self else { return };
        if step.trace.sampled {
            daemon.send(&step.segment(name, now, annotations, called));
        }
    }
}

fn seconds(at: Timestamp) -> Value {
    let at = at.as_duration().as_secs_f64();
    json!(at)
}

fn random() -> u64 {
    getrandom::u64().unwrap_or_default()
}

fn is_root(root: &str) -> bool {
    let mut parts = root.split('-');
    parts.next() == Some("1")
        && parts.next().is_some_and(|part| is_hex(part, 8))
        && parts.next().is_some_and(|part| is_hex(part, 24))
        && parts.next().is_none()
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        time::Duration,
    };

    use super::*;

    const HEADER: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";

    fn now() -> Timestamp {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }

    #[test]
    fn a_trace_header_is_read_in_any_order_and_written_again() {
        let trace = Trace::parse(HEADER).unwrap();
        assert_eq!(trace.to_string(), HEADER);
        let other = "Sampled=1; Self=1-67891234-12456789abcdef012345678; Parent=53995c3f42cd8ad8; \
                     Root=1-5759e988-bd862e3fe1be46a994272793";
        assert_eq!(Trace::parse(other), Some(trace));
        let bare = Trace::parse("Root=1-5759e988-bd862e3fe1be46a994272793").unwrap();
        assert_eq!(bare.to_string(), "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0");
    }

    #[test]
    fn what_is_no_trace_is_none() {
        for bad in [
            "",
            "Root=",
            "Root=2-5759e988-bd862e3fe1be46a994272793",
            "Root=1-5759e988-bd862e3f",
            "Root=1-5759e988-bd862e3fe1be46a99427279Z",
            "Parent=53995c3f42cd8ad8",
        ] {
            assert_eq!(Trace::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_endpoint_gets_the_trace_in_the_form_of_w3c() {
        let step = Segment::begin(Trace::parse(HEADER).unwrap(), now());
        let id = step.next().parent.unwrap();
        assert_eq!(step.traceparent(), format!("00-5759e988bd862e3fe1be46a994272793-{id}-01"));
    }

    #[test]
    fn a_step_follows_its_message_and_the_next_follows_it() {
        let step = Tracer::On(None).begin(Some(HEADER), None, now()).unwrap();
        let called = Some((now(), json!({ "name": "a.example.com", "namespace": "remote" })));
        let segment = step.segment("fan-out", now() + Duration::from_millis(250), &json!({ "a": 1 }), called);
        assert_eq!(segment["subsegments"][0]["name"], "a.example.com");
        assert_ne!(segment["subsegments"][0]["id"], segment["id"]);
        assert_eq!(segment["trace_id"], "1-5759e988-bd862e3fe1be46a994272793");
        assert_eq!(segment["parent_id"], "53995c3f42cd8ad8");
        assert_eq!(segment["annotations"]["a"], 1);
        assert_eq!((&segment["start_time"], &segment["end_time"]), (&json!(1_767_323_045.0), &json!(1_767_323_045.25)));
        assert_eq!(step.next().to_string(), format!("Root={};Parent={};Sampled=1", step.trace.root, step.id));
    }

    #[test]
    fn a_message_without_a_trace_gets_one_of_its_own_as_the_invocation_is_sampled() {
        let invocation = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0";
        let step = Tracer::On(None).begin(None, Some(invocation), now()).unwrap();
        assert!(is_root(&step.trace.root) && step.trace.root != "1-5759e988-bd862e3fe1be46a994272793");
        assert!(!step.trace.sampled);
        assert!(Tracer::On(None).begin(None, None, now()).is_none());
    }

    #[test]
    fn a_daemon_that_cannot_be_reached_is_logged_once() {
        let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let daemon = Daemon::at(&closed.to_string()).unwrap();
        let log = Counted::default();
        tracing::subscriber::with_default(log.clone(), || {
            for _ in 0..10 {
                daemon.send(&json!({}));
            }
        });
        assert_eq!(log.0.load(Ordering::SeqCst), 1);
        assert!(Daemon::at("nowhere").is_err());
    }

    /// Counts log lines.
    #[derive(Clone, Default)]
    struct Counted(Arc<AtomicUsize>);

    impl tracing::Subscriber for Counted {
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }

        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

        fn event(&self, _: &tracing::Event<'_>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }

        fn enter(&self, _: &tracing::span::Id) {}

        fn exit(&self, _: &tracing::span::Id) {}
    }

    #[test]
    fn switched_off_no_trace_is_gone_on_with() {
        assert!(Tracer::Off.begin(Some(HEADER), Some(HEADER), now()).is_none());
    }
}
