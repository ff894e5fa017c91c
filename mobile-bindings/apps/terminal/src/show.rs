//! Requests and events as lines.

use countersign_mobile::{Event, HistoryOutcome, LinkState, Operation, Pairing, PendingRequest};

/// What the person reads before deciding. What CI only claims is marked, line by line.
pub(crate) fn request(request: &PendingRequest) -> Vec<String> {
    let label = if request.label.is_empty() { "(you give the seed)" } else { &request.label };
    let mut lines = vec![match (request.operation, request.codes) {
        (Operation::Enroll, _) => format!("{} asks to enroll a seed: {label}", request.pairing),
        (Operation::Code, 1) => format!("{} asks for a code of {label}", request.pairing),
        (Operation::Code, codes) => format!("{} asks for {codes} codes of {label}", request.pairing),
    }];
    lines.extend(request.recipients.iter().map(|recipient| format!("  can open it too: {recipient}")));
    lines.extend(request.unverified.iter().map(|claim| format!("  unverified  {}: {}", claim.name, claim.value)));
    if let Some(artefact) = &request.artefact {
        lines.push(format!("  unverified  artefact: {} {}", artefact.name, artefact.version));
        lines.extend(artefact.sha256.iter().map(|digest| format!("  unverified  sha256: {digest}")));
    }
    if request.away {
        lines.push("  the connection to the job is lost for now".into());
    }
    lines.push(format!("  time left: {} s", request.seconds_left));
    lines
}

/// An event in one line; nothing where the request itself is shown.
pub(crate) fn event(event: &Event, pairings: &[Pairing]) -> Option<String> {
    let name = |id: &str| pairings.iter().find(|pairing| pairing.id == id).map_or_else(|| id.to_owned(), |pairing| pairing.name.clone());
    Some(match event {
        Event::Asked { .. } => return None,
        Event::JobAway { pairing } => format!("{}: the connection to the job is lost; it may come back", name(pairing)),
        Event::JobBack { pairing } => format!("{}: the job is back", name(pairing)),
        Event::Withdrawn { pairing } => format!("{}: the request was withdrawn or has expired", name(pairing)),
        Event::Settled { pairing } => format!("{}: settled", name(pairing)),
        Event::Link { relay, state: LinkState::Connecting } => format!("{relay}: connecting"),
        Event::Link { relay, state: LinkState::Connected } => format!("{relay}: connected"),
        Event::Link { relay, state: LinkState::Waiting { problem, retry_ms } } => {
            format!("{relay}: {problem}; next attempt in {}.{} s", retry_ms / 1000, retry_ms % 1000 / 100)
        }
        Event::Evicted { relay } => {
            format!("{relay}: ANOTHER device answers for this phone now: its keys were copied, or two programs share one state")
        }
        Event::WakeUpRegistered { pairing } => {
            format!("{}: the relay can wake you; on the laptop run `countersign renew` while this is connected", name(pairing))
        }
        Event::WakeUpRefused { relay, problem } => format!("{relay}: no wake-ups: {problem}"),
        Event::RelayProblem { relay, problem } => format!("{relay}: {problem}"),
        Event::StorageProblem { problem } => problem.clone(),
    })
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
mod tests {
    use countersign_mobile::{Artefact, Claim};

    use super::*;

    #[test]
    fn every_claim_is_marked() {
        let asked = PendingRequest {
            id: String::new(),
            pairing: "acme/widget".into(),
            pairing_id: String::new(),
            operation: Operation::Code,
            label: "ACME:release".into(),
            unverified: vec![Claim { name: "reason".into(), value: "release 1.2".into() }],
            artefact: Some(Artefact { name: "widget".into(), version: "1.2".into(), sha256: Some("ab".into()) }),
            codes: 2,
            recipients: vec![],
            needs_uri: false,
            first_use: false,
            away: false,
            seconds_left: 7,
            digits: 6,
        };
        assert_eq!(
            request(&asked),
            [
                "acme/widget asks for 2 codes of ACME:release",
                "  unverified  reason: release 1.2",
                "  unverified  artefact: widget 1.2",
                "  unverified  sha256: ab",
                "  time left: 7 s",
            ]
        );
    }
}
