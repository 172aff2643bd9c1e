//! What a runtime's greenlets may have of memory.

use super::Builder;

impl Builder {
    /// Bytes of stack for a greenlet that does not say how much it needs (by
    /// [`stack_size`](crate::greenlet::Builder::stack_size)): 64 KiB unless said otherwise, and 16 KiB at least; rounded up to
    /// whole pages.
    ///
    /// What is never used takes no memory but addresses, of which a 64-bit system has enough for millions of large stacks.
    /// Little is enough for code of one's own; deep recursion, formatted output, encryption and libraries in other languages
    /// may want some hundreds of KiB. A greenlet that needs more than it has ends the process, with its name.
    ///
    /// ```
    /// use runtime::{Builder, greenlet};
    ///
    /// let runtime = Builder::new().greenlet_stack_size(1024 * 1024).build()?;
    /// let deep = || std::hint::black_box(&[1_u8; 512 * 1024]).len();
    /// assert_eq!(runtime.block_on(greenlet::run(deep)), 512 * 1024);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn greenlet_stack_size(mut self, bytes: usize) -> Self {
        self.stacks.size = bytes;
        self
    }

    /// How many greenlets may have a stack at one time, those that are no tasks included. One more panics at its first turn,
    /// which its joiner is told. As many as there is memory for, unless said otherwise. Whoever would rather wait for room
    /// spawns by a pool.
    ///
    /// Before Linux 6.13 each stack takes two of the memory mappings of which a process may have 65,530, so there can be some
    /// 31,000; the panic of the next one says how to have more (`vm.max_map_count`).
    ///
    /// ```
    /// use runtime::{Builder, greenlet};
    /// use std::future::pending;
    ///
    /// let runtime = Builder::new().max_greenlets(1).build()?;
    /// runtime.block_on(async {
    ///     let first = greenlet::spawn(|| greenlet::wait(pending::<()>()));
    ///     let error = greenlet::spawn(|| ()).await.unwrap_err();
    ///     assert!(error.to_string().ends_with("all 1 stacks that `max_greenlets` allows are taken"));
    ///     first.cancel_and_wait().await.unwrap_err();
    ///     greenlet::spawn(|| ()).await.unwrap();
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn max_greenlets(mut self, count: usize) -> Self {
        self.stacks.limit = count;
        self
    }

    /// How many stacks keep their memory after their greenlets have ended, for those to come: 1,024 unless said otherwise.
    /// That makes spawning quick. It is 4 KiB for each, as a rule, and more if greenlets go deep.
    ///
    /// ```
    /// let runtime = runtime::Builder::new().greenlet_stacks_kept(10_000).build()?;
    /// # drop(runtime);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn greenlet_stacks_kept(mut self, count: usize) -> Self {
        self.stacks.kept = count;
        self
    }
}
