//! Finds sealed seeds in what a person has: a `countersign.toml`, a line of one, or the bare text.

use anyhow::bail;
use toml_edit::{DocumentMut, Item, TableLike, TomlError};

/// Every sealed text in `text`.
///
/// # Errors
/// When it is neither a bare text nor TOML, or holds none.
pub(crate) fn sealed_texts(text: &str) -> anyhow::Result<Vec<String>> {
    let bare = text.trim();
    if !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
        return Ok(vec![bare.to_owned()]);
    }
    let document: DocumentMut = match text.parse() {
        Ok(document) => document,
        Err(error) => bail!("this is neither a countersign.toml nor a sealed text: {}", problem(text, &error)),
    };
    let mut found = Vec::new();
    search(document.as_table(), &mut found);
    if found.is_empty() {
        bail!("there is no sealed seed in it: no key named `sealed`");
    }
    Ok(found)
}

/// `line 7: the reason`. The parser's own words show the line, and a wrong file may have a seed or a key in it.
fn problem(text: &str, error: &TomlError) -> String {
    let message = error.message().replace('\n', "; ");
    let before = error.span().and_then(|span| text.get(..span.start));
    before.map_or_else(|| message.clone(), |before| format!("line {}: {message}", before.matches('\n').count() + 1))
}

fn search(table: &dyn TableLike, found: &mut Vec<String>) {
    for (key, item) in table.iter() {
        if let Some(text) = item.as_str().filter(|_| key == "sealed") {
            found.push(text.to_owned());
        }
        search_item(item, found);
    }
}

fn search_item(item: &Item, found: &mut Vec<String>) {
    if let Some(table) = item.as_table_like() {
        search(table, found);
    }
    for table in item.as_array_of_tables().into_iter().flatten() {
        search(table, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wherever_it_is() {
        assert_eq!(sealed_texts(" YWdl_-1 \n").unwrap(), ["YWdl_-1"]);
        assert_eq!(sealed_texts("sealed = \"YWdl\"").unwrap(), ["YWdl"]);
        let file = "relay = \"x\"\n[seeds.npm]\nsealed = \"AA\"\n[[seed]]\nsealed = \"BB\"\n[a]\nb = { sealed = \"CC\" }\n";
        assert_eq!(sealed_texts(file).unwrap(), ["AA", "BB", "CC"]);
        assert!(sealed_texts("a = 1").is_err());
        assert!(sealed_texts("not toml at all").is_err());
        assert!(sealed_texts("").is_err());
    }

    #[test]
    fn nothing_of_a_wrong_file_is_shown() {
        for secret in [
            "otpauth://totp/ACME:x?secret=GEZD",
            "GEZD GEZD",
            "GEZD = GEZD",
            "GEZD = 1\nGEZD = 2",
            "[GEZD]\n[GEZD]",
            "GEZD = \"GEZD",
            "a = \"\\GEZD\"",
        ] {
            let problem = format!("{:#}", sealed_texts(&format!("\n{secret}")).unwrap_err());
            assert!(problem.contains("text: line ") && !problem.contains("line 1:") && !problem.contains("GEZD"), "{problem}");
        }
    }
}
