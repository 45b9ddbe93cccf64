use std::hint::black_box;

/// Something to measure: one run does the same work for so many messages.
pub struct Stage {
    /// As it is named in every table.
    pub name: &'static str,
    /// Messages of one run.
    pub messages: u64,
    prepare: Box<dyn FnMut()>,
    run: Box<dyn FnMut()>,
}

impl Stage {
    pub(crate) fn new(name: &'static str, messages: usize, run: impl FnMut() + 'static) -> Self {
        Self { name, messages: messages as u64, prepare: Box::new(|| ()), run: Box::new(run) }
    }

    /// The same, with what has to be done before each run and is not measured.
    pub(crate) fn preparing(self, prepare: impl FnMut() + 'static) -> Self {
        Self { prepare: Box::new(prepare), ..self }
    }

    /// To be called before each [`Self::run`].
    pub fn prepare(&mut self) {
        (self.prepare)();
    }

    /// What is measured. Callgrind counts from its call to its return: so it is never inlined, and does something last
    /// that keeps it from jumping into what it calls.
    #[inline(never)]
    pub fn run(&mut self) {
        (self.run)();
        black_box(self);
    }
}
