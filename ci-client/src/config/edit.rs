//! Changes to the text of a config that leave everything else as it was.

use countersign_core::{ci::CiPairing, seed::SealedSeed};
use data_encoding::BASE64URL_NOPAD;
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

use crate::problem::Problem;

/// How a new config begins.
const NEW: &str = "# Made by countersign. Nothing in this file is secret: it may be committed.\nversion = 1\n";

/// A config being changed.
#[derive(Debug)]
pub struct Edit {
    document: DocumentMut,
    origin: String,
}

impl Edit {
    /// Begins with the text of a config, or with a new one.
    ///
    /// # Errors
    /// [`Problem`] if the text is no TOML, or no config.
    pub fn new(origin: &str, old: Option<&str>) -> Result<Self, Problem> {
        let text = old.unwrap_or(NEW);
        super::Config::parse(origin, text)?;
        let document = text.parse().map_err(|error| Problem::config(format!("{origin}: {error}")))?;
        Ok(Self { document, origin: origin.to_owned() })
    }

    /// Appends a `[[phone]]`.
    ///
    /// # Errors
    /// [`Problem`] if the phones are not written as `[[phone]]` tables.
    pub fn add_phone(&mut self, pairing: &CiPairing) -> Result<(), Problem> {
        let mut table = Table::new();
        table.insert("name", value(&pairing.phone_name));
        table.insert("relay", value(pairing.relay.origin()));
        table.insert("pairing", base64(&pairing.pairing_id));
        table.insert("ci", base64(&pairing.ci_static));
        table.insert("phone", base64(&pairing.phone_static));
        table.insert("signer", base64(&pairing.signer));
        table.insert("recipient", value(pairing.recipient.as_str()));
        table.insert("ticket", base64(&pairing.ticket));
        self.phones()?.push(table);
        Ok(())
    }

    /// Gives the `[[phone]]` of this name another ticket.
    ///
    /// # Errors
    /// As [`Edit::add_phone`], and if there is no such phone any more.
    pub fn set_ticket(&mut self, name: &str, ticket: &[u8]) -> Result<(), Problem> {
        let origin = self.origin.clone();
        let phone = self.phones()?.iter_mut().find(|table| table.get("name").and_then(Item::as_str) == Some(name));
        let phone = phone.ok_or_else(|| Problem::config(format!("{origin}: there is no phone {name} any more")))?;
        phone.insert("ticket", base64(ticket));
        Ok(())
    }

    /// Removes the `[[phone]]` of this name.
    ///
    /// # Errors
    /// As [`Edit::add_phone`].
    pub fn remove_phone(&mut self, name: &str) -> Result<(), Problem> {
        let phones = self.phones()?;
        phones.retain(|table| table.get("name").and_then(Item::as_str) != Some(name));
        if phones.is_empty() {
            self.document.remove("phone");
        }
        Ok(())
    }

    /// Adds `[seed.NAME]`, or gives the one there is another sealed seed and label.
    ///
    /// # Errors
    /// [`Problem`] if the seeds are not written as `[seed.NAME]` tables.
    pub fn set_seed(&mut self, name: &str, sealed: &SealedSeed, label: &str, target: &str) -> Result<(), Problem> {
        let problem = || Problem::config(format!("{}: write seeds as [seed.NAME] tables", self.origin));
        let seeds = self.document.entry("seed").or_insert_with(|| {
            let mut table = Table::new();
            table.set_implicit(true);
            Item::Table(table)
        });
        let seeds = seeds.as_table_mut().ok_or_else(problem)?;
        let seed = seeds.entry(name).or_insert_with(|| Item::Table(Table::new()));
        let seed = seed.as_table_mut().ok_or_else(problem)?;
        seed.insert("sealed", base64(sealed.as_bytes()));
        seed.insert("label", value(label));
        seed.entry("target").or_insert_with(|| value(target));
        Ok(())
    }

    /// The text as it is now.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.document.to_string()
    }

    fn phones(&mut self) -> Result<&mut ArrayOfTables, Problem> {
        let phones = self.document.entry("phone").or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
        phones.as_array_of_tables_mut().ok_or_else(|| Problem::config(format!("{}: write phones as [[phone]] tables", self.origin)))
    }
}

fn base64(bytes: &[u8]) -> Item {
    value(BASE64URL_NOPAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed() -> SealedSeed {
        let vectors: serde_json::Value = serde_json::from_str(include_str!("../../../tests/vectors/sealed.json")).unwrap();
        let hex = vectors["opens"][0]["sealed"].as_str().unwrap();
        SealedSeed::parse(data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn comments_stay() {
        let old = "# mine\nversion = 1 # one\n";
        let mut edit = Edit::new("c.toml", Some(old)).unwrap();
        edit.set_seed("npm", &sealed(), "npm:alice", "npm").unwrap();
        let text = edit.to_text();
        assert!(text.starts_with("# mine\nversion = 1 # one\n\n[seed.npm]\nsealed = \""), "{text}");
        assert!(text.ends_with("label = \"npm:alice\"\ntarget = \"npm\"\n"), "{text}");
        let again = text.replace("target = \"npm\"", "target = \"generic\" # because");
        let mut edit = Edit::new("c.toml", Some(&again)).unwrap();
        edit.set_seed("npm", &sealed(), "npm:bob", "npm").unwrap();
        let text = edit.to_text();
        assert!(text.ends_with("label = \"npm:bob\"\ntarget = \"generic\" # because\n"), "{text}");
        let config = super::super::Config::parse("c.toml", &text).unwrap();
        assert_eq!(config.seeds["npm"].label, "npm:bob");
        assert_eq!(config.seeds["npm"].target.name, "generic");
    }
}
