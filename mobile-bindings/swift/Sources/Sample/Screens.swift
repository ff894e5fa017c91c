import CountersignMobile

// region: screens
/// What the person decides about a request.
public enum Answer: Sendable {
    /// `number`: as typed from the job's log. `grant`: the pairing may use the seed from now on. `seed`: what was scanned, if the request needs a seed.
    case yes(number: String, grant: Bool, seed: SeedImport?)
    case no(reason: String)
    /// No, and the pairing never asks again.
    case block
}

/// The screens of an app. A class of the main actor can be it.
public protocol Screens: Sendable {
    /// Lists the request and shows it: `verified` as it is, and `claimed` apart from it as what the job says. Returns when the person has decided:
    /// who goes back to the list decides later. Throws when its task is cancelled: take the question away. What else it throws is told, and the person asked again.
    func ask(_ request: PendingRequest) async throws -> Answer
    /// One text after another; no question waits for it.
    func tell(_ text: String) async
}
// endregion

// region: digits
/// Shows the six digits of a pairing, to be typed into the laptop that calls itself `name`. Called on a thread of the library: hand over and return.
public final class Digits: PairingUi {
    private let show: @Sendable (String, String) -> Void

    public init(show: @escaping @Sendable (String, String) -> Void) {
        self.show = show
    }

    public func showDigits(name: String, digits: String) {
        show(name, digits)
    }
}
// endregion
