//! What the pages that are lists hold, row by row; and where a row leads.

use countersign_mobile::{LostPart, Pairing, PendingRequest, RequestKind, Seed};

use super::model::{News, Page, Right, Thing};
use crate::{
    show,
    time_text::{utc, utc_minute},
    wrap::tidy,
};

/// Columns that the names of a list are filled up to, so that what follows stands in a column.
const NAME: usize = 20;

/// A row of a list.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) text: String,
    /// What a job said of it, checked by nobody.
    pub(crate) claim: Option<String>,
    /// The page that Enter opens.
    pub(crate) opens: Option<Page>,
    /// What can be allowed or denied here.
    pub(crate) right: Option<Right>,
}

impl Row {
    fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// Whether it is more than something to read.
    pub(crate) fn leads_on(&self) -> bool {
        self.opens.is_some() || self.right.is_some()
    }
}

/// What a page holds; nothing if it is no list.
pub(crate) fn rows(page: &Page, news: &News) -> Vec<Row> {
    match page {
        Page::Request(_) => Vec::new(),
        Page::Requests => or(news.requests.iter().map(request).collect(), "waiting for requests"),
        Page::History => or(news.history.iter().rev().map(history).collect(), "nothing has happened yet"),
        Page::Seeds => {
            let mut rows = lost(news, LostPart::Seeds);
            rows.extend(news.no_unlock_key.then(|| Row::text(format!("warning: {}", show::no_unlock_key()))));
            rows.extend(or(news.seeds.iter().map(|it| seed(it, news)).collect(), "no seed; countersign-phone enroll makes one"));
            rows
        }
        Page::Pairings => {
            let mut rows = lost(news, LostPart::Pairings);
            rows.extend(or(news.pairings.iter().map(pairing).collect(), "no pairing; countersign-phone pair makes one"));
            rows
        }
        Page::Seed(id) => news.seeds.iter().find(|seed| seed.id == *id).map_or_else(Vec::new, |it| one_seed(it, news)),
        Page::Pairing(id) => news.pairings.iter().find(|pairing| pairing.id == *id).map_or_else(Vec::new, |it| one_pairing(it, news)),
    }
}

fn or(rows: Vec<Row>, nothing: &str) -> Vec<Row> {
    if rows.is_empty() { vec![Row::text(nothing)] } else { rows }
}

fn lost(news: &News, part: LostPart) -> Vec<Row> {
    news.lost.iter().filter(|lost| **lost == part).map(|lost| Row::text(format!("warning: {}", show::lost(*lost)))).collect()
}

fn request(it: &PendingRequest) -> Row {
    let text = format!("{}  {}  {} s left", tidy(&it.verified.pairing), wanted(it), it.seconds_left);
    Row { text, opens: Some(Page::Request(it.id.clone())), ..Row::default() }
}

/// What a request is for, in a few words.
pub(crate) fn wanted(it: &PendingRequest) -> String {
    let seed = tidy(it.verified.seed.as_deref().unwrap_or_default());
    match (it.verified.kind, it.verified.codes) {
        (RequestKind::Enroll, _) => "wants to enroll a seed".into(),
        (RequestKind::Code, 1) => format!("wants a code of {seed}"),
        (RequestKind::Code, codes) => format!("wants {codes} codes of {seed}"),
    }
}

fn history(it: &countersign_mobile::HistoryEntry) -> Row {
    let outcome = show::outcome(it.outcome);
    let text = format!("{}  {outcome:12}  {}  {}  {}", utc(it.at), tidy(&it.pairing), tidy(&it.label), it.codes);
    let reason = tidy(&it.reason);
    Row { text, claim: (!reason.is_empty()).then_some(reason), ..Row::default() }
}

fn last_used(it: &Seed, in_words: fn(u64) -> String) -> String {
    it.last_used.map_or_else(|| "never".into(), in_words)
}

/// Whether a pairing may use a seed; nothing if that was not decided.
fn may_use(pairing: &Pairing, seed: &Seed) -> Option<bool> {
    // Labels are unique on a phone.
    pairing.seeds.iter().find(|right| right.label == seed.label).map(|right| right.allowed)
}

fn seed(it: &Seed, news: &News) -> Row {
    let users = news.pairings.iter().filter(|pairing| may_use(pairing, it) == Some(true)).map(|pairing| pairing.name.as_str());
    let users = users.collect::<Vec<_>>().join(", ");
    let users = if users.is_empty() { "nobody" } else { &users };
    let text = format!("{:NAME$}  sealed {}  used {}  by {users}", it.label, utc_minute(it.created), last_used(it, utc_minute));
    Row { text, opens: Some(Page::Seed(it.id.clone())), ..Row::default() }
}

fn pairing(it: &Pairing) -> Row {
    let (may, all) = (it.seeds.iter().filter(|right| right.allowed).count(), it.seeds.len());
    let denied = if all > may { format!(", {} denied", all - may) } else { String::new() };
    let text = format!("{:NAME$}  since {}  {may} allowed{denied}  {}", it.name, utc_minute(it.created), it.relay);
    Row { text, opens: Some(Page::Pairing(it.id.clone())), ..Row::default() }
}

fn field(name: &str, value: &str) -> Row {
    Row::text(format!("{name:9}  {value}"))
}

fn one_seed(it: &Seed, news: &News) -> Vec<Row> {
    let mut rows = vec![
        field("seed", &it.label),
        field("sealed", &utc(it.created)),
        field("last used", &last_used(it, utc)),
        field("id", &it.id),
        Row::text("Which pairings may use it:"),
    ];
    let rights = news.pairings.iter().map(|pairing| right(pairing, it, &pairing.name, Page::Pairing(pairing.id.clone()))).collect();
    rows.extend(or(rights, "there is no pairing"));
    rows
}

fn one_pairing(it: &Pairing, news: &News) -> Vec<Row> {
    let mut rows = vec![
        field("pairing", &it.name),
        field("relay", &it.relay),
        field("since", &utc(it.created)),
        field("wake-ups", show::wake_up(it.wake_up)),
        field("id", &it.id),
        Row::text("Which seeds it may use:"),
    ];
    let rights = news.seeds.iter().map(|seed| right(it, seed, &seed.label, Page::Seed(seed.id.clone()))).collect();
    rows.extend(or(rights, "there is no seed"));
    rows
}

fn right(pairing: &Pairing, seed: &Seed, name: &str, opens: Page) -> Row {
    let state = match may_use(pairing, seed) {
        Some(true) => "allowed",
        Some(false) => "DENIED",
        None => "not decided",
    };
    let right = Right { pairing: Thing::new(&pairing.id, &pairing.name), seed: Thing::new(&seed.id, &seed.label) };
    Row { text: format!("{state:11}  {name}"), opens: Some(opens), right: Some(right), ..Row::default() }
}
