//! A text with `{code}` in it: an argument, or what is written to a command's standard input.

use countersign_core::request::CodeText;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use zeroize::Zeroizing;

/// What stands for the code.
pub const PLACEHOLDER: &str = "{code}";
/// Longest template, bytes.
pub const MAX_TEMPLATE: usize = 512;

/// A text, with the place of the code or without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(String);

impl Template {
    /// Checks a text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > MAX_TEMPLATE || text.contains('\0') {
            return Err(format!("a template has 1 to {MAX_TEMPLATE} bytes, none of them 0"));
        }
        // Other names in braces are slips of the pen; JSON is not.
        let names = text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name);
        match names.into_iter().find(|name| *name != "code" && !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric())) {
            Some(name) => Err(format!("{{{name}}} means nothing here; the code is {PLACEHOLDER}")),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// Whether the code is in it.
    #[must_use]
    pub fn has_code(&self) -> bool {
        self.0.contains(PLACEHOLDER)
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// With the code in its place.
    pub(crate) fn fill(&self, code: &CodeText) -> Zeroizing<String> {
        // The template is where the code is wanted. Reserved at once, so that no copy is left behind when it grows.
        let code = code.expose();
        let places = self.0.matches(PLACEHOLDER).count();
        let mut filled = Zeroizing::new(String::with_capacity(self.0.len() + places * code.len()));
        for (at, part) in self.0.split(PLACEHOLDER).enumerate() {
            if at > 0 {
                filled.push_str(code);
            }
            filled.push_str(part);
        }
        filled
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

impl Serialize for Template {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_takes_its_place() {
        let code: CodeText = serde_json::from_str("\"123456\"").unwrap();
        assert_eq!(Template::parse("--otp={code}").unwrap().fill(&code).as_str(), "--otp=123456");
        assert_eq!(Template::parse("{code}\n{code}").unwrap().fill(&code).as_str(), "123456\n123456");
        assert_eq!(Template::parse("--token-code").unwrap().fill(&code).as_str(), "--token-code");
        assert!(!Template::parse(r#"{"a": 1}"#).unwrap().has_code());
    }

    #[test]
    fn slips_are_told() {
        assert_eq!(Template::parse("--otp={otp}").unwrap_err(), "{otp} means nothing here; the code is {code}");
        for text in ["", "a\0b", &"x".repeat(MAX_TEMPLATE + 1)] {
            assert!(Template::parse(text).unwrap_err().starts_with("a template has 1 to 512 bytes"));
        }
    }
}
