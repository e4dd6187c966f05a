//! All servers that a function talks to, on one thread: the Runtime API, the imitation of DynamoDB and SQS, the
//! receiver over HTTP and TLS.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    thread,
};

use hyper::{Request, body::Bytes};
use programs::workspace;
use rustls::pki_types::CertificateDer;
use tokio::{runtime::Builder, sync::oneshot};

use crate::{
    binaries::{HELLO, Profile, build},
    dynamodb::DynamoDb,
    failure::{Failure, Result, check},
    http::{Answer, accept, json, listen, speak},
    lambda::Lambda,
    receiver::{self, Certificate, Heard},
    sandbox::Sandbox,
    sqs::Sqs,
    template::{Function, Template},
};

/// The built functions, with their settings in the template.
pub(crate) struct Functions {
    binaries: BTreeMap<String, PathBuf>,
    deployed: Vec<Function>,
    template: Template,
}

/// The servers of one measurement. They end when this is dropped.
pub(crate) struct World {
    pub(crate) lambda: Arc<Lambda>,
    pub(crate) dynamodb: Arc<Mutex<DynamoDb>>,
    pub(crate) sqs: Arc<Mutex<Sqs>>,
    pub(crate) heard: Arc<Mutex<Heard>>,
    runtime_api: u16,
    aws: u16,
    receiver: u16,
    receiver_tls: u16,
    /// The certificate of the receiver's authority, as a file and in DER.
    authority: PathBuf,
    pub(crate) authority_der: CertificateDer<'static>,
    _end: oneshot::Sender<()>,
}

impl Functions {
    /// Builds these functions, which may include `hello`. Without names, builds all of them.
    pub(crate) fn build(names: &[&str], profile: Profile) -> Result<Self> {
        let template = Template::read(workspace())?;
        let deployed = template.functions()?;
        let all: Vec<&str> = deployed.iter().map(|function| function.name.as_str()).chain([HELLO]).collect();
        let binaries = build(if names.is_empty() { &all } else { names }, profile)?;
        Ok(Self { binaries, deployed, template })
    }

    pub(crate) fn binary(&self, name: &str) -> Result<&Path> {
        let binary = self.binaries.get(name).map(PathBuf::as_path);
        binary.ok_or_else(|| Failure::new(format!("cargo has built no {name}")))
    }

    /// The functions that were built, in the template's order.
    pub(crate) fn built(&self) -> impl Iterator<Item = &Function> {
        self.deployed.iter().filter(|function| self.binaries.contains_key(&function.name))
    }

    pub(crate) fn function(&self, name: &str) -> Result<&Function> {
        let function = self.deployed.iter().find(|function| function.name == name);
        function.ok_or_else(|| Failure::new(format!("template.yaml has no function {name}")))
    }
}

impl World {
    /// Starts the servers, with the template's tables, all empty.
    pub(crate) fn new(functions: &Functions) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let folder = workspace().join("target/bench");
        let authority = folder.join(format!("authority-{}-{}.pem", process::id(), NUMBER.fetch_add(1, Relaxed)));
        let certificate = Certificate::new()?;
        let written = fs::create_dir_all(&folder).and_then(|()| fs::write(&authority, &certificate.authority));
        written.map_err(Failure::to("write the receiver's certificate"))?;

        let dynamodb = DynamoDb { tables: functions.template.tables()?, ..DynamoDb::default() };
        let (runtime_api, aws, plain, tls) = (listen()?, listen()?, listen()?, listen()?);
        let (end, ended) = oneshot::channel();
        let world = Self {
            lambda: Arc::default(),
            dynamodb: Arc::new(Mutex::new(dynamodb)),
            sqs: Arc::default(),
            heard: Arc::default(),
            runtime_api: runtime_api.1,
            aws: aws.1,
            receiver: plain.1,
            receiver_tls: tls.1,
            authority,
            authority_der: certificate.authority_der.clone(),
            _end: end,
        };
        let (lambda, heard) = (Arc::clone(&world.lambda), Arc::clone(&world.heard));
        let aws_state = (Arc::clone(&world.dynamodb), Arc::clone(&world.sqs));
        let runtime = Builder::new_current_thread().enable_all().build().map_err(Failure::to("start a runtime"))?;
        thread::spawn(move || {
            runtime.block_on(async move {
                let lambda = accept(runtime_api.0, |stream| {
                    let lambda = Arc::clone(&lambda);
                    async move { speak(stream, |request| lambda.answer(request)).await }
                });
                let aws = accept(aws.0, |stream| {
                    let state = aws_state.clone();
                    async move { speak(stream, async |request| answer_aws(&state, &request)).await }
                });
                let plain = accept(plain.0, |stream| {
                    let heard = Arc::clone(&heard);
                    async move { speak(stream, |request| receiver::answer(Arc::clone(&heard), request)).await }
                });
                let secure = accept(tls.0, |stream| {
                    let (heard, acceptor) = (Arc::clone(&heard), certificate.acceptor.clone());
                    async move {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            speak(stream, |request| receiver::answer(Arc::clone(&heard), request)).await;
                        }
                    }
                });
                tokio::select! {
                    () = async { tokio::join!(lambda, aws, plain, secure); } => {}
                    _ = ended => {}
                }
            });
        });
        Ok(world)
    }

    /// Starts a function that talks to these servers. If `trusts`, it trusts the receiver's certificate in place of
    /// the system's.
    pub(crate) fn start(&self, functions: &Functions, name: &str, trusts: bool) -> Result<Sandbox> {
        let text = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let mut environment: Vec<_> = [
            ("AWS_ACCESS_KEY_ID", "bench"),
            ("AWS_SECRET_ACCESS_KEY", "bench"),
            ("AWS_SESSION_TOKEN", "bench"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_LAMBDA_FUNCTION_NAME", name),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
            ("_HANDLER", "bootstrap"),
        ]
        .map(text)
        .into();
        let mut memory_mb = 128;
        if name != HELLO {
            let function = functions.function(name)?;
            memory_mb = function.memory_mb;
            environment.extend(function.environment.clone());
        }
        environment.extend([
            ("AWS_LAMBDA_LOG_LEVEL".to_owned(), functions.template.log_level()?),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE".to_owned(), memory_mb.to_string()),
            ("AWS_LAMBDA_RUNTIME_API".to_owned(), format!("127.0.0.1:{}", self.runtime_api)),
            ("AWS_ENDPOINT_URL".to_owned(), format!("http://127.0.0.1:{}", self.aws)),
        ]);
        if trusts {
            environment.push(("SSL_CERT_FILE".to_owned(), self.authority.display().to_string()));
        }
        Sandbox::start(functions.binary(name)?, &environment)
    }

    /// The receiver's address: `http://127.0.0.1:1`.
    pub(crate) fn receiver(&self, tls: bool) -> String {
        if tls {
            format!("https://127.0.0.1:{}", self.receiver_tls)
        } else {
            format!("http://127.0.0.1:{}", self.receiver)
        }
    }

    pub(crate) fn dynamodb(&self) -> MutexGuard<'_, DynamoDb> {
        self.dynamodb.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn sqs(&self) -> MutexGuard<'_, Sqs> {
        self.sqs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails if a function made a call that the endpoints do not know.
    pub(crate) fn check_calls(&self) -> Result<()> {
        let refused = [self.dynamodb().refused.clone(), self.sqs().refused.clone()].concat();
        check(refused.is_empty(), || format!("calls that the endpoints here do not know: {}", refused.join("; ")))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.authority);
    }
}

/// Answers all AWS calls: `AWS_ENDPOINT_URL` names one endpoint for all services.
fn answer_aws((dynamodb, sqs): &(Arc<Mutex<DynamoDb>>, Arc<Mutex<Sqs>>), request: &Request<Bytes>) -> Answer {
    let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let (status, body) = match target.split_once('.') {
        Some(("DynamoDB_20120810", operation)) => {
            dynamodb.lock().unwrap_or_else(PoisonError::into_inner).call(operation, request.body())
        }
        Some(("AmazonSQS", operation)) => {
            sqs.lock().unwrap_or_else(PoisonError::into_inner).call(operation, request.body())
        }
        _ => (404, "{}".into()),
    };
    json(status, body)
}
