//! What a name on the command line means.

use anyhow::bail;
use countersign_mobile::LostPart;

/// Shortest beginning of an id that is looked at.
const SHORTEST: usize = 4;

/// Something with a name and an id.
pub(crate) trait Named {
    /// What it is, for messages.
    const WHAT: &'static str;
    /// What is lost with the list of them.
    const PART: LostPart;
    fn name(&self) -> &str;
    fn id(&self) -> &str;
}

impl Named for countersign_mobile::Pairing {
    const WHAT: &'static str = "pairing";
    const PART: LostPart = LostPart::Pairings;
    fn name(&self) -> &str {
        &self.name
    }
    fn id(&self) -> &str {
        &self.id
    }
}

impl Named for countersign_mobile::Seed {
    const WHAT: &'static str = "seed";
    const PART: LostPart = LostPart::Seeds;
    fn name(&self) -> &str {
        &self.label
    }
    fn id(&self) -> &str {
        &self.id
    }
}

/// The one thing of this name; or, if nothing has this name, whose id begins so. `lost`: what was lost when the phone was opened.
pub(crate) fn find<'a, T: Named>(things: &'a [T], wanted: &str, lost: &[LostPart]) -> anyhow::Result<&'a T> {
    let named: Vec<&T> = things.iter().filter(|it| it.name() == wanted).collect();
    let found = if named.is_empty() {
        things.iter().filter(|it| wanted.len() >= SHORTEST && it.id().starts_with(&wanted.to_ascii_lowercase())).collect()
    } else {
        named
    };
    let list = |things: &mut dyn Iterator<Item = &T>| things.map(|it| format!("\n  {}  {}", it.id(), it.name())).collect::<String>();
    match found.as_slice() {
        [one] => Ok(one),
        [] if things.is_empty() && lost.contains(&T::PART) => {
            bail!("there is no {} any more: the list of them was damaged or missing; see above what to do", T::WHAT)
        }
        [] if things.is_empty() => bail!("there is no {} yet", T::WHAT),
        [] => bail!("there is no {} {wanted:?}; there are:{}", T::WHAT, list(&mut things.iter())),
        several => bail!("{wanted:?} may be any of these; use the id of the {} you mean:{}", T::WHAT, list(&mut several.iter().copied())),
    }
}

#[cfg(test)]
mod tests {
    use countersign_mobile::Seed;

    use super::*;

    #[test]
    fn names_then_ids() {
        let seed = |id: &str, label: &str| Seed { id: id.into(), label: label.into(), created: 0, last_used: None };
        let seeds = [seed("aaaa01", "A"), seed("aaaa02", "B"), seed("bbbb03", "B"), seed("cccc04", "aaaa01")];
        assert_eq!(find(&seeds, "A", &[]).unwrap().id, "aaaa01");
        assert_eq!(find(&seeds, "aaaa01", &[]).unwrap().id, "cccc04");
        assert_eq!(find(&seeds, "BBBB", &[]).unwrap().id, "bbbb03");
        let ambiguous = find(&seeds, "B", &[]).unwrap_err().to_string();
        assert!(ambiguous.contains("aaaa02") && ambiguous.contains("bbbb03") && !ambiguous.contains("cccc04"));
        assert!(find(&seeds, "aaaa", &[]).unwrap_err().to_string().contains("any of these"));
        assert!(find(&seeds, "bb", &[]).unwrap_err().to_string().contains("there is no seed"));
        assert_eq!(find::<Seed>(&[], "x", &[]).unwrap_err().to_string(), "there is no seed yet");
        assert!(find::<Seed>(&[], "x", &[LostPart::Pairings]).unwrap_err().to_string().ends_with("yet"));
        assert!(find::<Seed>(&[], "x", &[LostPart::Seeds]).unwrap_err().to_string().contains("damaged"));
    }
}
