//! Brings an export home: whole, checked, and from where it stopped if the way was cut.

use super::partial::{Origin, Partial};
use super::{CollectorError, Door, Place, ask};
use http_body_util::BodyExt as _;
use netwright_record::collector::Export;
use std::path::Path;
use std::time::Duration;

/// How often in a row nothing may arrive before it is given up; what has arrived stays for the next call.
const ATTEMPTS: u32 = 5;
/// The wait after the first failure; it doubles.
const PAUSE: Duration = Duration::from_millis(250);

/// What is told while it goes on.
pub trait Progress {
    /// An export begins to arrive, or goes on from `length`.
    fn begin(&self, export: &Export, length: u64);
    /// So many bytes are here.
    fn arrived(&self, length: u64);
    /// Something passing went wrong, and it is tried again.
    fn again(&self, error: &CollectorError);
    /// What was here is of no use any more, and it begins anew.
    fn anew(&self, reason: &str);
}

/// Pulls an export to `target`, and returns what it was. What an earlier call has brought is not brought again.
///
/// # Errors
/// The collector cannot be reached or does not answer, or the file cannot be written. What arrived stays, but for damage.
pub async fn pull(place: &Place, target: &Path, progress: &dyn Progress) -> Result<Export, CollectorError> {
    let mut partial = Partial::open(target)?;
    let mut failures = 0;
    loop {
        let before = partial.length();
        match attempt(place, &mut partial, progress).await {
            Ok((door, origin)) => {
                partial.finish(&origin.export)?;
                ask::forget(&door, &origin.export.id).await;
                return Ok(origin.export);
            }
            Err(error) if error.is_passing() => {
                failures = if partial.length() > before { 0 } else { failures + 1 };
                if failures >= ATTEMPTS || (failures > 0 && partial.origin().is_none()) {
                    return Err(keep_or_remove(&partial, error));
                }
                progress.again(&error);
                ask::within(Duration::MAX, tokio::time::sleep(PAUSE * 2u32.pow(failures))).await?;
            }
            Err(error) => return Err(keep_or_remove(&partial, error)),
        }
    }
}

/// An empty file beside the target helps nobody.
fn keep_or_remove(partial: &Partial, error: CollectorError) -> CollectorError {
    if partial.length() == 0
        && let Err(error) = partial.remove()
    {
        tracing::debug!(%error, "an empty file is left");
    }
    error
}

/// Reads up to the end, or until something goes wrong.
async fn attempt(
    place: &Place,
    partial: &mut Partial,
    progress: &dyn Progress,
) -> Result<(Door, Origin), CollectorError> {
    let known = partial.origin();
    let pod = known.as_ref().and_then(|origin| origin.pod.as_deref());
    let door = Door::find(place, pod).await?;
    let mut origin = match known {
        Some(origin) if origin.source == door.source() => origin,
        Some(_) => {
            progress.anew("what is here is of another collector");
            begin(&door, partial).await?
        }
        None => begin(&door, partial).await?,
    };
    let mut response = None;
    if partial.length() < origin.export.bytes {
        response = ask::rest(&door, &origin.export.id, partial.length()).await?;
        if response.is_none() {
            progress.anew("the collector no longer has the export that was begun");
            origin = begin(&door, partial).await?;
            response = ask::rest(&door, &origin.export.id, 0).await?;
        }
    }
    progress.begin(&origin.export, partial.length());
    let Some(response) = response else { return complete(partial, door, origin) };
    let mut body = response.into_body();
    while let Some(frame) = ask::within(ask::SILENCE, body.frame()).await? {
        let frame = frame.map_err(|error| CollectorError::Broken(error.to_string()))?;
        let Ok(chunk) = frame.into_data() else { continue };
        if partial.length() + chunk.len() as u64 > origin.export.bytes {
            partial.remove()?;
            let reason = format!("it is longer than the {} bytes announced", origin.export.bytes);
            return Err(CollectorError::Answer { what: "send the export", reason });
        }
        partial.add(&chunk)?;
        progress.arrived(partial.length());
    }
    complete(partial, door, origin)
}

fn complete(partial: &Partial, door: Door, origin: Origin) -> Result<(Door, Origin), CollectorError> {
    let (length, bytes) = (partial.length(), origin.export.bytes);
    if length < bytes {
        return Err(CollectorError::Broken(format!("it ended after {length} of {bytes} bytes")));
    }
    Ok((door, origin))
}

async fn begin(door: &Door, partial: &mut Partial) -> Result<Origin, CollectorError> {
    let export = ask::export(door).await?;
    let origin = Origin { source: door.source(), pod: door.pod().map(str::to_owned), export };
    partial.begin(&origin)?;
    Ok(origin)
}
