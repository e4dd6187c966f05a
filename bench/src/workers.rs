//! Processes of a function that share one processor, and what their work costs.

use hyper::body::Bytes;

use crate::{
    failure::Result,
    sandbox::Sandbox,
    traffic::{check_done, said},
    world::{Functions, World},
};

/// Several processes of a function. They are killed when this is dropped.
pub(crate) struct Workers<'a> {
    world: &'a World,
    sandboxes: Vec<Sandbox>,
}

impl<'a> Workers<'a> {
    /// Starts `count` processes. If `trusts`, they trust the receiver's certificate in place of the system's.
    pub(crate) fn start(
        world: &'a World,
        functions: &Functions,
        name: &str,
        count: usize,
        trusts: bool,
    ) -> Result<Self> {
        let sandboxes = (0..count).map(|_| world.start(functions, name, trusts)).collect::<Result<_>>()?;
        Ok(Self { world, sandboxes })
    }

    /// Has the processes handle these events, and returns the processor time that they took together, in milliseconds.
    /// Fails if a message is given back.
    pub(crate) fn handle(&self, events: Vec<Bytes>) -> Result<f64> {
        let (count, before) = (events.len(), self.cpu_ms()?);
        self.world.lambda.queue(events);
        let answers = self.world.lambda.answers(count).map_err(|err| said(&err, &self.last_words()))?;
        check_done(&answers).map_err(|err| said(&err, &self.last_words()))?;
        Ok(self.cpu_ms()? - before)
    }

    /// The most memory that one of the processes had so far, in MiB.
    pub(crate) fn peak_rss_mib(&self) -> Result<f64> {
        let peaks = self.sandboxes.iter().map(Sandbox::peak_rss_mib).collect::<Result<Vec<_>>>()?;
        Ok(peaks.into_iter().fold(0.0, f64::max))
    }

    fn cpu_ms(&self) -> Result<f64> {
        self.sandboxes.iter().map(Sandbox::cpu_ms).sum()
    }

    fn last_words(&self) -> String {
        self.sandboxes.iter().map(|sandbox| sandbox.log.last_words()).collect::<Vec<_>>().join("\n")
    }
}
