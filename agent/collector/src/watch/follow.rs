//! One watch: its events, and what they mean for the inventory.

use super::{Shared, Watch};
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use kube::runtime::watcher;
use netwright_record::Time;
use netwright_resolve::live::{Key, Kind, Object};
use netwright_service::CancellationToken;
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// A watch that was taken up again says nothing until something changes. It is whole when so long after its last error no other came:
/// the pause between two tries is 30 seconds at most, and to connect may take as long.
const QUIET: Duration = Duration::from_secs(75);

/// What a task needs to know.
pub(super) struct Follow {
    /// The plural name of what is watched.
    pub(super) name: &'static str,
    /// The kind in the API.
    pub(super) api_kind: &'static str,
    /// The kind in the inventory.
    pub(super) kind: Kind,
    pub(super) inventory: Shared,
    pub(super) watch: Watch,
    pub(super) stop: CancellationToken,
}

/// Takes in events until told to stop. `object` calls the function it is given with what the inventory takes an object as.
pub(super) async fn follow<K>(
    mut events: BoxStream<'static, watcher::Result<watcher::Event<K>>>,
    to: Follow,
    object: impl Fn(&K, &mut dyn FnMut(Object<'_>)),
) {
    let mut keys: HashSet<Key> = HashSet::new();
    loop {
        let event = tokio::select! {
            () = to.stop.cancelled() => return,
            event = events.next() => event,
            () = tokio::time::sleep(QUIET), if to.is_broken() => {
                to.mended();
                continue;
            }
        };
        match event {
            // The streams of watches do not end.
            None => return,
            Some(Err(error)) => to.broken(&error),
            Some(Ok(watcher::Event::Init)) => keys.clear(),
            Some(Ok(watcher::Event::InitApply(found))) => object(&found, &mut |object| {
                to.apply(&object);
                keys.extend(to.inventory.lock().key_of(&object));
            }),
            Some(Ok(watcher::Event::InitDone)) => to.listed(&std::mem::take(&mut keys)),
            Some(Ok(watcher::Event::Apply(found))) => {
                object(&found, &mut |object| to.apply(&object));
                to.mended();
            }
            Some(Ok(watcher::Event::Delete(found))) => {
                object(&found, &mut |object| to.inventory.lock().delete(&object, now()));
                to.mended();
            }
        }
    }
}

impl Follow {
    fn apply(&self, object: &Object<'_>) {
        let applied = self.inventory.lock().apply(object, now());
        if let Err(fault) = applied {
            let key = self.inventory.lock().key_of(object).unwrap_or_default();
            let (namespace, name) = (key.0.escape_debug(), key.1.escape_debug());
            tracing::warn!(kind = self.api_kind, %namespace, %name, "object left out of the inventory: {fault}");
            self.watch.change(self.name, |state| state.odd_objects += 1);
        }
    }

    fn listed(&self, keys: &HashSet<Key>) {
        self.inventory.lock().relist(self.kind, self.api_kind, keys, now());
        tracing::info!(resource = self.name, objects = keys.len(), "listed");
        self.watch.change(self.name, |state| (state.listed, state.broken, state.since) = (true, None, None));
    }

    fn mended(&self) {
        self.watch.change(self.name, |state| (state.broken, state.since) = (None, None));
    }

    /// Whether it had a list, and broke after that.
    fn is_broken(&self) -> bool {
        self.watch.states().get(self.name).is_some_and(|state| state.listed && state.broken.is_some())
    }

    /// Said once for each stretch of trouble: a server that is away for an hour is one piece of news.
    fn broken(&self, error: &watcher::Error) {
        let why = explain(error);
        self.watch.change(self.name, |state| {
            state.errors += 1;
            if state.broken.is_none() {
                tracing::warn!(resource = self.name, "the watch broke and is taken up again: {why}");
            }
            state.broken = Some(why);
            state.since.get_or_insert_with(Instant::now);
        });
    }
}

/// What went wrong, with what the API server said of it.
fn explain(error: &watcher::Error) -> String {
    let mut told = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_told = cause.to_string();
        if !told.contains(&cause_told) {
            told.push_str(": ");
            told.push_str(&cause_told);
        }
        source = cause.source();
    }
    told.chars().take(500).flat_map(char::escape_debug).collect()
}

/// The time of day, to the millisecond: what records carry.
fn now() -> Time {
    let now = Time::now();
    Time::from_millisecond(now.as_millisecond()).unwrap_or(now)
}
