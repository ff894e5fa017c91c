import CountersignMobile

extension AuthenticatorError {
    /// What it has for the person; its `localizedDescription` is for programmers.
    public var text: String {
        switch self {
        case .TryAgain(let text), .BadInput(let text), .Unlock(let text), .Storage(let text), .WrongNumber(let text), .NotAllowed(let text),
            .Gone(let text), .StartAgain(let text), .SetUp(let text):
            text
        }
    }
}

extension Attention {
    /// What the person should know.
    public var text: String {
        switch self {
        case .clockApart(let pairing, let seconds):
            "The clock of \(pairing) and this phone's are \(seconds) s apart: set the one that is wrong"
        case .evicted: "Another device answers for this phone now: stop using one of the two"
        case .relayProblem(let relay, let problem): "\(relay): \(problem)"
        case .wakeUpRegistered(let pairing): "Run `countersign renew` at \(pairing) now"
        case .wakeUpRefused(let relay, let problem): "\(relay) will not wake this phone: \(problem)"
        case .storageProblem(let problem): problem
        case .lost(let what): what.text
        case .seedUnused(_, let label, _): "\(label) has not been used for long: remove it if nobody needs it"
        }
    }
}

extension LostPart {
    fileprivate var text: String {
        switch self {
        case .seeds: "The list of seeds was lost: import the sealed ones from countersign.toml"
        case .pairings: "The pairings were lost: pair again"
        case .requests: "Requests under way were lost: start the jobs again"
        case .history: "The history was lost"
        }
    }
}
