//! SQS by `moto`, as a process that ends with the test.

use std::{
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use harness::{python_environment, workspace};

/// A server with SQS, and nothing in it.
pub(crate) struct Moto {
    process: Child,
    pub(crate) aws: SdkConfig,
}

impl Moto {
    pub(crate) async fn start() -> Self {
        let folder = workspace().join("target/second-opinion");
        let python =
            python_environment(&folder, &workspace().join("tests/second-opinion/requirements.txt"), &|_| ()).unwrap();
        // The port is free now, and nobody else on this machine asks for it in the next second.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = Command::new(python);
        command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &address.port().to_string()]);
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(start.elapsed() < Duration::from_mins(1), "moto does not start");
            thread::sleep(Duration::from_millis(100));
        }
        let aws = nano_webhooks::aws::loader()
            .endpoint_url(format!("http://{address}"))
            .region(aws_config::Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("key", "secret", None, None, "test"));
        Self { process, aws: aws.load().await }
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
