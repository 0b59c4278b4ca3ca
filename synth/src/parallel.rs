//! Work shared out over all cores, for the parts of a synthesis that are the same for tens of thousands of policies.

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// So many items are taken at a time: enough that taking costs nothing, few enough that all threads end together.
const AT_ONCE: usize = 32;

/// Does `work` on each of `items` and returns what comes of them, in their order. After an error the rest is left, and the
/// error of the foremost item that failed is returned.
///
/// # Errors
///
/// If `work` fails.
pub fn map<T: Sync, R: Send, E: Send>(items: &[T], work: impl Fn(&T) -> Result<R, E> + Sync) -> Result<Vec<R>, E> {
    map_with(items, || (), |(), item| work(item))
}

/// As [`map`], where each thread has something of its own, made by `own` when it begins, that `work` may use: a memory of
/// what it found out, for one.
///
/// # Errors
///
/// If `work` fails.
pub fn map_with<T: Sync, O, R: Send, E: Send>(
    items: &[T],
    own: impl Fn() -> O + Sync,
    work: impl Fn(&mut O, &T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(items.len().div_ceil(AT_ONCE));
    if threads < 2 {
        let mut own = own();
        return items.iter().map(|item| work(&mut own, item)).collect();
    }
    let (next, stopped) = (AtomicUsize::new(0), AtomicBool::new(false));
    let mut parts: Vec<(usize, Result<Vec<R>, E>)> = thread::scope(|scope| {
        let handles: Vec<_> =
            (0..threads).map(|_| scope.spawn(|| some(items, &mut own(), &work, &next, &stopped))).collect();
        // A thread that panicked took the process with it as soon as it is joined.
        handles
            .into_iter()
            .flat_map(|handle| handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    parts.sort_by_key(|(first, _)| *first);
    let mut all = Vec::with_capacity(items.len());
    for (_, part) in parts {
        all.extend(part?);
    }
    Ok(all)
}

/// Does two different things at once, the second on a thread of its own.
pub fn both<A, B: Send>(one: impl FnOnce() -> A, other: impl FnOnce() -> B + Send) -> (A, B) {
    thread::scope(|scope| {
        let other = scope.spawn(other);
        (one(), other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// What one thread does until nothing is left.
fn some<T, O, R, E>(
    items: &[T],
    own: &mut O,
    work: &(impl Fn(&mut O, &T) -> Result<R, E> + Sync),
    next: &AtomicUsize,
    stopped: &AtomicBool,
) -> Vec<(usize, Result<Vec<R>, E>)> {
    let mut parts = Vec::new();
    while !stopped.load(Ordering::Relaxed) {
        let first = next.fetch_add(AT_ONCE, Ordering::Relaxed);
        let Some(rest) = items.get(first..).filter(|rest| !rest.is_empty()) else { break };
        let done: Result<Vec<R>, E> = rest.iter().take(AT_ONCE).map(|item| work(own, item)).collect();
        if done.is_err() {
            stopped.store(true, Ordering::Relaxed);
        }
        parts.push((first, done));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_of_it_is_in_order() {
        let items: Vec<usize> = (0..10_000).collect();
        let squares = map(&items, |item| Ok::<_, ()>(item * item)).unwrap();
        assert_eq!(squares, items.iter().map(|item| item * item).collect::<Vec<_>>());
        assert_eq!(map(&[] as &[usize], |item| Ok::<_, ()>(*item)), Ok(Vec::new()));
    }

    #[test]
    fn each_thread_has_something_of_its_own() {
        let items: Vec<usize> = (0..10_000).collect();
        let made = AtomicUsize::new(0);
        let own = || (made.fetch_add(1, Ordering::Relaxed), 0);
        let done = map_with(&items, own, |(thread, done): &mut (usize, usize), _| {
            *done += 1;
            Ok::<_, ()>((*thread, *done))
        });
        // Whoever did an item had done all of its own before it, each once.
        let mut done = done.unwrap();
        done.sort_unstable();
        let threads = made.into_inner();
        let each = (0..threads).map(|own| done.iter().filter(|(thread, _)| *thread == own).count());
        let expected: Vec<_> =
            each.enumerate().flat_map(|(thread, count)| (1..=count).map(move |n| (thread, n))).collect();
        assert_eq!((done, threads > 0), (expected, true));
    }

    #[test]
    fn an_error_ends_it_and_is_the_foremost_of_those_met() {
        let items: Vec<usize> = (0..10_000).collect();
        let failed = map(&items, |item| if *item == 7 || *item == 5_000 { Err(*item) } else { Ok(*item) });
        assert_eq!(failed, Err(7));
    }
}
