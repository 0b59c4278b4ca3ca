//! A Redis client in a few lines of RESP: what producers, queue workers and scheduled jobs of the shop do.

use super::Options;
use super::pace::Pace;
use super::tcp::connect;
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Write};

/// Sends `command=` (words separated by commas) once a beat, each time over a new connection, and reads
/// the first line of the answer.
pub(super) fn call(options: &Options) -> Result<()> {
    let command: String = options.required("command")?;
    Pace::new(options)?.run(|| {
        let mut stream = connect(options.server()?)?;
        stream.write_all(request(&command).as_bytes())?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).context("waiting for Redis")?;
        match answer.chars().next() {
            Some(':' | '+' | '$' | '*') => Ok(()),
            _ => bail!("Redis answered {answer:?}"),
        }
    })
}

fn request(command: &str) -> String {
    let words: Vec<&str> = command.split(',').collect();
    let mut request = format!("*{}\r\n", words.len());
    for word in words {
        request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_an_array_of_bulk_strings() {
        assert_eq!(request("LLEN,jobs"), "*2\r\n$4\r\nLLEN\r\n$4\r\njobs\r\n");
    }
}
