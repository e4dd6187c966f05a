//! X-Ray's daemon is not on a function's loopback: on Lambda it has a link-local address in another network
//! namespace.

use std::{
    env,
    net::UdpSocket,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use jiff::Timestamp;
use nano_webhooks::telemetry::trace::{Daemon, Tracer};
use serde_json::json;

use crate::internet::{in_own_network, ip};

/// Set in the process that acts as the daemon.
const IS_DAEMON: &str = "EGRESS_TEST_IS_DAEMON";
const ADDRESS: &str = "169.254.79.129:2000";
const TRACE: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";

#[test]
fn a_segment_reaches_a_daemon_that_is_not_on_loopback() {
    if env::var_os(IS_DAEMON).is_some() {
        return listen();
    }
    in_own_network(|| {
        let mut other = other_network();
        let mut daemon = daemon(&other);
        let tracer = Tracer::On(Some(Daemon::at(ADDRESS).unwrap()));
        let step = tracer.begin(Some(TRACE), None, Timestamp::now()).unwrap();
        // Repeats until the daemon has received one: a segment sent before the daemon listens is lost.
        while daemon.try_wait().unwrap().is_none() {
            tracer.end(&step, "fan-out", Timestamp::now(), &json!({}), None);
            thread::sleep(Duration::from_millis(50));
        }
        let heard = daemon.wait_with_output().unwrap();
        assert!(heard.status.success() && String::from_utf8_lossy(&heard.stdout).contains("1 passed"), "{heard:?}");
        other.kill().unwrap();
        other.wait().unwrap();
    });
}

/// Starts a process with its own network, and connects that network to this one.
fn other_network() -> Child {
    let other = Command::new("unshare").args(["--net", "sleep", "60"]).spawn().unwrap();
    let own = std::fs::read_link("/proc/self/ns/net").unwrap();
    let is_apart = || std::fs::read_link(format!("/proc/{}/ns/net", other.id())).is_ok_and(|network| network != own);
    while !is_apart() {
        thread::sleep(Duration::from_millis(10));
    }
    ip(&format!(
        "link set lo up\n\
         link add here type veth peer name there\n\
         link set there netns {}\n\
         address add 169.254.79.130/30 dev here\n\
         link set here up\n",
        other.id()
    ));
    for command in ["address add 169.254.79.129/30 dev there", "link set there up"] {
        let mut ip = inside(&other, "ip");
        assert!(ip.args(command.split(' ')).status().unwrap().success(), "{command}");
    }
    other
}

fn daemon(network: &Child) -> Child {
    let name = thread::current().name().unwrap().to_owned();
    let mut daemon = inside(network, env::current_exe().unwrap().to_str().unwrap());
    daemon.args(["--exact", &name, "--nocapture"]).env(IS_DAEMON, "yes").stdout(Stdio::piped()).spawn().unwrap()
}

fn inside(network: &Child, program: &str) -> Command {
    let mut command = Command::new("nsenter");
    command.args(["--target", &network.id().to_string(), "--net", program]);
    command
}

fn listen() {
    let socket = UdpSocket::bind(ADDRESS).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut datagram = [0; 4096];
    let length = socket.recv(&mut datagram).expect("a segment comes in time");
    let text = String::from_utf8_lossy(&datagram[..length]);
    assert!(text.contains("1-5759e988-bd862e3fe1be46a994272793"), "{text}");
}
