//! Visits every world that can be reached, nearest first, so that a counterexample is as short as possible.

use std::{
    fmt::{self, Write as _},
    hash::{BuildHasherDefault, Hasher},
};

use indexmap::IndexSet;

use crate::{claims::Claim, erasure::Body, events::Event, setting::Setting, world::World};

/// The size of a search.
#[derive(Debug)]
pub(crate) struct Explored {
    pub(crate) worlds: usize,
    pub(crate) steps: usize,
    /// Worlds in which nothing more happens without an event from outside.
    pub(crate) ends: usize,
    /// Worlds with a dead letter.
    pub(crate) dead: usize,
}

/// A claim that breaks, and the events that lead there.
pub(crate) struct Counterexample {
    pub(crate) broken: Claim,
    story: String,
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { worlds, steps, ends, dead } = self;
        write!(f, "{worlds} worlds, {steps} steps between them; {ends} at an end, {dead} with a dead letter")
    }
}

impl fmt::Debug for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:\n{}", self.broken, self.story)
    }
}

struct Search<'a> {
    setting: &'a Setting,
    /// In the order in which they were found, so that this is also the queue of the search.
    worlds: IndexSet<World, BuildHasherDefault<Quick>>,
    /// For each world, the world and the event from which it was first reached.
    origins: Vec<(usize, Option<Event>)>,
    /// Every step between two worlds.
    steps: Vec<(usize, usize)>,
}

/// Checks every claim in every world that can be reached within the setting's bounds.
pub(crate) fn explore(setting: &Setting) -> Result<Explored, Counterexample> {
    let first = World::new(setting.bounds, setting.start);
    let mut search =
        Search { setting, worlds: IndexSet::from_iter([first]), origins: vec![(0, None)], steps: Vec::new() };
    let (mut at, mut ends) = (0, 0);
    while let Some(world) = search.worlds.get_index(at).cloned() {
        let events = world.events(setting);
        if !events.iter().any(|event| event.is_progress()) {
            world.check_end().map_err(|broken| search.counterexample(broken, at, None))?;
            ends += 1;
        }
        for event in events {
            let next = world.after(event, setting).map_err(|broken| search.counterexample(broken, at, Some(event)))?;
            search.visit(next, at, event)?;
        }
        at += 1;
    }
    if let Some(at) = search.find_circle() {
        return Err(search.counterexample(Claim::EverythingEnds, at, None));
    }
    Ok(Explored {
        worlds: search.worlds.len(),
        steps: search.steps.len(),
        ends,
        dead: search.worlds.iter().filter(|world| !world.dead.is_empty()).count(),
    })
}

impl Search<'_> {
    fn visit(&mut self, world: World, from: usize, event: Event) -> Result<(), Counterexample> {
        let (to, new) = self.worlds.insert_full(world);
        self.steps.push((from, to));
        if new {
            self.origins.push((from, Some(event)));
            self.worlds[to].check(self.setting).map_err(|broken| self.counterexample(broken, to, None))?;
        }
        Ok(())
    }

    /// Returns the first world that is on a circle of steps, or behind one. Worlds to which no step leads are removed
    /// repeatedly; such a world is what remains.
    fn find_circle(&self) -> Option<usize> {
        let mut ways_in = vec![0_u32; self.worlds.len()];
        let mut onward = vec![Vec::new(); self.worlds.len()];
        for &(from, to) in &self.steps {
            ways_in[to] += 1;
            onward[from].push(to);
        }
        let mut free: Vec<usize> = (0..ways_in.len()).filter(|&world| ways_in[world] == 0).collect();
        while let Some(world) = free.pop() {
            for &to in &onward[world] {
                ways_in[to] -= 1;
                if ways_in[to] == 0 {
                    free.push(to);
                }
            }
        }
        ways_in.iter().position(|&ways| ways > 0)
    }

    /// Writes down how a world was reached, and what then happened.
    fn counterexample(&self, broken: Claim, at: usize, then: Option<Event>) -> Counterexample {
        let mut path = vec![at];
        while let Some(&last) = path.last()
            && last != 0
        {
            path.push(self.origins[last].0);
        }
        let mut story = String::new();
        for world in path.into_iter().rev() {
            let event = self.origins[world].1;
            let World { letters, entries, item, body, erasing, hook, dead, .. } = &self.worlds[world];
            let begun = event.map_or_else(|| "it begins".to_owned(), |event| format!("{event:?}"));
            writeln!(story, "{begun}\n    {item:?}\n    {hook:?}").expect("a string takes all");
            if *body != Body::Stored || *erasing {
                writeln!(story, "    {body:?}, erasing: {erasing}").expect("a string takes all");
            }
            for letter in letters {
                writeln!(story, "    {letter:?}").expect("a string takes all");
            }
            for entry in entries {
                writeln!(story, "    {entry:?}").expect("a string takes all");
            }
            if !dead.is_empty() {
                writeln!(story, "    dead: {dead:?}").expect("a string takes all");
            }
        }
        if let Some(event) = then {
            writeln!(story, "{event:?}").expect("a string takes all");
        }
        Counterexample { broken, story }
    }
}

/// A simple hasher. The standard library's, which is made to withstand attackers, takes a third of the search's time,
/// and no test is attacked.
#[derive(Default)]
struct Quick(u64);

impl Quick {
    fn mix(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

impl Hasher for Quick {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.mix(byte.into());
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.mix(number.into());
    }

    fn write_u32(&mut self, number: u32) {
        self.mix(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        self.mix(number);
    }

    fn write_usize(&mut self, number: usize) {
        self.mix(number as u64);
    }

    /// A hash table uses the low bits first, and multiplication moves information to the high bits.
    fn finish(&self) -> u64 {
        self.0.rotate_left(26)
    }
}
