//! What names and labels may look like: the API server's own rules (`k8s.io/apimachinery/pkg/util/validation`).

/// A form that a text has to have.
pub(crate) struct Form {
    /// What a text of this form is.
    pub(crate) what: &'static str,
    /// The form, in words.
    pub(crate) rule: &'static str,
    /// Whether a text has it.
    pub(crate) holds: fn(&str) -> bool,
}

/// `metadata.name` of a NetworkPolicy.
pub(crate) const OBJECT_NAME: Form = Form {
    what: "name",
    rule: "must be at most 253 lower case letters, digits, '-' and '.', each part between dots beginning and ending with a letter or digit",
    holds: is_dns_subdomain,
};

/// `metadata.namespace`.
pub(crate) const NAMESPACE: Form = Form {
    what: "namespace name",
    rule: "must be at most 63 lower case letters, digits and '-', beginning and ending with a letter or digit",
    holds: is_dns_label,
};

/// The key of a label.
pub(crate) const LABEL_KEY: Form = Form {
    what: "label key",
    rule: "must be at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit, after an optional DNS name and '/'",
    holds: is_qualified_name,
};

/// The value of a label.
pub(crate) const LABEL_VALUE: Form = Form {
    what: "label value",
    rule: "must be empty, or at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit",
    holds: is_label_value,
};

/// The key of an annotation: that of a label, in any case of letters.
pub(crate) const ANNOTATION_KEY: Form =
    Form { what: "annotation key", rule: LABEL_KEY.rule, holds: |key| is_qualified_name(&key.to_ascii_lowercase()) };

/// A port by name.
pub(crate) const PORT_NAME: Form = Form {
    what: "port name",
    rule: "must be 1 to 15 lower case letters, digits and '-', with a letter, without '--', beginning and ending with a letter or digit (a number is written without quotes)",
    holds: is_port_name,
};

fn is_dns_label(text: &str) -> bool {
    text.len() <= 63 && is_word(text, is_lower_or_digit, b"-")
}

fn is_dns_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(|label| is_word(label, is_lower_or_digit, b"-"))
}

fn is_qualified_name(text: &str) -> bool {
    let (prefix, name) = text.split_once('/').map_or((None, text), |(prefix, name)| (Some(prefix), name));
    prefix.is_none_or(is_dns_subdomain) && name.len() <= 63 && is_word(name, is_letter_or_digit, b"-_.")
}

fn is_label_value(text: &str) -> bool {
    text.is_empty() || (text.len() <= 63 && is_word(text, is_letter_or_digit, b"-_."))
}

fn is_port_name(text: &str) -> bool {
    text.len() <= 15
        && is_word(text, is_lower_or_digit, b"-")
        && text.bytes().any(|byte| byte.is_ascii_lowercase())
        && !text.contains("--")
}

/// One or more bytes, each `common` or one of `inner`, the first and the last `common`.
fn is_word(text: &str, common: fn(u8) -> bool, inner: &[u8]) -> bool {
    let ends = [text.bytes().next(), text.bytes().next_back()];
    ends.into_iter().all(|end| end.is_some_and(common))
        && text.bytes().all(|byte| common(byte) || inner.contains(&byte))
}

fn is_lower_or_digit(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

fn is_letter_or_digit(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}
