//! Reads review.yaml strictly: whatever is not understood is an error, and every error of the file is told at once.

use super::error::{Fault, Problem, ReviewError};
use super::pattern::Pattern;
use super::tree::{self, Node, Value};
use super::{API_VERSION, Action, Decision, KIND, Review};
use jiff::civil::Date;
use std::collections::HashMap;
use std::path::Path;
use std::str::FromStr;

const FIELDS: &[&str] = &["apiVersion", "kind", "decisions"];
const DECISION_FIELDS: &[&str] = &["decision", "client", "server", "port", "reason", "by", "expires"];
const ACTIONS: &str = "allow, deny, ignore or note";
const ENDS: &str = "write who is meant, or \"*\"";
const REASON: &str = "write why, for who reads this in a year";
const EXPIRES: &str = "allow and ignore hold until a day: write it, 2027-01-31";

/// Reads the decisions in `text`; `path` is for messages.
pub(super) fn read(path: &Path, text: &str) -> Result<Review, ReviewError> {
    let mut reading = Reading::default();
    let decisions = match tree::read(text) {
        Ok(document) => reading.document(&document),
        Err(unreadable) => {
            let problem = Problem::Syntax(unreadable.message);
            reading.faults.push(Fault { line: unreadable.line, field: String::new(), problem });
            Vec::new()
        }
    };
    reading.duplicates(&decisions);
    match reading.faults.is_empty() {
        true => Ok(Review { path: path.to_owned(), decisions }),
        false => {
            reading.faults.sort_by_key(|fault| fault.line);
            Err(ReviewError::Invalid { path: path.to_owned(), faults: reading.faults })
        }
    }
}

/// What has been found to be wrong so far.
#[derive(Default)]
struct Reading {
    faults: Vec<Fault>,
}

/// An object that is being read.
struct Object<'a> {
    /// Its path, empty for the document.
    path: String,
    line: u64,
    fields: &'a [(String, Node)],
}

impl<'a> Object<'a> {
    fn get(&self, name: &str) -> Option<&'a Node> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, node)| node)
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}

impl Reading {
    fn fault(&mut self, line: u64, field: String, problem: impl Into<Problem>) {
        self.faults.push(Fault { line: Some(line), field, problem: problem.into() });
    }

    fn document(&mut self, document: &Node) -> Vec<Decision> {
        let Some(object) = self.object(document, String::new(), FIELDS) else { return Vec::new() };
        self.must_be(&object, "apiVersion", API_VERSION);
        self.must_be(&object, "kind", KIND);
        let Some(list) = object.get("decisions") else {
            self.fault(object.line, "decisions".into(), Problem::Missing("write the list, or [] for none"));
            return Vec::new();
        };
        let Value::List(items) = &list.value else {
            let problem = Problem::Type { found: list.value.kind(), expected: "a list" };
            self.fault(list.line, "decisions".into(), problem);
            return Vec::new();
        };
        items.iter().enumerate().filter_map(|(number, item)| self.decision(number, item)).collect()
    }

    fn object<'a>(&mut self, node: &'a Node, path: String, known: &'static [&'static str]) -> Option<Object<'a>> {
        let Value::Object(fields) = &node.value else {
            self.fault(node.line, path, Problem::Type { found: node.value.kind(), expected: "an object" });
            return None;
        };
        let object = Object { path, line: node.line, fields };
        for (name, value) in fields.iter().filter(|(name, _)| !known.contains(&name.as_str())) {
            self.fault(value.line, object.path_of(name), Problem::Unknown(known));
        }
        Some(object)
    }

    fn must_be(&mut self, object: &Object, name: &'static str, expected: &'static str) {
        if let Some((line, found)) = self.required(object, name, expected)
            && found != expected
        {
            self.fault(line, object.path_of(name), Problem::Unsupported { found: found.to_owned(), expected });
        }
    }

    fn decision(&mut self, number: usize, item: &Node) -> Option<Decision> {
        let object = self.object(item, format!("decisions[{number}]"), DECISION_FIELDS)?;
        let action = self.action(&object);
        let client = self.end(&object, "client");
        let server = self.end(&object, "server");
        if server == Some(Pattern::Internet) {
            self.fault(object.line, object.path_of("server"), Problem::InternetServer);
        }
        let ports = self.parsed(&object, "port");
        let reason = self.required(&object, "reason", REASON).map(|(_, text)| text.to_owned());
        let by = self.text(&object, "by").map(|(_, text)| text.to_owned());
        let expires = self.expires(&object, action);
        Some(Decision {
            number,
            line: item.line,
            action: action?,
            client: client?,
            server: server?,
            ports,
            reason: reason?,
            by,
            expires,
        })
    }

    fn action(&mut self, object: &Object) -> Option<Action> {
        let (line, found) = self.required(object, "decision", ACTIONS)?;
        let action = match found {
            "allow" => Action::Allow,
            "deny" => Action::Deny,
            "ignore" => Action::Ignore,
            "note" => Action::Note,
            _ => {
                let problem = Problem::Unsupported { found: found.to_owned(), expected: ACTIONS };
                self.fault(line, object.path_of("decision"), problem);
                return None;
            }
        };
        Some(action)
    }

    fn end(&mut self, object: &Object, name: &'static str) -> Option<Pattern> {
        self.required(object, name, ENDS)?;
        self.parsed(object, name)
    }

    fn expires(&mut self, object: &Object, action: Option<Action>) -> Option<Date> {
        let Some((line, found)) = self.text(object, "expires") else {
            let needed = action.is_some_and(Action::must_expire) && object.get("expires").is_none();
            if needed {
                self.fault(object.line, object.path_of("expires"), Problem::Missing(EXPIRES));
            }
            return None;
        };
        match date(found) {
            Ok(date) => Some(date),
            Err(why) => {
                self.fault(line, object.path_of("expires"), Problem::Date { found: found.to_owned(), why });
                None
            }
        }
    }

    /// A field that may be left out.
    fn parsed<T: FromStr<Err: Into<Problem>>>(&mut self, object: &Object, name: &str) -> Option<T> {
        let (line, text) = self.text(object, name)?;
        text.parse().map_err(|error: T::Err| self.fault(line, object.path_of(name), error)).ok()
    }

    fn required<'a>(&mut self, object: &Object<'a>, name: &str, advice: &'static str) -> Option<(u64, &'a str)> {
        if object.get(name).is_none() {
            self.fault(object.line, object.path_of(name), Problem::Missing(advice));
        }
        let (line, text) = self.text(object, name)?;
        if text.trim().is_empty() {
            self.fault(line, object.path_of(name), Problem::Empty(advice));
            return None;
        }
        Some((line, text))
    }

    fn text<'a>(&mut self, object: &Object<'a>, name: &str) -> Option<(u64, &'a str)> {
        let node = object.get(name)?;
        if let Value::Text(text) = &node.value {
            return Some((node.line, text));
        }
        let expected = "text: put it in quotes if it is meant as it stands";
        self.fault(node.line, object.path_of(name), Problem::Type { found: node.value.kind(), expected });
        None
    }

    fn duplicates(&mut self, decisions: &[Decision]) {
        let mut first = HashMap::new();
        for decision in decisions {
            let key = (decision.action, &decision.client, &decision.server, decision.ports);
            // Two notes about one thing may say different things.
            let same = *first.entry(key).or_insert(decision.number);
            if same != decision.number && decision.action != Action::Note {
                self.fault(decision.line, format!("decisions[{}]", decision.number), Problem::Again(same));
            }
        }
    }
}

/// RFC 3339, `full-date`.
fn date(text: &str) -> Result<Date, String> {
    let parts: Vec<usize> = text.split('-').map(str::len).collect();
    if parts != [4, 2, 2] || !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
        return Err("four, two and two digits".into());
    }
    text.parse::<Date>().map_err(|_| "there is no such day".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "apiVersion: netwright.io/v1\nkind: Review\n";

    fn faults(text: &str) -> Vec<String> {
        match read(Path::new("review.yaml"), text) {
            Ok(review) => panic!("{review:?}"),
            Err(ReviewError::Invalid { faults, .. }) => faults.iter().map(ToString::to_string).collect(),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn every_field_is_read() {
        let text = "
decisions:
- decision: allow
  client: jobs/quarterly
  server: data/Deployment/db
  port: 5432/TCP
  reason: Runs on the first of each quarter
  by: Data team
  expires: 2027-01-31
- {decision: note, client: '*', server: billing.example, reason: 'on'}
";
        let review = read(Path::new("review.yaml"), &format!("{HEAD}{text}")).unwrap();
        let [allow, note] = review.decisions.as_slice() else { panic!("{review:?}") };
        assert_eq!((allow.number, allow.line, allow.action), (0, 5, Action::Allow));
        assert_eq!(allow.ports.unwrap().to_string(), "5432/TCP");
        assert_eq!((allow.by.as_deref(), allow.expires), (Some("Data team"), Some(Date::constant(2027, 1, 31))));
        assert_eq!((note.client.clone(), note.reason.as_str(), note.expires), (Pattern::Any, "on", None));
        assert!(read(Path::new("review.yaml"), &format!("{HEAD}decisions: []\n")).unwrap().decisions.is_empty());
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once_with_its_line_and_field() {
        let text = "
decisions:
- decision: permit
  client: shop
  server: internet
  port: 5432
  reason: ''
- decision: ignore
  client: shop/a
  servr: shop/b
  reason: 7
- decision: deny
  client: shop/a
  server: shop/b
  port: 80/HTTP
  reason: x
  expires: 2027-02-30
- 8
";
        let faults = faults(&format!("{HEAD}{text}"));
        let expected = [
            "line 5: decisions[0].decision: \"permit\" is not supported: must be allow, deny, ignore or note",
            "line 6: decisions[0].client: \"shop\" is no pattern",
            "decisions[0].server: internet stands for clients",
            "line 8: decisions[0].port: is a number, must be text",
            "line 9: decisions[0].reason: is empty",
            "decisions[1].expires: is missing",
            "decisions[1].server: is missing",
            "line 12: decisions[1].servr: unknown field: must be one of decision, client, server",
            "line 13: decisions[1].reason: is a number",
            "line 17: decisions[2].port: \"80/HTTP\" is no port",
            "line 19: decisions[2].expires: \"2027-02-30\" is not a date",
            "line 20: decisions[3]: is a number, must be an object",
        ];
        for expected in expected {
            assert!(faults.iter().any(|fault| fault.contains(expected)), "{expected}\n{}", faults.join("\n"));
        }
        assert_eq!(faults.len(), expected.len(), "{}", faults.join("\n"));
    }

    #[test]
    fn a_file_of_another_kind_or_form_is_refused() {
        let other = faults("apiVersion: v1\nkind: List\nitems: []\n");
        for said in ["apiVersion: \"v1\" is not supported", "kind: \"List\"", "items: unknown", "decisions: is missing"]
        {
            assert!(other.iter().any(|fault| fault.contains(said)), "{other:?}");
        }
        assert!(faults(&format!("{HEAD}decisions: none\n"))[0].contains("decisions: is text, must be a list"));
        for text in ["", "[", "a: &a [*a]", "- 1\n---\n- 2\n"] {
            assert_eq!(faults(text).len(), 1, "{text}");
        }
    }

    #[test]
    fn what_stands_twice_is_refused() {
        let twice = format!("{HEAD}decisions:\n- decision: deny\n  decision: deny\n");
        let told = faults(&twice);
        assert!(told[0].contains("line 5") && told[0].contains("decision"), "{told:?}");
        let entry = "- {decision: deny, client: a/b, server: c/d, reason: x}\n";
        let told = faults(&format!("{HEAD}decisions:\n{entry}{entry}"));
        assert_eq!(told, ["line 5: decisions[1]: decides the same about the same as decisions[0]: remove one of them"]);
    }

    #[test]
    fn messages_cannot_act_on_a_terminal() {
        let text = format!("{HEAD}decisions: []\n\"\\e[31m\": \"\\e[0m\"\n");
        let told = faults(&text).join("\n");
        assert!(!told.contains('\u{1b}') && told.contains("unknown field"), "{told}");
    }

    #[test]
    fn only_calendar_days_are_dates() {
        for text in ["2027-1-31", "2027-01-31T00:00:00Z", "27-01-31", "2027-13-01", "-027-01-01", "2027/01/31"] {
            assert!(date(text).is_err(), "{text}");
        }
        assert_eq!(date("2028-02-29"), Ok(Date::constant(2028, 2, 29)));
    }
}
