//! Requests and events as lines.

use countersign_mobile::{
    Attention, AuthenticatorError, Claimed, Connection, Event, Gone, HistoryOutcome, KeychainError, LinkState, LostPart, Pairing,
    PendingRequest, RequestKind, WakeUpState,
};

use crate::{
    keychain::{BRING_BACK, UNLOCK},
    time_text::utc,
    wrap::{hanging_surely, tidy},
};

/// Before each line of what CI only claims.
const UNVERIFIED: &str = "  unverified  ";
/// The same where that leaves no room.
const UNVERIFIED_NARROW: &str = "? ";
/// Columns that have room for the longer one.
const WIDE: usize = 40;

/// What the person reads before deciding. What CI only claims is marked, line by line: of a terminal with that many columns none is left to break.
pub(crate) fn request(request: &PendingRequest, width: Option<usize>) -> Vec<String> {
    let (verified, claimed) = (&request.verified, &request.claimed);
    let (pairing, seed) = (tidy(&verified.pairing), tidy(verified.seed.as_deref().unwrap_or_default()));
    let mut lines = vec![match (verified.kind, verified.codes) {
        (RequestKind::Enroll, _) if request.needs_seed => format!("{pairing} asks to enroll a seed: (you give the seed)"),
        (RequestKind::Enroll, _) => format!("{pairing} asks to enroll a seed"),
        (RequestKind::Code, 1) => format!("{pairing} asks for a code of {seed}"),
        (RequestKind::Code, codes) => format!("{pairing} asks for {codes} codes of {seed}"),
    }];
    lines.extend(verified.recipients.iter().map(|recipient| format!("  can open it too: {recipient}")));
    for (name, value) in claims(claimed) {
        let width = width.unwrap_or(usize::MAX);
        let mark = if width < WIDE { UNVERIFIED_NARROW } else { UNVERIFIED };
        lines.extend(hanging_surely(mark, mark, &format!("{name}: {value}"), width));
    }
    if request.away {
        lines.push("  the connection to the job is lost for now".into());
    }
    lines.push(format!("  time left: {} s", request.seconds_left));
    lines
}

/// What the job says, by name; each in one line without gaps.
pub(crate) fn claims(claimed: &Claimed) -> Vec<(&str, String)> {
    let mut claims: Vec<(&str, String)> = Vec::new();
    claims.extend(claimed.new_seed.iter().map(|label| ("new seed", label.clone())));
    let own = [("seed", &claimed.seed_name), ("reason", &claimed.reason)];
    claims.extend(own.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name, value.clone())));
    claims.extend(claimed.job.iter().map(|claim| (claim.name.as_str(), claim.value.clone())));
    if let Some(artefact) = &claimed.artefact {
        claims.push(("artefact", format!("{} {}", artefact.name, artefact.version)));
        claims.extend(artefact.sha256.iter().map(|digest| ("sha256", digest.clone())));
    }
    claims.iter_mut().for_each(|(_, value)| *value = tidy(value));
    claims
}

/// An event in one line; nothing where the request itself is shown.
pub(crate) fn event(event: &Event, pairings: &[Pairing]) -> Option<String> {
    let name = |id: &str| pairings.iter().find(|pairing| pairing.id == id).map_or_else(|| id.to_owned(), |pairing| pairing.name.clone());
    Some(match event {
        Event::RequestArrived { .. } | Event::RequestGone { why: Gone::Answered, .. } => return None,
        Event::RequestChanged { request } if request.away => {
            format!("{}: the connection to the job is lost; it may come back", request.verified.pairing)
        }
        Event::RequestChanged { request } => format!("{}: the job is back", request.verified.pairing),
        Event::RequestGone { .. } => "the request was withdrawn or has expired".to_owned(),
        Event::Settled { pairing_id } => format!("{}: settled", name(pairing_id)),
        Event::ConnectionChanged { connection: Connection { relay, state } } => match state {
            LinkState::Connecting => format!("{relay}: connecting"),
            LinkState::Connected => format!("{relay}: connected"),
            // The attention says it, and what it means.
            LinkState::Evicted | LinkState::Disconnected => return None,
            LinkState::Waiting { problem, retry_ms } => {
                format!("{relay}: {problem}; next attempt in {}.{} s", retry_ms / 1000, retry_ms % 1000 / 100)
            }
        },
        Event::AttentionNeeded { attention: it } => return attention(it),
    })
}

/// What the person should know, in one line.
fn attention(attention: &Attention) -> Option<String> {
    Some(match attention {
        Attention::Evicted { relay } => {
            format!(
                "{relay}: ANOTHER device answers for this phone now: its keys were copied, or two programs share one state; to take its place press r on the full screen, or start this one again"
            )
        }
        Attention::WakeUpRegistered { pairing } => {
            format!("{pairing}: the relay can wake you; on the laptop run `countersign renew` while this is connected")
        }
        Attention::WakeUpRefused { relay, problem } => format!("{relay}: no wake-ups: {problem}"),
        Attention::RelayProblem { relay, problem } => format!("{relay}: {problem}"),
        Attention::StorageProblem { problem } => problem.clone(),
        Attention::ClockApart { pairing, seconds } => {
            let (apart, which) = (seconds.unsigned_abs(), if *seconds > 0 { "ahead of" } else { "behind" });
            format!("{pairing}: a job was turned away: its clock is {apart} s {which} this one's; set the clock that is wrong")
        }
        // Said when the phone is opened, also of what was lost long ago.
        Attention::Lost { .. } => return None,
        Attention::SeedUnused { label, since, .. } => {
            format!("{label} was not used since {}: remove it, here and at its service, if nobody needs it", utc(*since))
        }
    })
}

/// What was lost, and what to do.
pub(crate) fn lost(what: LostPart) -> &'static str {
    match what {
        LostPart::Seeds => {
            "the list of seeds was damaged or missing, and all that was in it is lost: bring the seeds back with `countersign-phone import countersign.toml`; after that, or to go on without them, `countersign-phone backup FILE --anyway` ends this warning"
        }
        LostPart::Pairings => {
            "the list of pairings was damaged or missing, and all that was in it is lost: pair again, with `countersign pair` on each laptop; after that, or to go on without them, `countersign-phone backup FILE --anyway` ends this warning"
        }
        LostPart::Requests => "the requests that were under way were damaged or missing and are lost: start the jobs again",
        LostPart::History => "the history was damaged or missing and begins anew: nothing is to be done",
    }
}

/// Why something was not done. The engine's words are for any app; this one can say which file is missing, and which command brings it back.
pub(crate) fn failure(error: &AuthenticatorError) -> String {
    match error {
        AuthenticatorError::SetUp(text) if *text == KeychainError::Missing.to_string() => no_unlock_key(),
        error => error.to_string(),
    }
}

/// That the key that opens seeds is missing, and what to do.
pub(crate) fn no_unlock_key() -> String {
    format!("{UNLOCK}, the key that opens the seeds, is missing from the state folder; {BRING_BACK}")
}

/// Whether jobs can wake this phone.
pub(crate) fn wake_up(state: WakeUpState) -> &'static str {
    match state {
        WakeUpState::Off => "off",
        WakeUpState::NeedsTicket => "after `countersign renew`",
        WakeUpState::Ready => "on",
    }
}

/// Why there is nothing to wait for.
pub(crate) fn no_pairing(lost: &[LostPart]) -> String {
    let why = if lost.contains(&LostPart::Pairings) { "any more: the list of pairings was damaged or missing" } else { "yet" };
    format!("there is no pairing {why}; run `countersign pair` on the laptop, and here: countersign-phone pair TEXT")
}

/// How a request ended.
pub(crate) fn outcome(outcome: HistoryOutcome) -> &'static str {
    match outcome {
        HistoryOutcome::Approved => "approved",
        HistoryOutcome::Used => "used",
        HistoryOutcome::NotUsed => "not used",
        HistoryOutcome::Rejected => "rejected",
        HistoryOutcome::Denied => "denied",
        HistoryOutcome::WrongNumber => "wrong number",
        HistoryOutcome::Expired => "expired",
        HistoryOutcome::Withdrawn => "withdrawn",
        HistoryOutcome::Policy => "no right",
        HistoryOutcome::Failed => "failed",
        HistoryOutcome::Busy => "busy",
        HistoryOutcome::Enrolled => "enrolled",
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use countersign_mobile::{Artefact, Claim, Verified};

    use super::*;

    /// A request as the engine shows it.
    pub(crate) fn request(id: &str, codes: u8) -> PendingRequest {
        let verified = Verified {
            pairing: "acme/widget".into(),
            pairing_id: "p".into(),
            kind: RequestKind::Code,
            seed: Some("ACME:release".into()),
            codes,
            recipients: vec![],
            first_use: false,
        };
        let claimed = Claimed {
            seed_name: "npm".into(),
            reason: "release 1.2".into(),
            new_seed: None,
            artefact: None,
            job: vec![Claim { name: "actor".into(), value: "alice".into() }],
        };
        PendingRequest { id: id.into(), verified, claimed, needs_seed: false, away: false, seconds_left: 90, digits: 6 }
    }

    #[test]
    fn every_claim_is_marked() {
        let mut asked = request("1", 2);
        asked.claimed.artefact = Some(Artefact { name: "widget".into(), version: "1.2".into(), sha256: Some("ab".into()) });
        assert_eq!(
            super::request(&asked, None),
            [
                "acme/widget asks for 2 codes of ACME:release",
                "  unverified  seed: npm",
                "  unverified  reason: release 1.2",
                "  unverified  actor: alice",
                "  unverified  artefact: widget 1.2",
                "  unverified  sha256: ab",
                "  time left: 90 s",
            ]
        );
    }

    #[test]
    fn no_line_of_a_claim_is_without_its_mark() {
        for forged in [format!("fix typo{}acme/trusted asks for a code of Hex:bob", " ".repeat(58)), "±".repeat(200), "x".repeat(200)] {
            let mut asked = request("1", 1);
            asked.claimed.reason = forged;
            asked.claimed.job.clear();
            for (width, mark) in [(80, UNVERIFIED), (30, UNVERIFIED_NARROW)] {
                let lines = super::request(&asked, Some(width));
                let (first, rest) = lines.split_first().unwrap();
                assert_eq!(first, "acme/widget asks for a code of ACME:release");
                let claims = &rest[..rest.len() - 1];
                assert!(claims.iter().all(|line| line.starts_with(mark) && line.chars().count() <= width), "{lines:?}");
                assert!(!claims.iter().any(|line| line.contains("   acme")), "{lines:?}");
            }
        }
    }
}
