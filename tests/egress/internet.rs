//! A network with no machine in it except this one.

use std::{
    env, fs,
    io::Write as _,
    net::{Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
};

use harness::{Behaviour, Hostile, skipped};
use serde_json::Value;

use crate::name_server::NameServer;

/// Set in the process that has this network.
const INSIDE: &str = "EGRESS_TEST_INSIDE";

/// Every address is on this machine, and a receiver of [`HOSTS`] listens on port 443 of each. One address has another
/// source address, so that the test can cut it off: see [`Internet::cut_off`].
const LINKS: &str = "\
    link set lo up\n\
    address add 2606:4700:4700::1111/128 dev lo nodad\n\
    route add local 0.0.0.0/0 dev lo\n\
    route add local ::/0 dev lo\n\
    route add local 93.184.215.14/32 dev lo src 93.184.215.99 table local\n";

/// Where distributions keep their trusted authorities.
const TRUSTED: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"];

/// The hosts for which the receiver has a certificate.
const HOSTS: &[&str] = &[
    "example.com",
    "*.example.com",
    "hooks.nano-webhooks.com",
    "abc123.execute-api.us-east-1.amazonaws.com",
    "x.ngrok-free.app",
    "webhook.site",
    "8.8.8.8",
    "100.128.0.1",
    "2001:200::1",
    "10.0.0.1",
    "169.254.169.254",
    "::ffff:127.0.0.1",
];

/// The internet of one test.
pub(crate) struct Internet {
    /// Answers all look-ups.
    pub(crate) names: NameServer,
    /// Answers the calls to every address.
    pub(crate) receiver: Hostile,
    /// For the test's files.
    pub(crate) folder: PathBuf,
}

/// Runs a test in a process that has its own network and its own version of a few files in `/etc`. If the system does
/// not allow that, the test is skipped.
pub(crate) fn in_own_internet(test: impl FnOnce(&Internet)) {
    in_own_network(|| test(&Internet::build()));
}

/// The same, in a network that is still empty.
pub(crate) fn in_own_network(test: impl FnOnce()) {
    if env::var_os(INSIDE).is_some() {
        return test();
    }
    if let Err(reason) = namespaces() {
        return skipped(&format!("the egress tests, which need a network of their own, and {reason}"));
    }
    let name = thread::current().name().unwrap().to_owned();
    let mut inside = unshare();
    inside.arg(env::current_exe().unwrap()).args(["--exact", &name, "--nocapture"]).env(INSIDE, "yes");
    let output = inside.output().unwrap();
    let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{said}{failed}");
}

fn unshare() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "--net"]);
    command
}

fn namespaces() -> Result<(), String> {
    match unshare().args(["ip", "link", "set", "lo", "up"]).stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(format!("unshare cannot be started: {error}")),
    }
}

impl Internet {
    fn build() -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("internet-{}", std::process::id()));
        let receiver = Hostile::start(&folder).unwrap_or_else(|failure| panic!("{failure}"));
        ip(LINKS);

        // With a search list, so that the tests detect any use of it.
        replace("/etc/resolv.conf", &folder, "nameserver 127.0.0.1\nsearch corp.example.com\n");
        replace("/etc/nsswitch.conf", &folder, "hosts: files dns\n");
        let authority = fs::read_to_string(receiver.authority()).unwrap();
        for bundle in TRUSTED.iter().filter(|bundle| Path::new(bundle).exists()) {
            replace(bundle, &folder, &authority);
        }
        let everywhere = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 443));
        receiver.listen_as(HOSTS, everywhere).unwrap_or_else(|failure| panic!("{failure}"));
        Self { names: NameServer::start().unwrap(), receiver, folder }
    }

    /// Makes attempts with the real sender, under production's rules. A step is a URL, or a pause in milliseconds.
    pub(crate) fn attempts(&self, steps: &[&str]) -> Vec<Attempted> {
        Self::finish(self.start(steps))
    }

    /// Starts such attempts.
    pub(crate) fn start(&self, steps: &[&str]) -> Child {
        let mut probe = Command::new(env!("CARGO_BIN_EXE_probe"));
        probe.arg("100").args(steps).env("SSL_CERT_FILE", self.receiver.authority());
        probe.env("EGRESS_POLICY", "strict").env("OWN_HOSTS", "hooks.nano-webhooks.com,api.nano.example");
        probe.stdout(Stdio::piped()).spawn().unwrap()
    }

    /// Waits for attempts that were started.
    pub(crate) fn finish(probe: Child) -> Vec<Attempted> {
        let output = probe.wait_with_output().unwrap();
        assert!(output.status.success());
        let lines = String::from_utf8(output.stdout).unwrap();
        lines.lines().map(|line| Attempted(serde_json::from_str(line).unwrap())).collect()
    }

    /// From now on, packets to 93.184.215.14 are lost silently.
    pub(crate) fn cut_off() {
        let address = "93.184.215.14";
        // A cable on whose other end nothing answers.
        ip(&format!(
            "link add cable type veth peer name end\n\
             link set cable up\n\
             link set end up\n\
             neigh add {address} lladdr 02:00:00:00:00:01 dev cable nud permanent\n\
             route del local {address}/32 dev lo table local\n\
             route add {address}/32 dev cable table local\n"
        ));
    }

    /// Makes one attempt.
    pub(crate) fn attempt(&self, url: &str) -> Attempted {
        self.attempts(&[url]).remove(0)
    }

    /// How many requests a path received.
    pub(crate) fn heard(&self, path: &str) -> usize {
        self.receiver.heard(path).len()
    }
}

impl Drop for Internet {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Runs commands of `ip`, which create links, addresses and routes.
pub(crate) fn ip(commands: &str) {
    let mut ip = Command::new("ip").args(["-batch", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    ip.stdin.take().unwrap().write_all(commands.as_bytes()).unwrap();
    assert!(ip.wait().unwrap().success());
}

/// Replaces a file, for this process and its children.
fn replace(path: &str, folder: &Path, content: &str) {
    let other = folder.join(Path::new(path).file_name().unwrap());
    fs::write(&other, content).unwrap();
    assert!(Command::new("mount").arg("--bind").args([&other, Path::new(path)]).status().unwrap().success());
}

/// A receiver's answer to a webhook.
pub(crate) fn answer(status: &str, headers: &str) -> Behaviour {
    Behaviour::Says(format!("HTTP/1.1 {status}\r\n{headers}content-length: 0\r\n\r\n").into_bytes())
}

/// The result of one attempt.
pub(crate) struct Attempted(Value);

impl Attempted {
    /// The outcome's name in the history, and the HTTP status.
    pub(crate) fn outcome(&self) -> (&str, Option<u64>) {
        (self.0["outcome"].as_str().unwrap(), self.0["http_status"].as_u64())
    }

    /// The explanation that the customer reads.
    pub(crate) fn explanation(&self) -> &str {
        self.0["explanation"].as_str().unwrap()
    }

    pub(crate) fn is_success(&self) -> bool {
        self.0["is_success"].as_bool().unwrap()
    }

    pub(crate) fn is_retryable(&self) -> bool {
        self.0["is_retryable"].as_bool().unwrap()
    }

    pub(crate) fn milliseconds(&self) -> u64 {
        self.0["duration_ms"].as_u64().unwrap()
    }

    /// Everything about the attempt that the sender passes to the history and to the log.
    pub(crate) fn everything(&self) -> String {
        self.0.to_string()
    }
}
