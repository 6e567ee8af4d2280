//! openraft's runtime: tokio's, with random numbers that follow from the seed.
//!
//! Owns: the generator that openraft draws election times from. Must never: draw from the operating system while a simulation
//! runs. (openraft's own deterministic runtime keeps its generator in a task-local and panics in tasks that we spawn.)

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::time::Duration;

use futures_util::FutureExt as _;
use openraft::{OptionalSend, TokioRuntime};
use openraft_rt::AsyncRuntime;
use openraft_rt::deterministic_rng::DeterministicRng;
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

type Inner = TokioRuntime;
type Seeded = DeterministicRng<Inner>;

thread_local! {
    /// One simulation runs on one thread in one order, so one generator serves all its hosts.
    static RANDOM: RefCell<SmallRng> = RefCell::new(SmallRng::from_os_rng());
}

/// Everything that openraft draws from now on, on this thread, follows from `seed`.
pub(super) fn seed(seed: u64) {
    RANDOM.with_borrow_mut(|random| *random = SmallRng::seed_from_u64(seed));
}

/// What our own code draws instead of bits from the operating system.
pub(crate) fn random_bits() -> u128 {
    RANDOM.with_borrow_mut(|random| random.random())
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct SeededRuntime {
    inner: Inner,
}

impl AsyncRuntime for SeededRuntime {
    type JoinError = <Inner as AsyncRuntime>::JoinError;
    type JoinHandle<T: OptionalSend + 'static> = <Inner as AsyncRuntime>::JoinHandle<T>;
    type Sleep = <Inner as AsyncRuntime>::Sleep;
    type Instant = <Inner as AsyncRuntime>::Instant;
    type TimeoutError = <Inner as AsyncRuntime>::TimeoutError;
    type Timeout<R, T: Future<Output = R> + OptionalSend> = <Inner as AsyncRuntime>::Timeout<R, T>;
    type ThreadLocalRng = <Seeded as AsyncRuntime>::ThreadLocalRng;
    type Mpsc = <Inner as AsyncRuntime>::Mpsc;
    type Watch = <Inner as AsyncRuntime>::Watch;
    type Oneshot = <Inner as AsyncRuntime>::Oneshot;
    type Mutex<T: OptionalSend + 'static> = <Inner as AsyncRuntime>::Mutex<T>;

    fn spawn<T>(future: T) -> Self::JoinHandle<T::Output>
    where
        T: Future + OptionalSend + 'static,
        T::Output: OptionalSend + 'static,
    {
        Inner::spawn(future)
    }

    fn sleep(duration: Duration) -> Self::Sleep {
        Inner::sleep(duration)
    }

    fn sleep_until(deadline: Self::Instant) -> Self::Sleep {
        Inner::sleep_until(deadline)
    }

    fn timeout<R, F: Future<Output = R> + OptionalSend>(
        duration: Duration,
        future: F,
    ) -> Self::Timeout<R, F> {
        Inner::timeout(duration, future)
    }

    fn timeout_at<R, F: Future<Output = R> + OptionalSend>(
        deadline: Self::Instant,
        future: F,
    ) -> Self::Timeout<R, F> {
        Inner::timeout_at(deadline, future)
    }

    fn is_panic(join_error: &Self::JoinError) -> bool {
        Inner::is_panic(join_error)
    }

    fn thread_rng() -> Self::ThreadLocalRng {
        let seed = RANDOM.with_borrow_mut(|random| random.random());
        let drawn = Seeded::scope(seed, async { Seeded::thread_rng() }).now_or_never();
        drawn.expect("nothing in it waits")
    }

    fn new(threads: usize) -> Self {
        Self {
            inner: Inner::new(threads),
        }
    }

    fn block_on<F, T>(&mut self, future: F) -> T
    where
        F: Future<Output = T>,
    {
        self.inner.block_on(future)
    }

    fn spawn_blocking<F, T>(f: F) -> impl Future<Output = Result<T, io::Error>> + Send
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        Inner::spawn_blocking(f)
    }
}
