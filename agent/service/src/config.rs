//! Configuration: flags, before the environment, before a file, before defaults.
//!
//! A program declares flags with clap, each with its `env`, and flattens a [`ConfigFile`] into the verbs that take a file. The
//! file is YAML: one mapping whose keys are the long flags without dashes. Its values become the defaults of the flags before
//! the command line is parsed, so that the order of precedence is clap's own and a value means the same wherever it stands.
//!
//! ```yaml
//! log-format: json
//! interval: 15s
//! exclude: [kube-system, monitoring]   # a flag that may be given several times
//! ```

use clap::error::ErrorKind;
use clap::{Arg, Args, Command, Parser};
use serde_yaml::Value;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// The id of the flag that names the file.
const FILE: &str = "config";

/// The flag that names the file. Flatten it into the arguments of a verb.
#[derive(Debug, Clone, Default, Args)]
pub struct ConfigFile {
    /// A YAML file of settings: its keys are the long flags. Flags and environment come before it
    #[arg(long, env = "NETWRIGHT_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Why the file was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read the configuration file {path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no YAML.
    #[error("the configuration file {path} is no YAML: {source}")]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// Where, and why.
        source: serde_yaml::Error,
    },
    /// It is something else than settings.
    #[error("the configuration file {path} has to be a mapping of flags to values, such as `log-format: json`")]
    NoMapping {
        /// Which file.
        path: PathBuf,
    },
    /// A key that is no flag of this verb.
    #[error("{path}: unknown key {key:?}; the keys are the long flags of `{verb}`: {known}")]
    UnknownKey {
        /// Which file.
        path: PathBuf,
        /// The key, escaped.
        key: String,
        /// The verb.
        verb: String,
        /// The keys it takes.
        known: String,
    },
    /// A value that the flag does not take.
    #[error("{path}: key {key:?}: {reason}")]
    BadValue {
        /// Which file.
        path: PathBuf,
        /// The key.
        key: String,
        /// Why not.
        reason: String,
    },
}

/// Parses the command line of the process. Ends it as clap does: with 2 and a message on stderr where something is wrong.
pub fn parse<C: Parser>() -> C {
    try_parse_from(std::env::args_os()).unwrap_or_else(|error| error.exit())
}

/// As [`parse`], of these arguments (the first is the program's name).
///
/// # Errors
/// Wrong usage, or a file that cannot be taken; also what `--help` and `--version` print.
pub fn try_parse_from<C: Parser>(arguments: impl IntoIterator<Item: Into<OsString>>) -> Result<C, clap::Error> {
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    let mut command = C::command();
    if let Some((verb, path)) = file_named(&command, &arguments) {
        command = with_file(command, &verb, &path)
            .map_err(|error| C::command().error(ErrorKind::InvalidValue, error.to_string()))?;
    }
    let mut matches = command.try_get_matches_from_mut(arguments)?;
    C::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

/// The verbs that lead to the one in use, and the file it was told to read. Whatever else is wrong with the arguments is told
/// later, when the file's values are known.
fn file_named(command: &Command, arguments: &[OsString]) -> Option<(Vec<String>, PathBuf)> {
    let lenient = command.clone().ignore_errors(true);
    let matches = lenient.try_get_matches_from(arguments).ok()?;
    let (mut verb, mut matches) = (Vec::new(), &matches);
    while let Some((name, inner)) = matches.subcommand() {
        verb.push(name.to_owned());
        matches = inner;
    }
    let path = matches.try_get_one::<PathBuf>(FILE).ok()??;
    Some((verb, path.clone()))
}

/// `command` with the values of the file as the defaults of the verb's flags.
fn with_file(command: Command, verb: &[String], path: &Path) -> Result<Command, ConfigError> {
    let Some((first, rest)) = verb.split_first() else { return with_defaults(command, path) };
    let mut failed = None;
    let command = command.mut_subcommand(first, |inner| {
        let untouched = inner.clone();
        with_file(inner, rest, path).unwrap_or_else(|error| {
            failed = Some(error);
            untouched
        })
    });
    failed.map_or(Ok(command), Err)
}

fn with_defaults(mut command: Command, path: &Path) -> Result<Command, ConfigError> {
    for (key, value) in read(path)? {
        let known = key.as_str().and_then(|key| flag(&command, key));
        let Some(arg) = known else { return Err(unknown(&command, &key, path)) };
        let id = arg.get_id().clone();
        let values = values(arg, &value).map_err(|reason| ConfigError::BadValue {
            path: path.into(),
            key: arg.get_long().unwrap_or_default().to_owned(),
            reason,
        })?;
        command = command.mut_arg(id, |arg| arg.required(false).default_values(values));
    }
    Ok(command)
}

fn read(path: &Path) -> Result<serde_yaml::Mapping, ConfigError> {
    let text = fs::read_to_string(path).map_err(|source| ConfigError::Io { path: path.into(), source })?;
    match serde_yaml::from_str(&text).map_err(|source| ConfigError::Syntax { path: path.into(), source })? {
        Value::Mapping(settings) => Ok(settings),
        // Nothing, or comments alone.
        Value::Null => Ok(serde_yaml::Mapping::new()),
        _ => Err(ConfigError::NoMapping { path: path.into() }),
    }
}

/// The flag that a key may set: not the one that names the file.
fn flag<'c>(command: &'c Command, key: &str) -> Option<&'c Arg> {
    command.get_arguments().filter(|arg| arg.get_id() != FILE).find(|arg| arg.get_long() == Some(key))
}

fn unknown(command: &Command, key: &Value, path: &Path) -> ConfigError {
    let mut known: Vec<&str> = command.get_arguments().filter_map(Arg::get_long).filter(|long| *long != FILE).collect();
    known.sort_unstable();
    let key = match key {
        Value::String(key) => key.escape_debug().to_string(),
        other => serde_yaml::to_string(other).unwrap_or_default().trim_end().escape_debug().to_string(),
    };
    ConfigError::UnknownKey { path: path.into(), key, verb: command.get_name().to_owned(), known: known.join(", ") }
}

/// The texts that stand for `value` on a command line, each tried with the flag's own parser, so that an error names the file.
fn values(arg: &Arg, value: &Value) -> Result<Vec<String>, String> {
    let several = arg.get_action().takes_values() && matches!(arg.get_action(), clap::ArgAction::Append);
    let texts = match value {
        Value::Sequence(items) if several || arg.get_value_delimiter().is_some() => {
            items.iter().map(text).collect::<Result<Vec<_>, _>>()?
        }
        Value::Sequence(_) => return Err("takes one value, not a list".into()),
        one => vec![text(one)?],
    };
    for text in &texts {
        check(arg, text)?;
    }
    Ok(texts)
}

fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(value) => Ok(value.to_string()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Null => Err("has no value; remove the key to keep the default".into()),
        _ => Err("expected a text, a number, true or false".into()),
    }
}

fn check(arg: &Arg, text: &str) -> Result<(), String> {
    if !arg.get_action().takes_values() {
        return text.parse::<bool>().map(drop).map_err(|_| format!("expected true or false, not {text:?}"));
    }
    let mut alone = Arg::new("value").long("value").value_parser(arg.get_value_parser().clone());
    if let Some(delimiter) = arg.get_value_delimiter() {
        alone = alone.value_delimiter(delimiter);
    }
    let parsed = Command::new("file").no_binary_name(true).arg(alone).try_get_matches_from([format!("--value={text}")]);
    parsed.map(drop).map_err(|error| reason(&error, text))
}

/// What clap says of a value, without its words on how to use the command line.
fn reason(error: &clap::Error, text: &str) -> String {
    use clap::error::{ContextKind, ContextValue};
    let source = std::error::Error::source(error).map(ToString::to_string);
    let valid = error.get(ContextKind::ValidValue).and_then(|value| match value {
        ContextValue::Strings(values) => Some(format!("expected one of {}", values.join(", "))),
        _ => None,
    });
    format!("invalid value {text:?}: {}", source.or(valid).unwrap_or_else(|| error.kind().to_string()))
}
