//! Why the stack did not start, in one sentence for the person who started it.

use std::{fmt, fs, thread};

/// One clear sentence. Callers cannot match on it: they show it and end.
#[derive(Debug, Clone)]
pub struct Failure(String);

impl Failure {
    /// A failure with this sentence.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }

    /// A failure because something did not happen in time. It adds the machine's load if that may be the reason.
    pub fn late(sentence: &str) -> Self {
        let processors =
            thread::available_parallelism().map_or(1, |number| u16::try_from(number.get()).unwrap_or(u16::MAX));
        let load = fs::read_to_string("/proc/loadavg").ok();
        let load = load.as_deref().and_then(|load| load.split(' ').next()?.parse::<f64>().ok());
        match load {
            Some(load) if load > 2.0 * f64::from(processors) => Self(format!(
                "{sentence}. This machine may be too busy for the stack: {load} programs want to run on {processors} processors"
            )),
            _ => Self(sentence.to_owned()),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}
