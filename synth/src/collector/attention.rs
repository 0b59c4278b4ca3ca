//! What of a collector's status wants somebody's attention: pure, so that each reason can be tested.

use netwright_record::collector::{AgentStatus, Status};
use netwright_record::{Time, Window};
use serde::Serialize;

/// An agent that was not heard of for longer is away: thirty times the interval of its segments.
const STALE_SECONDS: i64 = 300;
/// Segments that wait for longer mean that merging does not keep up. Resting is part of it.
const LAG_SECONDS: i64 = 900;

/// Something that wants attention.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attention {
    /// Which kind.
    pub what: What,
    /// The node, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// In words, with what to do.
    pub message: String,
}

/// The kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// Nothing was recorded yet.
    Nothing,
    /// A node without an agent.
    Unwatched,
    /// An agent that is silent.
    Stale,
    /// Segments that never arrived.
    Missing,
    /// Time in which a node was not watched.
    Gap,
    /// Things that happened and are not in the records.
    Losses,
    /// The collector does not keep up.
    Lag,
    /// The collector cannot watch the API server.
    Watch,
}

/// All that wants attention: about the whole first, then node by node.
pub fn attention(status: &Status) -> Vec<Attention> {
    let mut all = Vec::new();
    if status.agents.is_empty() {
        let message = "no agent has reported: see whether its pods run, and what they log about the collector";
        all.push(Attention { what: What::Nothing, node: None, message: message.into() });
    }
    if let Some(waiting) = status.inbox_oldest.map(|oldest| seconds(oldest, status.at)).filter(|it| *it > LAG_SECONDS) {
        let segments = status.inbox_segments;
        let message = format!(
            "{segments} segments wait to be merged, the oldest for {}: see the collector's log, and give it more CPU",
            span(waiting)
        );
        all.push(Attention { what: What::Lag, node: None, message });
    }
    if let Some(age) = status.watch_age.and_then(|age| i64::try_from(age).ok()).filter(|age| *age > STALE_SECONDS) {
        let message = format!(
            "the API server has not told of all changes for {}: new pods may stay without a name; see the collector's log",
            span(age)
        );
        all.push(Attention { what: What::Watch, node: None, message });
    }
    for node in &status.unwatched_nodes {
        let message = "no agent reports from this node: what happens on it is seen from elsewhere at best".to_owned();
        all.push(Attention { what: What::Unwatched, node: Some(node.to_string()), message });
    }
    for agent in &status.agents {
        let about = |(what, message)| Attention { what, node: Some(agent.node.to_string()), message };
        all.extend(of_agent(agent, status.at).into_iter().map(about));
    }
    all
}

fn of_agent(agent: &AgentStatus, at: Time) -> Vec<(What, String)> {
    let mut all = Vec::new();
    let silent = seconds(agent.heard, at);
    if agent.in_cluster && silent > STALE_SECONDS {
        let message = format!("silent for {}: its segments wait on the node's disk, if it runs", span(silent));
        all.push((What::Stale, message));
    }
    if agent.missing_segments > 0 {
        let message = format!("{} segments never arrived: their time is not covered", agent.missing_segments);
        all.push((What::Missing, message));
    }
    if let Some(latest) = agent.gaps.last() {
        let total: i64 = agent.gaps.iter().map(length).sum();
        let count = agent.gaps.len();
        let message = format!(
            "not watched for {} in {count} gaps, the latest from {} to {}",
            span(total),
            latest.from,
            latest.until
        );
        all.push((What::Gap, message));
    }
    if !agent.losses.is_empty() {
        let lost = agent.losses.named().into_iter().filter(|(_, count)| *count > 0);
        let lost: Vec<String> = lost.map(|(what, count)| format!("{what} {count}")).collect();
        all.push((What::Losses, format!("lost: {}", lost.join(", "))));
    }
    all
}

/// How long a stretch is, in seconds.
fn length(window: &Window) -> i64 {
    seconds(window.from, window.until)
}

/// Seconds from `from` to `until`, 0 if that is before.
pub fn seconds(from: Time, until: Time) -> i64 {
    until.as_second().saturating_sub(from.as_second()).max(0)
}

/// A number of seconds as people say it: `45 s`, `12 min`, `5 h`, `13 d 4 h`.
pub fn span(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netwright_record::Losses;

    fn at(second: i64) -> Time {
        Time::from_second(second).unwrap()
    }

    fn agent(node: &str) -> AgentStatus {
        AgentStatus {
            node: node.into(),
            heard: at(10_000),
            watched_until: at(10_000),
            watched_seconds: 10_000,
            in_cluster: true,
            missing_segments: 0,
            gaps: Vec::new(),
            losses: Losses::default(),
        }
    }

    fn status(agents: Vec<AgentStatus>) -> Status {
        let mut status: Status = serde_json::from_str(r#"{"at": "1970-01-01T02:46:40Z"}"#).unwrap();
        status.agents = agents;
        status
    }

    fn kinds(status: &Status) -> Vec<What> {
        attention(status).into_iter().map(|it| it.what).collect()
    }

    #[test]
    fn where_all_is_well_nothing_wants_attention() {
        let mut status = status(vec![agent("a"), agent("b")]);
        status.inbox_segments = 3;
        status.watch_age = Some(30);
        status.inbox_oldest = Some(at(10_000 - LAG_SECONDS));
        assert_eq!(attention(&status), []);
    }

    #[test]
    fn each_reason_is_told_by_itself() {
        assert_eq!(kinds(&status(Vec::new())), [What::Nothing]);
        let silent = AgentStatus { heard: at(10_000 - STALE_SECONDS - 1), ..agent("a") };
        assert_eq!(kinds(&status(vec![silent.clone()])), [What::Stale]);
        assert_eq!(kinds(&status(vec![AgentStatus { in_cluster: false, ..silent }])), []);
        assert_eq!(kinds(&status(vec![AgentStatus { missing_segments: 1, ..agent("a") }])), [What::Missing]);
        let gap = Window { from: at(1), until: at(2) };
        assert_eq!(kinds(&status(vec![AgentStatus { gaps: vec![gap], ..agent("a") }])), [What::Gap]);
        let losses = Losses { spool_full: 7, ..Losses::default() };
        let lossy = status(vec![AgentStatus { losses, ..agent("a") }]);
        assert_eq!(kinds(&lossy), [What::Losses]);
        assert_eq!(attention(&lossy).first().map(|it| it.message.as_str()), Some("lost: spool_full 7"));
        let mut slow = status(vec![agent("a")]);
        slow.inbox_oldest = Some(at(10_000 - LAG_SECONDS - 1));
        slow.unwatched_nodes = vec!["b".into()];
        slow.watch_age = Some(301);
        assert_eq!(kinds(&slow), [What::Lag, What::Watch, What::Unwatched]);
    }

    #[test]
    fn a_clock_that_went_back_is_no_silence() {
        let ahead = AgentStatus { heard: at(20_000), ..agent("a") };
        assert_eq!(kinds(&status(vec![ahead])), []);
    }

    #[test]
    fn spans_are_said_in_one_or_two_units() {
        let spans = [0, 119, 120, 7199, 7200, 172_799, 172_800, 1_137_600].map(span);
        assert_eq!(spans, ["0 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 d 0 h", "13 d 4 h"]);
    }
}
