//! Makes text from outside (names of pods, DNS answers, labels) safe to show, for every module that prints or writes it.
//!
//! Formats with a grammar of their own (DOT, XML, Mermaid) build on [`plain`] and escape their own marks after it.

use serde::Serialize;

/// The text with everything invisible or active in a terminal (controls, bidirectional marks, line separators) written
/// as `\u{…}` or `\n`. Quotes stay as they are; a backslash is doubled, so that the result is unambiguous.
pub fn plain(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut safe, char| {
        match char {
            '\'' | '"' => safe.push(char),
            _ => safe.extend(char.escape_debug()),
        }
        safe
    })
}

/// As [`plain`], but a backslash stays as it is: for text that may have been made plain already.
pub fn visible(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut safe, char| {
        match char {
            '\'' | '"' | '\\' => safe.push(char),
            _ => safe.extend(char.escape_debug()),
        }
        safe
    })
}

/// The longest comment, in characters.
const LONGEST_COMMENT: usize = 200;

/// The text as one line of printable ASCII, cut to a bearable length: for a comment in a file.
pub fn comment(text: &str) -> String {
    let mut safe = String::new();
    for char in text.chars() {
        match char {
            ' '..='~' => safe.push(char),
            _ => safe.extend(char.escape_unicode()),
        }
        if safe.chars().count() > LONGEST_COMMENT {
            safe.push_str("...");
            break;
        }
    }
    safe
}

/// The value as JSON in which everything beyond printable ASCII is written as `\u…`, which means the same inside the
/// strings where alone it occurs.
pub fn json(value: &impl Serialize) -> serde_json::Result<String> {
    Ok(ascii(serde_json::to_string_pretty(value)?) + "\n")
}

/// As [`json`], on one line without its end.
pub fn json_line(value: &impl Serialize) -> serde_json::Result<String> {
    Ok(ascii(serde_json::to_string(value)?))
}

fn ascii(json: String) -> String {
    if json.bytes().all(|byte| matches!(byte, b'\n' | b' '..=b'~')) {
        return json;
    }
    json.chars().fold(String::with_capacity(json.len() + 1), |mut safe, char| {
        match char {
            '\n' | ' '..='~' => safe.push(char),
            _ => char.encode_utf16(&mut [0; 2]).iter().for_each(|unit| safe.push_str(&format!("\\u{unit:04x}"))),
        }
        safe
    })
}

/// The text as one field of a CSV file (RFC 4180) that no spreadsheet takes for a formula: what begins like one gets an
/// apostrophe in front.
pub fn csv(text: &str) -> String {
    let safe = visible(text);
    let safe = if safe.starts_with(['=', '+', '-', '@']) { format!("'{safe}") } else { safe };
    if safe.contains(['"', ',', ';', '\'']) { format!("\"{}\"", safe.replace('"', "\"\"")) } else { safe }
}

/// The text, which may have been made visible already, as a code span of Markdown: nothing in it is markup, a link, a
/// mention or the end of a table's cell.
pub fn markdown_code(text: &str) -> String {
    let safe = visible(text).replace('`', "\\u{60}").replace('|', "\\u{7c}");
    if safe.trim().is_empty() { "` `".into() } else { format!("`{safe}`") }
}

/// The text as prose in Markdown: no markup, no HTML, no link, no cell of a table.
pub fn markdown(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let visible = visible(text);
    let mut characters = visible.chars().peekable();
    while let Some(char) = characters.next() {
        // Addresses become links by themselves where they begin with `www.` or hold `://`.
        let is_address = match char {
            '.' => safe.to_ascii_lowercase().ends_with("www"),
            ':' => characters.peek() == Some(&'/'),
            _ => false,
        };
        if is_address || r"\`*_[]<>|~&@#$!^".contains(char) {
            safe.push('\\');
        }
        safe.push(char);
    }
    safe
}

/// `items` joined by commas, at most `shown` of them, and how many more there are.
pub fn some_of<T: ToString>(items: impl IntoIterator<Item = T>, shown: usize) -> String {
    let all: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    let listed = all.iter().take(shown).cloned().collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(shown) {
        0 => listed,
        more => format!("{listed} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_escapes_and_direction_marks_become_visible() {
        assert_eq!(plain("a\u{1b}[31mb\u{202e}c\nd"), "a\\u{1b}[31mb\\u{202e}c\\nd");
        assert_eq!(visible(&plain("a\u{1b}")), plain("a\u{1b}"));
        assert_eq!(plain(r#"it's "x" \n"#), r#"it's "x" \\n"#);
    }

    #[test]
    fn a_comment_is_one_line_of_bounded_length() {
        assert_eq!(comment("a.example\n- evil: true\u{2028}x"), "a.example\\u{a}- evil: true\\u{2028}x");
        assert!(comment(&"x".repeat(10_000)).len() < 300);
    }

    #[test]
    fn a_field_of_csv_is_neither_a_formula_nor_two_fields() {
        assert_eq!(csv("cart"), "cart");
        assert_eq!(csv("=cmd|' /C calc'!A0"), "\"'=cmd|' /C calc'!A0\"");
        assert_eq!(csv("@x"), "\"'@x\"");
        assert_eq!(csv("a,\"b\"\n-1"), "\"a,\"\"b\"\"\\n-1\"");
    }

    #[test]
    fn text_in_markdown_is_no_markup() {
        assert_eq!(markdown_code("a`b|c<br>"), "`a\\u{60}b\\u{7c}c<br>`");
        assert_eq!(markdown_code(" \t"), "` \\t`");
        assert_eq!(markdown_code(""), "` `");
        assert_eq!(markdown("a|<b>*x*\n[l](u)"), r"a\|\<b\>\*x\*\\n\[l\](u)");
        assert_eq!(markdown("https://x, www.y: the node's"), r"https\://x, www\.y: the node's");
    }

    #[test]
    fn lists_are_cut_and_say_so() {
        assert_eq!(some_of(["a", "b"], 3), "a, b");
        assert_eq!(some_of(["a", "b", "c"], 1), "a and 2 more");
    }
}
