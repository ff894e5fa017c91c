import CountersignMobile

// region: screens
/// The two screens of an app.
public protocol Screens: Sendable {
    /// Lists the request and shows it: `verified` as it is, and `claimed` apart from it as what the job says. Returns when the person has decided:
    /// who goes back to the list decides later. Throws when its task is cancelled: the request is gone, take it away.
    func ask(_ request: PendingRequest) async throws -> Answer
    func tell(_ text: String) async
}
// endregion

/// What the person decides about a request.
public enum Answer: Sendable {
    /// The number from the job's log; whether the pairing may use the seed from now on; the seed, if the request needs one.
    case yes(number: String, grant: Bool, seed: SeedImport?)
    case no(reason: String)
}

/// Shows the six digits of a pairing.
public final class Digits: PairingUi {
    private let show: @Sendable (String, String) -> Void

    public init(show: @escaping @Sendable (String, String) -> Void) {
        self.show = show
    }

    public func showDigits(name: String, digits: String) {
        show(name, digits)
    }
}
